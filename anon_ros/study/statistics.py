# SPDX-License-Identifier: Apache-2.0
"""
How sure a difference between two variants is, given a few seeds of each.

Welch, Biometrika 34 (1947): means of few normal values with variances of their own. The interval
covers what another seed would change, and nothing else: not other people, images or networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# 0.975 quantiles of Student's t for 1, 2, ... degrees of freedom.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)
_T_AT_INFINITY = 1.960


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) of values; the deviation is None of fewer than two."""

    mean: float
    deviation: float | None
    count: int


@dataclass(frozen=True)
class Difference:
    """
    By how much one mean exceeds another, with its 95 % interval.

    low, high: None where one side has fewer than two seeds: then nobody can tell.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def is_more_than_noise(self) -> bool | None:
        """Whether the interval leaves 0 out; None where there is none."""
        if self.low is None or self.high is None:
            return None
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """Return yes, no or cannot tell."""
        known = self.is_more_than_noise
        return 'cannot tell' if known is None else 'yes' if known else 'no'


def spread(values: Sequence[float]) -> Spread | None:
    """Return mean and deviation; None of nothing."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Spread(mean, None, len(values))
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Spread(mean, math.sqrt(squares / (len(values) - 1)), len(values))


def difference(values: Sequence[float], reference: Sequence[float]) -> Difference | None:
    """Return by how much the mean of values exceeds that of the reference; None of nothing."""
    ours, theirs = spread(values), spread(reference)
    if ours is None or theirs is None:
        return None
    value = ours.mean - theirs.mean
    if ours.deviation is None or theirs.deviation is None:
        return Difference(value, None, None)
    parts = [each.deviation ** 2 / each.count for each in (ours, theirs)
             if each.deviation is not None]
    variance = sum(parts)
    if variance == 0:
        return Difference(value, value, value)
    # By shares, since the square of a tiny variance is none.
    freedom = 1 / sum(
        (part / variance) ** 2 / (each.count - 1)
        for part, each in zip(parts, (ours, theirs), strict=True))
    width = t_quantile(freedom) * math.sqrt(variance)
    return Difference(value, value - width, value + width)


def t_quantile(freedom: float) -> float:
    """Return the 0.975 quantile of Student's t; fractions are rounded down, to the wider side."""
    whole = max(1, math.floor(freedom + 1e-9))
    return _T[whole - 1] if whole <= len(_T) else max(_T_AT_INFINITY, 1.96 + 2.46 / whole)
