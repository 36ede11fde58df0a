# SPDX-License-Identifier: Apache-2.0
"""What became of each bag: a small file for each beside the results, under .anon-fleet/state."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anon_ros.audit import typed_json
from anon_ros.core import settings as settings_module
from anon_ros.fleet.bags import STATE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Container

    from anon_ros.core.settings import Settings
    from anon_ros.fleet.place import Place

Status = Literal['running', 'done', 'failed']

_ELSEWHERE = ('threads',)
"""Settings that change nothing in a result."""


@dataclass(frozen=True)
class Topics:
    """Which topics are anonymized, copied and left out; see bags.topics.plan_topics."""

    selected: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """
    What came of one bag.

    frames: of its cameras. withheld: frames masked all over, and messages left out. regions: by
    kind. wall_s: of the worker, for the whole bag. files: of the result, name in the target and
    size in bytes.
    """

    frames: int
    withheld: int
    regions: dict[str, int]
    wall_s: float
    files: dict[str, int]


@dataclass(frozen=True)
class BagState:
    """
    Where a bag stands.

    fingerprint: of the source, see bags.fingerprint. settings_hash: see hash_of. error: why it
    failed. finished: UTC, ISO 8601.
    """

    status: Status
    fingerprint: str
    settings_hash: str
    error: str = ''
    outcome: Outcome | None = None
    finished: str = ''
    tool_version: str = ''

    def is_of(self, fingerprint: str, settings_hash: str) -> bool:
        """Return whether it speaks of the same source and the same settings."""
        return (self.fingerprint, self.settings_hash) == (fingerprint, settings_hash)


def hash_of(settings: Settings, topics: Topics) -> str:
    """Return a hash of everything that a result depends on beside its source."""
    values = settings_module.to_mapping(settings)
    for name in _ELSEWHERE:
        values.pop(name)
    content = [values, typed_json.to_plain(topics)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_state(target: Place, bag: str) -> BagState | None:
    """Return where a bag stands; None where nothing, or nothing readable, is said of it."""
    data = target.read(_name(bag))
    if data is None:
        return None
    try:
        return typed_json.from_plain(BagState, typed_json.parse(data.decode()))
    except ValueError:  # as good as none: the bag is done again
        return None


def write_state(target: Place, bag: str, state: BagState) -> None:
    """Write down where a bag stands; raise OutputError where that is not possible."""
    target.write(_name(bag), (json.dumps(typed_json.to_plain(state), indent=1) + '\n').encode())


def has_result(outcome: Outcome | None, present: Container[str]) -> bool:
    """
    Return whether all files of a result are there; present: names of files in the target.

    Their sizes say nothing: whoever reviews a result may correct it later.
    """
    return outcome is not None and all(name in present for name in outcome.files)


def _name(bag: str) -> str:
    return f'{STATE_FOLDER}/state/{bag}.json'
