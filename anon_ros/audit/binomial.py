# SPDX-License-Identifier: Apache-2.0
"""
The exact interval of a share, by Clopper and Pearson.

Biometrika 26 (1934): 404-413. Its ends are quantiles of the beta distribution, found here by
bisection; the counts may be fractions, as effective sample sizes are.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95
_FINEST = 1e-11
_TINY = 1e-300
_PRECISION = 1e-15


def lower_bound(hits: float, count: float, confidence: float = CONFIDENCE) -> float:
    """
    Return the share that is exceeded with that confidence: a bound on one side.

    Raises ValueError unless 0 <= hits <= count.
    """
    _check(hits, count)
    if hits <= 0:
        return 0.0
    return _quantile(1 - confidence, hits, count - hits + 1)


def interval(hits: float, count: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return both ends of a share's interval; 0 and 1 where nothing was counted."""
    one_sided = 1 - (1 - confidence) / 2
    low = lower_bound(hits, count, one_sided)
    return low, 1 - lower_bound(count - hits, count, one_sided)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """
    Return the regularized incomplete beta function I_x(a, b), for a, b > 0 and x in 0..1.

    By its continued fraction (DLMF 8.17.22), evaluated by Lentz's algorithm.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )
    return math.exp(log_front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, 10_000):
        term = _term(step, x, a, b)
        d = 1 / _not_zero(1 + term * d)
        c = _not_zero(1 + term / c)
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def _term(step: int, x: float, a: float, b: float) -> float:
    m, is_odd = divmod(step, 2)
    if is_odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _quantile(share: float, a: float, b: float) -> float:
    """Return the x of which I_x(a, b) is a share, rounded down."""
    low, high = 0.0, 1.0
    while high - low > _FINEST:
        middle = (low + high) / 2
        if incomplete_beta(middle, a, b) <= share:
            low = middle
        else:
            high = middle
    return low


def _check(hits: float, count: float) -> None:
    if not 0 <= hits <= count:
        raise ValueError(f'{hits:g} hits of {count:g} are no share')
