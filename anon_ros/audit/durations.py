# SPDX-License-Identifier: Apache-2.0
"""Percentiles of durations in constant memory."""

from __future__ import annotations

import math

import numpy as np

GROWTH = 1.02
LEAST_S = 1e-7
BUCKETS = 1300
_MOST_S = LEAST_S * GROWTH ** BUCKETS
"""About 4 hours; what takes longer counts as that."""


class DurationSketch:
    """
    A histogram of durations whose buckets grow by 2 %: so a percentile is off by 1 % at most.

    Not thread-safe. The protocol is that of DDSketch (Masson, Rim and Lee, VLDB 2019).
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self._counts = np.zeros(BUCKETS, np.int64)

    def add(self, seconds: float) -> None:
        """Count one duration; a negative one, or none at all, counts as 0."""
        seconds = min(seconds, _MOST_S) if seconds > 0 else 0.0
        bucket = int(math.log(max(seconds, LEAST_S) / LEAST_S, GROWTH))
        self._counts[min(bucket, BUCKETS - 1)] += 1
        self.count += 1
        self.total_s += seconds

    def percentile_s(self, percent: float) -> float:
        """Return the duration that percent of all do not exceed, in s; 0 where there are none."""
        if not self.count:
            return 0.0
        rank = max(1, math.ceil(self.count * percent / 100 - 1e-9))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return float(LEAST_S * GROWTH ** (bucket + 0.5))
