# SPDX-License-Identifier: Apache-2.0
"""Gives bags and parts of bags to workers until every bag is settled."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.errors import AnonError, ModelError
from anon_ros.fleet.claims import Claimed, Settled
from anon_ros.fleet.engine import Failed, Finished
from anon_ros.fleet.result import BagReport, FleetProgress
from anon_ros.fleet.secret import key_id, seed_of
from anon_ros.fleet.tasks import (
    Failure,
    Hope,
    LookDone,
    LookTask,
    Report,
    RewriteDone,
    RewriteTask,
    failure_of,
)
from anon_ros.fleet.work import Work, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.fleet.bags import Bag
    from anon_ros.fleet.claims import Claims
    from anon_ros.fleet.engine import Engine, Event
    from anon_ros.fleet.lease import Leases
    from anon_ros.fleet.result import Fate
    from anon_ros.fleet.state import Outcome
    from anon_ros.fleet.tasks import Task
    from anon_ros.fleet.work import LooksFolder
    from anon_ros.runs.look import PartOfBag

WAIT_S = 0.25
ELSEWHERE_S = 5.0
LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True)
class Policy:
    """
    How bags are split and tried again.

    part_bytes: bags larger than this are looked into in parts of about this size; 0 for never.
    retries: how often a task is tried again. pause_s: before the first retry, then twice as long
    each time. elsewhere_s: how often a bag that another run works on is looked at again.
    is_local: whether the source needs no fetching. command: as typed.
    """

    part_bytes: int
    retries: int = 2
    pause_s: float = 2.0
    elsewhere_s: float = ELSEWHERE_S
    is_local: bool = True
    command: tuple[str, ...] = ()


@dataclass
class _Waiting:
    """A task that may start at a time, by the monotonic clock."""

    work: Work
    part: PartOfBag | None
    from_s: float = 0.0


@dataclass
class _Later:
    """A bag that may be claimed at a time: another run is at it, or its store failed."""

    bag: Bag
    from_s: float
    is_elsewhere: bool = True


@dataclass
class _Sums:
    frames: int = 0
    withheld: int = 0
    regions: Counter[str] = field(default_factory=Counter)
    done_bytes: int = 0


class Schedule:
    """Runs all bags; the largest first, so that the last ones end together."""

    def __init__(
        self, engine: Engine, claims: Claims, leases: Leases, looks: LooksFolder, key: bytes,
        policy: Policy, show: Callable[[FleetProgress], None],
    ) -> None:
        """Take what it steers; none of it is opened or closed here."""
        self._engine = engine
        self._claims = claims
        self._leases = leases
        self._looks = looks
        self._key = key
        self._policy = policy
        self._show = show
        self._new: deque[Bag] = deque()
        self._later: list[_Later] = []
        self._waiting: list[_Waiting] = []
        self._running: dict[int, tuple[Work, PartOfBag | None]] = {}
        self._works: dict[str, Work] = {}
        self._claim_tries: Counter[str] = Counter()
        self._reports: dict[str, BagReport] = {}
        self._sums = _Sums()
        self._bags = 0
        self._size_bytes = 0
        self.busy_s = 0.0

    def run(self, bags: Sequence[Bag]) -> list[BagReport]:
        """
        Return what became of each bag, in the order of their names.

        Raises ModelError where the networks do not start: no bag would come to anything.
        """
        self._new.extend(sorted(bags, key=lambda bag: (-bag.size_bytes, bag.name)))
        self._bags, self._size_bytes = len(bags), sum(bag.size_bytes for bag in bags)
        while len(self._reports) < self._bags:
            self._give_up_lost()
            self._fill()
            if self._running:
                for event in self._engine.wait(WAIT_S):
                    self._take(event)
            elif len(self._reports) < self._bags:
                time.sleep(WAIT_S)
            self._show(self._progress())
        return [self._reports[name] for name in sorted(self._reports)]

    # Tasks to workers

    def _fill(self) -> None:
        for slot in range(self._engine.slots):
            while slot not in self._running:
                waiting = self._next()
                if waiting is None:
                    return
                self._start(slot, waiting)

    def _next(self) -> _Waiting | None:
        """Return the next task: of bags that are begun first, their rewriting before all."""
        now_s = time.monotonic()
        while True:
            due = [each for each in self._waiting if each.from_s <= now_s]
            if due:
                chosen = min(due, key=lambda each: each.part is not None)
                self._waiting.remove(chosen)
                return chosen
            bag = self._next_bag(now_s)
            if bag is None:
                return None
            self._claim(bag)

    def _next_bag(self, now_s: float) -> Bag | None:
        if self._new:
            return self._new.popleft()
        due = next((each for each in self._later if each.from_s <= now_s), None)
        if due is None:
            return None
        self._later.remove(due)
        return due.bag

    def _claim(self, bag: Bag) -> None:
        try:
            claim = self._claims.claim(bag)
        except AnonError as error:
            self._claim_tries[bag.name] += 1
            failure, tries = failure_of(error), self._claim_tries[bag.name]
            if failure.hope is Hope.LATER and tries <= self._policy.retries:
                self._later.append(_Later(bag, self._after(tries), is_elsewhere=False))
            else:
                self._report(bag, 'failed', cause=failure.cause, tries=tries)
            return
        if claim is None:
            self._later.append(_Later(bag, time.monotonic() + self._policy.elsewhere_s))
        elif isinstance(claim, Settled):
            fate: Fate = 'failed' if claim.cause else 'skipped'
            self._report(bag, fate, claim.outcome, claim.cause)
        else:
            self._begin(bag, claim)

    def _begin(self, bag: Bag, claim: Claimed) -> None:
        parts = () if not self._policy.part_bytes else parts_of(
            bag, self._policy.part_bytes, is_local=self._policy.is_local)
        work = self._works[bag.name] = Work(bag, claim, parts)
        work.looks = self._looks.known(claim, parts)
        work.shares.update(dict.fromkeys(work.looks, 1.0))
        self._waiting += [_Waiting(work, task.part) for task in work.look_tasks()]
        if work.is_looked_into:
            self._waiting.append(_Waiting(work, None))

    def _start(self, slot: int, waiting: _Waiting) -> None:
        work, part = waiting.work, waiting.part
        work.tries[part] += 1
        if part is None and work.tries[part] > 1:
            try:
                self._claims.clear(work.bag, work.claim)
            except AnonError as error:
                self._take_failure(work, part, failure_of(error))
                return
        task: Task = LookTask(work.bag, part) if part is not None else RewriteTask(
            work.bag, work.claim.lease, work.claim.fingerprint,
            seed_of(self._key, work.claim.fingerprint), key_id(self._key),
            tuple(work.looks[each] for each in work.parts),
        )
        self._running[slot] = work, part
        self._engine.start(slot, task)

    # Events of workers

    def _take(self, event: Event) -> None:
        running = self._running.get(event.slot)
        if running is None:
            return
        work, part = running
        if isinstance(event, (Finished, Failed)):
            del self._running[event.slot]
            if work.is_over:
                return
        if isinstance(event, Finished):
            self._take_result(work, part, event.result)
        elif isinstance(event, Failed):
            self._take_failure(work, part, event.failure)
        else:
            self._take_report(work, part, event.report)

    def _take_report(self, work: Work, part: PartOfBag | None, report: Report) -> None:
        work.shares[part] = report.share
        if part is None:
            work.report = report

    def _take_result(
        self, work: Work, part: PartOfBag | None, result: LookDone | RewriteDone
    ) -> None:
        if isinstance(result, RewriteDone):
            self.busy_s += result.outcome.wall_s
            self._finish(work, result.outcome)
        elif part is not None:
            self.busy_s += result.wall_s
            try:
                work.looks[part] = self._looks.keep(work.claim, part, result.looks)
            except AnonError as error:
                self._take_failure(work, part, failure_of(error))
                return
            work.shares[part] = 1.0
            if work.is_looked_into:
                self._waiting.append(_Waiting(work, None))

    def _take_failure(self, work: Work, part: PartOfBag | None, failure: Failure) -> None:
        if failure.hope is Hope.NOT_THIS_RUN:
            raise ModelError(failure.cause)
        work.shares[part] = 0.0
        if failure.hope is Hope.ELSEWHERE:
            self._give_back(work)
            return
        if failure.hope is Hope.LATER and work.tries[part] <= self._policy.retries:
            self._waiting.append(_Waiting(work, part, self._after(work.tries[part])))
            return
        self._end(work)
        cause = failure.cause
        try:
            self._claims.give_up(work.bag, work.claim, cause)
        except AnonError as error:
            cause = f'{cause}; and {error}'
        self._report(work.bag, 'failed', cause=cause, tries=work.tries[part])

    def _finish(self, work: Work, outcome: Outcome) -> None:
        self._end(work)
        try:
            self._claims.finish(work.bag, work.claim, outcome)
        except AnonError as error:
            self._report(work.bag, 'failed', cause=str(error), tries=work.tries[None])
            return
        self._sums.frames += outcome.frames
        self._sums.withheld += outcome.withheld
        self._sums.regions.update(outcome.regions)
        self._report(work.bag, 'done', outcome, tries=work.tries[None])

    def _end(self, work: Work) -> None:
        self._drop(work)
        self._looks.forget(work.claim)

    def _give_back(self, work: Work) -> None:
        """Let a worker that has outlived its run finish before this bag is tried again."""
        self._drop(work)
        with contextlib.suppress(AnonError):
            self._claims.give_back(work.bag)
        self._later.append(_Later(work.bag, time.monotonic() + self._policy.elsewhere_s))

    def _drop(self, work: Work) -> None:
        """Drop all that is left to do for a bag; what runs for it ends unheard."""
        work.is_over = True
        self._waiting = [each for each in self._waiting if each.work is not work]
        self._works.pop(work.bag.name, None)

    def _give_up_lost(self) -> None:
        """Stop working on bags that another run has taken over."""
        for name in self._leases.lost():
            work = self._works.get(name)
            if work is None:
                continue
            self._drop(work)
            for slot in [slot for slot, (each, _) in self._running.items() if each is work]:
                del self._running[slot]
                self._engine.cancel(slot)
            self._later.append(_Later(work.bag, time.monotonic() + self._policy.elsewhere_s))

    # What is told

    def _report(
        self, bag: Bag, fate: Fate, outcome: Outcome | None = None, cause: str = '',
        tries: int = 0,
    ) -> None:
        repeat = repeat_command(self._policy.command, bag.name) if fate == 'failed' else ''
        self._reports[bag.name] = BagReport(
            bag.name, bag.size_bytes, fate, outcome, cause, tries, repeat)
        self._sums.done_bytes += bag.size_bytes

    def _after(self, tries: int) -> float:
        pause_s = self._policy.pause_s * 2.0**(tries - 1)
        return time.monotonic() + min(pause_s, LONGEST_PAUSE_S)

    def _progress(self) -> FleetProgress:
        works = list(self._works.values())
        regions = self._sums.regions.copy()
        for work in works:
            regions.update(work.report.regions)
        return FleetProgress(
            bags=self._bags, settled=len(self._reports),
            failed=sum(report.fate == 'failed' for report in self._reports.values()),
            elsewhere=sum(each.is_elsewhere for each in self._later),
            size_bytes=self._size_bytes,
            done_bytes=self._sums.done_bytes + sum(
                work.bag.size_bytes * work.share for work in works),
            frames=self._sums.frames + sum(work.report.frames for work in works),
            withheld=self._sums.withheld + sum(work.report.withheld for work in works),
            regions=dict(regions),
        )


def repeat_command(command: Sequence[str], bag: str) -> str:
    """Return the command that does one bag again; command: the one that failed, as typed."""
    kept = []
    words = iter(command)
    for word in words:
        if word == '--only':
            next(words, None)
        elif not word.startswith('--only='):
            kept.append(word)
    return shlex.join([*kept, '--only', bag])
