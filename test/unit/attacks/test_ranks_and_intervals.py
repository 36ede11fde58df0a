# SPDX-License-Identifier: Apache-2.0
"""Ranks are fair to ties, and intervals hold at the edges."""

import numpy as np
import pytest

from anon_ros.attacks.bands import LEAST_CASES, bands, row
from anon_ros.attacks.intervals import Share, bootstrap_mean, paired_difference, wilson
from anon_ros.attacks.ranks import fair_ranks, hits
from anon_ros.audit.attack_table import TOO_FEW


def test_the_nearest_is_first_and_the_others_follow():
    gallery = np.array([[0.0], [1.0], [5.0]], np.float32)
    queries = np.array([[0.1], [4.0], [4.9]], np.float32)
    assert fair_ranks(gallery, queries).tolist() == [1, 2, 1]
    assert hits(fair_ranks(gallery, queries), 1).tolist() == [True, False, True]


def test_half_of_the_equals_count_as_nearer():
    same = np.zeros((101, 4), np.float32)
    assert (fair_ranks(same, same) == 51).all()


def test_large_galleries_are_ranked_in_blocks_like_small_ones():
    random = np.random.default_rng(0)
    gallery, queries = random.normal(size=(2, 300, 8)).astype(np.float32)
    distances = np.linalg.norm(queries[:, None] - gallery[None], axis=2)
    own = np.diag(distances)[:, None]
    expected = 1 + (distances < own).sum(axis=1)
    # Two that are all but equally near share a place.
    assert np.abs(fair_ranks(gallery, queries) - expected).max() <= 0.5


def test_wilson_is_known_at_the_edges():
    # Newcombe 1998: 0 of 20 gives 0 to 0.1611, 81 of 263 gives 0.2553 to 0.3662.
    assert wilson(0, 20) == pytest.approx((0, 0, 0.1611), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 0)[1:] == (0.0, 1.0)


def test_a_paired_difference_has_a_width_where_nobody_hits():
    nothing = np.zeros(600, bool)
    difference = paired_difference(nothing, nothing)
    assert difference.value == 0
    assert 0.005 < difference.high < 0.01


def test_agreement_narrows_a_paired_difference():
    random = np.random.default_rng(1)
    ours = random.random(400) < 0.4
    apart = paired_difference(ours, random.random(400) < 0.4)
    together = paired_difference(ours, ours)
    assert together.high - together.low < apart.high - apart.low
    assert together.value == 0


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        common = random.random(300) < 0.1
        ours, theirs = (common | (random.random(300) < share) for share in (0.05, 0.02))
        found = paired_difference(ours, theirs)
        covered += found.low <= 0.9 * 0.03 <= found.high
    assert 0.92 <= covered / 400 <= 1


def test_a_mean_is_resampled():
    share = bootstrap_mean(np.array([0, 1] * 50, np.float32))
    assert share.low < 0.45 < share.value < 0.55 < share.high


def test_bands_name_what_occurs():
    named = dict(bands([10, 20, 40, 500]))
    assert list(named) == ['all', '0-15', '16-31', '32-63', 'from 128']
    assert named['from 128'].tolist() == [False, False, False, True]
    assert list(dict(bands([20, 30]))) == ['all']


def test_too_few_cases_say_nothing():
    values = {'kind': 'face', 'attacker': 'a', 'method': 'm', 'height': 'all',
              'measure': 'rank-1', 'value': Share(0.5, 0.1, 0.9), 'chance': 0.1}
    assert row(samples=LEAST_CASES - 1, **values).note == TOO_FEW
    assert not row(samples=LEAST_CASES - 1, **values).holds
    assert row(samples=LEAST_CASES, **values).note == ''
