# SPDX-License-Identifier: Apache-2.0
"""What travels between the one who plans and the workers: tasks, reports, results, failures."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from anon_ros.errors import BusyError, InputError, ModelError, SettingError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings
    from anon_ros.fleet.bags import Bag
    from anon_ros.fleet.lease import Lease
    from anon_ros.fleet.place import Place
    from anon_ros.fleet.state import Outcome, Topics
    from anon_ros.runs.look import PartOfBag


@dataclass(frozen=True)
class Job:
    """
    What all tasks of a run share; it is sent to each worker once.

    work: a folder for what must not lie beside the results: downloads, and parts of bags that
    were looked into. settings_hash: see state.hash_of. command: as typed, for the manifests.
    new_detector: makes what finds regions instead of networks; a function of a module.
    """

    source: Place
    target: Place
    settings: Settings
    topics: Topics
    settings_hash: str
    work: Path
    command: tuple[str, ...] = ()
    new_detector: Callable[[], RegionDetector] | None = None


@dataclass(frozen=True)
class LookTask:
    """Look into a part of a bag."""

    bag: Bag
    part: PartOfBag


@dataclass(frozen=True)
class RewriteTask:
    """
    Write the anonymized copy of a bag.

    fingerprint: of the source. secret: the seed of its patterns, and secret_id what tells it from
    others. looks: what was seen in its parts, in files or in bytes.
    """

    bag: Bag
    lease: Lease
    fingerprint: str
    secret: int = field(repr=False)
    secret_id: str = ''
    looks: tuple[Path | bytes, ...] = field(default=(), repr=False)


Task: TypeAlias = 'LookTask | RewriteTask'


@dataclass(frozen=True)
class Report:
    """How far a task is: a share of 0..1, and what it has found and withheld so far."""

    share: float
    frames: int = 0
    withheld: int = 0
    regions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LookDone:
    """A part's looks, packed, and how many frames and s they took."""

    looks: bytes = field(repr=False)
    frames: int = 0
    wall_s: float = 0.0


@dataclass(frozen=True)
class RewriteDone:
    """What came of a bag."""

    outcome: Outcome


Result: TypeAlias = 'LookDone | RewriteDone'


class Hope(enum.Enum):
    """Whether it helps to try again."""

    LATER = 'may succeed later'
    ELSEWHERE = 'another worker is at it'
    NOT_THIS_BAG = 'none for this bag'
    NOT_THIS_RUN = 'none for any bag'


@dataclass(frozen=True)
class Failure:
    """Why a task came to nothing."""

    cause: str
    hope: Hope = Hope.LATER


def failure_of(error: BaseException) -> Failure:
    """Return what an error means for the bag and for the run."""
    if isinstance(error, BusyError):
        return Failure(str(error), Hope.ELSEWHERE)
    if isinstance(error, (ModelError, SettingError)):
        return Failure(str(error), Hope.NOT_THIS_RUN)
    if isinstance(error, (InputError, UsageError)):
        return Failure(str(error), Hope.NOT_THIS_BAG)
    text = ' '.join(str(error).split())
    if isinstance(error, (OSError, StoreError)) and text:
        return Failure(text)
    return Failure(f'{type(error).__name__}: {text}')
