# SPDX-License-Identifier: Apache-2.0
"""How sure a share is: Wilson's interval, and Newcombe's for the difference of two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import BoolArray, Float32Array

Z = 1.959964
"""Of the normal distribution, 95 % lie within this many deviations."""
RESAMPLES = 2000


class Share(NamedTuple):
    """An estimate with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(hits: float, count: int) -> Share:
    """
    Return the share of hits with its interval (Wilson 1927); 0..1 where nothing was counted.

    It holds for no hits at all too, where the usual interval would have no width.
    """
    if not count:
        return Share(math.nan, 0.0, 1.0)
    share, z2 = hits / count, Z * Z / count
    centre = (share + z2 / 2) / (1 + z2)
    width = Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count)) / (1 + z2)
    return Share(share, max(0.0, centre - width), min(1.0, centre + width))


def paired_difference(ours: BoolArray, theirs: BoolArray) -> Share:
    """
    Return by how much the share of hits of one exceeds that of another, on the same (N,) cases.

    Newcombe 1998, Statistics in Medicine 17: 2635-2650, method 10, with phi uncorrected.
    """
    first, second = wilson(ours.sum(), len(ours)), wilson(theirs.sum(), len(theirs))
    difference = first.value - second.value
    phi = _phi(ours, theirs)
    below = _span(first.value - first.low, second.high - second.value, phi)
    above = _span(first.high - first.value, second.value - second.low, phi)
    return Share(difference, difference - below, difference + above)


def bootstrap_mean(values: Float32Array, seed: int = 0) -> Share:
    """Return the mean of (N,) values with the interval of resampled means; NaN for none."""
    if not len(values):
        return Share(math.nan, math.nan, math.nan)
    random = np.random.default_rng(seed)
    means = values[random.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Share(float(values.mean()), float(low), float(high))


def _span(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _phi(ours: BoolArray, theirs: BoolArray) -> float:
    """Return how far two hit or miss together, -1..1; 0 where one of them always does the same."""
    both, neither = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    mine, yours = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    product = (both + mine) * (yours + neither) * (both + yours) * (mine + neither)
    return (both * neither - mine * yours) / math.sqrt(product) if product else 0.0
