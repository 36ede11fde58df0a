# SPDX-License-Identifier: Apache-2.0
"""What the manifest counts of one camera: frames, and regions by height and over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class WithheldFrame:
    """A frame that could not be handled and was masked all over, and why."""

    stamp_ns: int
    reason: str


@dataclass(frozen=True)
class HeightHistogram:
    """
    Regions by height.

    edges_px: N lower ends; the last bin has no upper one. regions: kind -> N counts.
    """

    edges_px: tuple[int, ...]
    regions: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Check lengths and signs; raise ValueError."""
        _check_counts(len(self.edges_px), self.regions)


@dataclass(frozen=True)
class TimeSeries:
    """
    Frames and regions over time.

    start_ns: where the first of N bins starts. frames, withheld: N counts.
    regions: kind -> N counts, summed over the frames of a bin.
    """

    start_ns: int
    bin_ns: int
    frames: tuple[int, ...]
    withheld: tuple[int, ...]
    regions: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Check lengths and signs; raise ValueError."""
        if self.bin_ns <= 0:
            raise ValueError('bin_ns is not above 0')
        columns = {'frames': self.frames, 'withheld': self.withheld, **self.regions}
        _check_counts(len(self.frames), columns)


@dataclass(frozen=True)
class CameraCounts:
    """
    What became of the frames of one camera topic.

    unchanged: nothing to hide, not a byte was touched. anonymized: regions were overwritten.
    withheld: masked all over, since it was not certain that everything was hidden.
    withheld_frames: the first of them; withheld_by_reason counts all.
    synthesized: regions that show somebody who does not exist, by kind. classic_instead: regions
    that were to be synthesized and show a classic method, by 'KIND: REASON'.
    """

    unchanged: int
    anonymized: int
    withheld: int
    regions_by_kind: dict[str, int]
    regions_by_origin: dict[str, int]
    heights: HeightHistogram
    over_time: TimeSeries
    withheld_by_reason: dict[str, int] = field(default_factory=dict)
    withheld_frames: tuple[WithheldFrame, ...] = ()
    synthesized: dict[str, int] = field(default_factory=dict)
    classic_instead: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the signs; raise ValueError."""
        if min(self.unchanged, self.anonymized, self.withheld) < 0:
            raise ValueError('a count of frames is negative')

    @property
    def frames(self) -> int:
        """All frames of the topic."""
        return self.unchanged + self.anonymized + self.withheld


def _check_counts(length: int, columns: Mapping[str, tuple[int, ...]]) -> None:
    for name, column in columns.items():
        if len(column) != length:
            raise ValueError(f'{name} has {len(column)} values, expected {length}')
        if min(column, default=0) < 0:
            raise ValueError(f'{name} holds a negative count')
