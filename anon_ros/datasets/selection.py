# SPDX-License-Identifier: Apache-2.0
"""Which frames of a recording make a training set, and into which split each goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anon_ros.core.regions import UInt8Array

SPLITS = ('train', 'val', 'test')


@dataclass(frozen=True)
class Rule:
    """
    How far a frame has to be from the one chosen before it; all that is given has to hold.

    rate_hz: at most as many frames a second; 0 for no limit. distance_m: driven since then.
    change: mean difference of two frames' thumbnails, of 255.
    """

    rate_hz: float = 1.0
    distance_m: float = 0.0
    change: float = 0.0


@dataclass
class Chooser:
    """Chooses frames of one camera, in the order of the recording."""

    rule: Rule
    _last_ns: int | None = None
    _last_m: float = 0.0
    _last_look: UInt8Array | None = field(default=None, repr=False)

    def takes(self, stamp_ns: int, distance_m: float, look: Callable[[], UInt8Array]) -> bool:
        """
        Return whether a frame is chosen.

        distance_m: driven since the start. look: the frame's thumbnail, asked for only if needed.
        """
        rule = self.rule
        if self._last_ns is not None:
            if rule.rate_hz and (stamp_ns - self._last_ns) * rule.rate_hz < 1e9 * (1 - 1e-3):
                return False
            if rule.distance_m and distance_m - self._last_m < rule.distance_m:
                return False
        if rule.change:
            seen = look()
            if self._last_look is not None and _difference(seen, self._last_look) < rule.change:
                return False
            self._last_look = seen
        self._last_ns, self._last_m = stamp_ns, distance_m
        return True


@dataclass(frozen=True)
class TimeSplit:
    """
    Cuts a recording into train, val and test, one after the other.

    shares: of the time, in the order of SPLITS. gap_s: what is left out around each cut, so that
    no two neighbours are on both sides. Raises UsageError for shares that make no whole.
    """

    start_ns: int
    end_ns: int
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    gap_s: float = 5.0

    def __post_init__(self) -> None:
        """Check the shares."""
        if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise UsageError(
                f'shares of {self.shares}: train, val and test have to be 0 or more and sum to 1')

    def of(self, stamp_ns: int) -> str | None:
        """Return the split of a time, None for one in a gap."""
        place = (stamp_ns - self.start_ns) / max(self.end_ns - self.start_ns, 1)
        cuts = np.cumsum(self.shares)
        index = min(int(np.searchsorted(cuts, place, side='right')), len(SPLITS) - 1)
        while self.shares[index] == 0:
            index -= 1
        for cut in cuts[:-1]:
            cut_ns = self.start_ns + cut * (self.end_ns - self.start_ns)
            is_real = self.end_ns > self.start_ns and 1e-9 < cut < 1 - 1e-9
            if is_real and abs(stamp_ns - cut_ns) < self.gap_s * 1e9 / 2:
                return None
        return SPLITS[index]


def _difference(a: UInt8Array, b: UInt8Array) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())
