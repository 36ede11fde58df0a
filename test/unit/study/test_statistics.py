# SPDX-License-Identifier: Apache-2.0
"""Differences are as sure as the seeds allow, and no surer."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anon_ros.study.statistics import difference, spread, t_quantile

VALUES = st.lists(st.floats(0, 100), min_size=2, max_size=6)


def test_welch_by_hand():
    found = difference([9.0, 11.0, 13.0], [20.0, 21.0, 22.0])
    # Variances 4 and 1, so the standard error is sqrt(5 / 3); 2.94 degrees, rounded down to 2.
    assert found.value == pytest.approx(-10)
    width = 4.303 * math.sqrt(5 / 3)
    assert (found.low, found.high) == pytest.approx((-10 - width, -10 + width))
    assert found.verdict == 'yes'
    assert difference([20.0, 22.0, 24.0], [20.0, 21.0, 25.0]).verdict == 'no'


def test_one_seed_tells_no_noise():
    assert difference([10.0], [20.0, 21.0]).verdict == 'cannot tell'
    assert difference([10.0], [20.0, 21.0]).low is None
    assert difference([], [1.0]) is None
    assert spread([3.0]).deviation is None
    assert spread([]) is None


def test_seeds_that_agree_to_the_digit_leave_no_doubt():
    assert difference([1.0, 1.0], [2.0, 2.0]).verdict == 'yes'
    assert difference([2.0, 2.0], [2.0, 2.0]).verdict == 'no'


@example([0.0, 0.0], [0.0, 3.2e-113])
@given(VALUES, VALUES)
def test_intervals_hold_the_difference_and_turn_with_it(ours, theirs):
    found, turned = difference(ours, theirs), difference(theirs, ours)
    assert found.low <= found.value <= found.high
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert found.value == pytest.approx(np.mean(ours) - np.mean(theirs))


@given(st.floats(1, 1e6))
def test_quantiles_fall_towards_the_normal_one(freedom):
    assert 1.96 <= t_quantile(freedom + 1) <= t_quantile(freedom) <= 12.706
