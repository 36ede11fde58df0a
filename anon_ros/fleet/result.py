# SPDX-License-Identifier: Apache-2.0
"""What a fleet run tells: on its way, and of every bag in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from anon_ros.audit import typed_json

if TYPE_CHECKING:
    from anon_ros.fleet.state import Outcome

Fate = Literal['done', 'skipped', 'failed']


@dataclass(frozen=True)
class BagReport:
    """
    What became of a bag.

    fate: done by this run, done before or by another one, or failed. cause: why it failed.
    tries: how often a worker began it. repeat: the command that does this bag again.
    """

    name: str
    size_bytes: int
    fate: Fate
    outcome: Outcome | None = None
    cause: str = ''
    tries: int = 0
    repeat: str = ''


@dataclass(frozen=True)
class FleetResult:
    """
    What became of all bags.

    busy_s: wall time of all workers at their tasks, in sum; what is missing to wall_s times
    workers is start, waiting and planning. other_files: of the source, part of no bag.
    """

    bags: tuple[BagReport, ...]
    engine: str
    workers: int
    wall_s: float
    busy_s: float
    other_files: int = 0

    @property
    def failed(self) -> tuple[BagReport, ...]:
        """The bags that are not there."""
        return tuple(bag for bag in self.bags if bag.fate == 'failed')

    @property
    def withheld(self) -> int:
        """Frames masked all over and messages left out, in all bags that are there."""
        return sum(bag.outcome.withheld for bag in self.bags if bag.outcome)

    @property
    def frames(self) -> int:
        """Camera frames of the bags that this run has done."""
        return sum(bag.outcome.frames for bag in self.bags if bag.outcome and bag.fate == 'done')

    @property
    def regions(self) -> dict[str, int]:
        """Regions hidden in the bags that this run has done, by kind."""
        total: Counter[str] = Counter()
        for bag in self.bags:
            if bag.outcome and bag.fate == 'done':
                total.update(bag.outcome.regions)
        return dict(total)

    def to_plain(self) -> dict[str, object]:
        """Return all of it for JSON."""
        plain: dict[str, object] = typed_json.to_plain(self)
        return {
            **plain, 'frames': self.frames, 'withheld': self.withheld, 'regions': self.regions,
            'failed': len(self.failed),
        }


@dataclass(frozen=True)
class FleetProgress:
    """
    How far a run is.

    size_bytes: of the bags to do; done_bytes: what is done of it, parts of bags included.
    elsewhere: bags that another run works on. frames, withheld, regions: of this run so far.
    """

    bags: int
    settled: int
    failed: int
    elsewhere: int
    size_bytes: int
    done_bytes: float
    frames: int = 0
    withheld: int = 0
    regions: dict[str, int] = field(default_factory=dict)
