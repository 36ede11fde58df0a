# SPDX-License-Identifier: Apache-2.0
"""What is counted of one camera topic, in memory that does not grow with the recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit.camera_counts import CameraCounts, HeightHistogram, TimeSeries, WithheldFrame
from anon_ros.audit.manifest import OUTCOMES, Outcome
from anon_ros.core.regions import Kind, Origin

if TYPE_CHECKING:
    from anon_ros.core.interfaces import Synthesis
    from anon_ros.core.regions import IntArray, Regions

HEIGHT_EDGES_PX = (0, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
"""The last bin has no upper end."""
MAX_BINS = 512
FIRST_BIN_NS = 100_000_000
MAX_WITHHELD = 500
MAX_REASONS = 32
MAX_REASON_LENGTH = 240
OTHER_REASONS = 'other reasons'
_KINDS = len(Kind)


class TimeBins:
    """Frames and regions per bin of time; two bins become one when there would be too many."""

    def __init__(self) -> None:
        self.bin_ns = FIRST_BIN_NS
        self._first = 0
        self._used = 0
        self._rows = np.zeros((MAX_BINS, 2 + _KINDS), np.int64)

    def add(self, stamp_ns: int, kinds: IntArray, is_withheld: bool) -> None:
        """
        Count one frame.

        kinds: (number of kinds,) regions of each kind.
        """
        slot = stamp_ns // self.bin_ns
        if not self._used:
            self._first, self._used = slot, 1
        while not self._reach(slot):
            self._halve()
            slot = stamp_ns // self.bin_ns
        row = self._rows[slot - self._first]
        row[0] += 1
        row[1] += is_withheld
        row[2:] += kinds

    def _reach(self, slot: int) -> bool:
        """Make room for a slot, at either end; return False where there is not enough."""
        first, last = min(slot, self._first), max(slot, self._first + self._used - 1)
        if last - first >= MAX_BINS:
            return False
        if first < self._first:
            shift = self._first - first
            self._rows = np.roll(self._rows, shift, axis=0)
        self._first, self._used = first, last - first + 1
        return True

    def _halve(self) -> None:
        first = self._first // 2
        target = np.arange(self._first, self._first + self._used) // 2 - first
        rows = np.zeros_like(self._rows)
        np.add.at(rows, target, self._rows[:self._used])
        self._rows, self._first, self._used = rows, first, int(target[-1]) + 1
        self.bin_ns *= 2

    def series(self) -> TimeSeries:
        """Return what was counted."""
        rows = self._rows[:self._used]
        return TimeSeries(
            start_ns=self._first * self.bin_ns,
            bin_ns=self.bin_ns,
            frames=tuple(rows[:, 0].tolist()),
            withheld=tuple(rows[:, 1].tolist()),
            regions={kind.label: tuple(rows[:, 2 + kind].tolist()) for kind in Kind},
        )


class TopicTally:
    """Counts of one camera topic. Not thread-safe."""

    def __init__(self) -> None:
        self.outcomes: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        self.by_kind = np.zeros(_KINDS, np.int64)
        self._by_origin = np.zeros(len(Origin), np.int64)
        self._heights = np.zeros((_KINDS, len(HEIGHT_EDGES_PX)), np.int64)
        self._bins = TimeBins()
        self._reasons: dict[str, int] = {}
        self._withheld: list[WithheldFrame] = []
        self._synthesized: dict[str, int] = {}
        self._classic_instead: dict[str, int] = {}

    def add(self, stamp_ns: int, regions: Regions, outcome: Outcome, reason: str) -> None:
        """Count one frame; a reason is kept for a masked one."""
        kinds = np.bincount(regions.kinds, minlength=_KINDS)[:_KINDS]
        self.outcomes[outcome] += 1
        self.by_kind += kinds
        self._by_origin += np.bincount(regions.origins, minlength=len(Origin))[:len(Origin)]
        heights = np.subtract(*regions.boxes_xyxy.astype(np.float64)[:, [3, 1]].T)
        bins = np.searchsorted(HEIGHT_EDGES_PX, heights, side='right') - 1
        np.add.at(self._heights, (regions.kinds, np.maximum(bins, 0)), 1)
        self._bins.add(stamp_ns, kinds, outcome == 'masked')
        if outcome == 'masked':
            self._withhold(stamp_ns, reason)

    def add_synthesis(self, synthesis: Synthesis) -> None:
        """Count the regions of one frame that were painted, and those that were not."""
        for label, count in synthesis.synthesized.items():
            self._synthesized[label] = self._synthesized.get(label, 0) + count
        for reason, count in synthesis.classic_instead.items():
            count_reason(self._classic_instead, reason, count)

    def _withhold(self, stamp_ns: int, reason: str) -> None:
        reason = count_reason(self._reasons, reason)
        if len(self._withheld) < MAX_WITHHELD:
            self._withheld.append(WithheldFrame(stamp_ns=stamp_ns, reason=reason))

    def counts(self) -> CameraCounts:
        """Return what was counted."""
        return CameraCounts(
            unchanged=self.outcomes['unchanged'],
            anonymized=self.outcomes['anonymized'],
            withheld=self.outcomes['masked'],
            regions_by_kind={kind.label: int(self.by_kind[kind]) for kind in Kind},
            regions_by_origin={
                origin.name.lower(): int(self._by_origin[origin]) for origin in Origin
            },
            heights=HeightHistogram(
                edges_px=HEIGHT_EDGES_PX,
                regions={kind.label: tuple(self._heights[kind].tolist()) for kind in Kind},
            ),
            over_time=self._bins.series(),
            withheld_by_reason=dict(self._reasons),
            withheld_frames=tuple(self._withheld),
            synthesized=dict(self._synthesized),
            classic_instead=dict(self._classic_instead),
        )


def count_reason(reasons: dict[str, int], reason: str, count: int = 1) -> str:
    """Count a reason, cut to length; the ones that come after too many others share one line."""
    reason = reason[:MAX_REASON_LENGTH]
    if reason not in reasons and len(reasons) >= MAX_REASONS:
        reason = OTHER_REASONS
    reasons[reason] = reasons.get(reason, 0) + count
    return reason
