# SPDX-License-Identifier: Apache-2.0
"""The exact bound, against published values and against the binomial tail itself."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.audit.binomial import incomplete_beta, interval, lower_bound


@pytest.mark.parametrize(('hits', 'count', 'low', 'high'), [
    (8, 10, 0.4439, 0.9748), (0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0),
    (5, 100, 0.0164, 0.1128), (1, 1, 0.025, 1.0),
])
def test_two_sided_intervals_are_those_of_the_tables(hits, count, low, high):
    assert interval(hits, count) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(('hits', 'count', 'low'), [
    (59, 59, 0.95049), (299, 299, 0.99003), (29, 29, 0.90186), (92, 93, 0.95002),
])
def test_sample_sizes_known_from_acceptance_plans(hits, count, low):
    assert lower_bound(hits, count) == pytest.approx(low, abs=2e-5)


def test_nothing_counted_says_nothing():
    assert lower_bound(0, 0) == 0
    assert interval(0, 0) == (0, 1)
    with pytest.raises(ValueError, match='no share'):
        lower_bound(3, 2)


def test_the_beta_function_has_its_closed_forms():
    for x in (1e-9, 0.1, 0.5, 0.9, 1 - 1e-9):
        assert incomplete_beta(x, 1, 1) == pytest.approx(x)
        assert incomplete_beta(x, 3, 1) == pytest.approx(x ** 3)
        assert incomplete_beta(x, 1, 4) == pytest.approx(1 - (1 - x) ** 4)
    assert incomplete_beta(0.3, 2.5, 4.5) == pytest.approx(1 - incomplete_beta(0.7, 4.5, 2.5))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_at_the_bound_so_many_hits_are_just_as_unlikely_as_allowed(case):
    hits, count = case
    p = lower_bound(hits, count)
    tail = math.fsum(
        math.comb(count, k) * p ** k * (1 - p) ** (count - k) for k in range(hits, count + 1)
    )
    assert tail == pytest.approx(0.05, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 1e6), st.floats(0, 1), st.floats(0.5, 0.999))
def test_bounds_lie_below_the_share_and_fall_with_confidence(count, share, confidence):
    hits = min(count, count * share)
    low = lower_bound(hits, count, confidence)
    assert 0 <= low <= hits / count + 1e-12
    assert lower_bound(hits, count, 0.9999) <= low + 1e-10
