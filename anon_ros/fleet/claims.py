# SPDX-License-Identifier: Apache-2.0
"""Decides what a run may do with a bag: work on it, leave it as it is, or neither."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from anon_ros import __version__
from anon_ros.fleet.bags import SIDECAR_SUFFIX, fingerprint
from anon_ros.fleet.staging import staging_name, withdraw
from anon_ros.fleet.state import BagState, has_result, read_state, write_state

if TYPE_CHECKING:
    from anon_ros.fleet.bags import Bag
    from anon_ros.fleet.lease import Lease, Leases
    from anon_ros.fleet.place import Place
    from anon_ros.fleet.state import Outcome


@dataclass(frozen=True)
class Claimed:
    """A bag to work on."""

    lease: Lease
    fingerprint: str


@dataclass(frozen=True)
class Settled:
    """A bag that is done already, with its outcome, or that cannot be done, with the cause."""

    outcome: Outcome | None = None
    cause: str = ''


class Claims:
    """
    One run's view of the target's states and leases.

    may_replace: whether results of other settings, or of a source that has changed, are replaced.
    """

    def __init__(
        self, source: Place, target: Place, leases: Leases, settings_hash: str, *,
        may_replace: bool = False,
    ) -> None:
        self._source = source
        self._target = target
        self._leases = leases
        self._settings_hash = settings_hash
        self._may_replace = may_replace

    def look(self, bag: Bag) -> Settled | None:
        """Return what is settled about a bag without claiming it; None where there is work."""
        state = read_state(self._target, bag.name)
        if state is None or state.status != 'done':
            return None
        return self._settled(bag, state, fingerprint(bag, self._source))

    def claim(self, bag: Bag) -> Claimed | Settled | None:
        """
        Return a claim on a bag, or what is settled about it; None while somebody is at it.

        What an interrupted run has left at the bag's place is removed.
        """
        lease = self._leases.acquire(bag.name)
        if lease is None:
            return None
        try:
            found = fingerprint(bag, self._source)
            state = read_state(self._target, bag.name)
            settled = self._settled(bag, state, found)
            if settled is None:
                self._begin(bag, state, found)
                return Claimed(lease, found)
        except BaseException:
            self._leases.release(bag.name)
            raise
        self._leases.release(bag.name)
        return settled

    def finish(self, bag: Bag, claim: Claimed, outcome: Outcome) -> None:
        """Write down that a bag is done, and give it back."""
        self._settle(bag, claim, self._state(claim.fingerprint, outcome=outcome))

    def give_up(self, bag: Bag, claim: Claimed, cause: str) -> None:
        """Write down why a bag is not done, remove what there is of it, and give it back."""
        state = replace(self._state(claim.fingerprint), status='failed', error=cause)
        try:
            self.clear(bag, claim)
            if claim.lease.is_held(self._target):
                self._target.remove(staging_name(bag.name))
        finally:
            self._settle(bag, claim, state)

    def clear(self, bag: Bag, claim: Claimed) -> None:
        """
        Remove what a try that broke off has left at a bag's place.

        Nothing else can be there: it was free when the bag was claimed. A bag that another run
        has taken over is left alone.
        """
        if not claim.lease.is_held(self._target):
            return
        if self._is_there(bag):
            withdraw(self._target, bag.name)

    def give_back(self, bag: Bag) -> None:
        """Leave a bag as it is to whoever is at it."""
        self._leases.release(bag.name)

    def _settle(self, bag: Bag, claim: Claimed, state: BagState) -> None:
        try:
            if claim.lease.is_held(self._target):
                write_state(self._target, bag.name, state)
        finally:
            self._leases.release(bag.name)

    def _state(self, fingerprint: str, outcome: Outcome | None = None) -> BagState:
        now = datetime.now(timezone.utc).isoformat(timespec='seconds')
        return BagState(
            'done', fingerprint, self._settings_hash, outcome=outcome, finished=now,
            tool_version=__version__,
        )

    def _settled(self, bag: Bag, state: BagState | None, found: str) -> Settled | None:
        """Return what its state and what lies at its place say; None where there is work."""
        is_there = self._is_there(bag)
        if state is None:
            return _ALIEN if is_there else None
        if state.status != 'done' or state.outcome is None or not is_there:
            return None
        if not state.is_of(found, self._settings_hash):
            return None if self._may_replace else Settled(cause=self._difference(state, found))
        present = {file.name for name in self._names(bag) for file in self._target.files(name)}
        if has_result(state.outcome, present):
            return Settled(state.outcome)
        if self._may_replace:
            return None
        missing = min(set(state.outcome.files) - present)
        return Settled(cause=f'{missing} is gone from the result; --replace does it again')

    def _difference(self, state: BagState, found: str) -> str:
        what = 'its source has changed since' if state.fingerprint != found else (
            'it was made with other settings')
        return f'the result is there, but {what}; --replace does it again'

    def _begin(self, bag: Bag, state: BagState | None, found: str) -> None:
        if state is not None and self._is_there(bag):
            withdraw(self._target, bag.name)
        write_state(self._target, bag.name, replace(self._state(found), status='running'))

    def _is_there(self, bag: Bag) -> bool:
        return any(True for name in self._names(bag) for _ in self._target.files(name))

    def _names(self, bag: Bag) -> tuple[str, str]:
        return bag.name, f'{bag.name}{SIDECAR_SUFFIX}'


_ALIEN = Settled(cause='something is there that no fleet run made; it is never overwritten')
