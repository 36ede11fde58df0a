# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.tracking.association import associate


def pairs(expected, found, *, gaps=0.03, errors=0.05, lone=False, weak=False, same=True):
    expected = np.array(expected, np.float32).reshape(-1, 4)
    found = np.array(found, np.float32).reshape(-1, 4)
    tracks, regions = len(expected), len(found)
    return associate(
        expected, found, np.full((tracks, regions), same),
        np.broadcast_to(gaps, tracks), np.broadcast_to(errors, tracks),
        np.broadcast_to(lone, tracks), np.broadcast_to(weak, regions),
    )


def box(x, y=100.0, side=20.0):
    return (x, y, x + side, y + side)


@pytest.mark.parametrize(('tracks', 'regions'), [(0, 0), (0, 3), (3, 0)])
def test_nothing_pairs_with_nothing(tracks, regions):
    assert pairs([box(9)] * tracks, [box(9)] * regions) == []


def test_the_nearest_are_paired():
    assert sorted(pairs([box(0), box(12)], [box(14), box(2)])) == [(0, 1), (1, 0)]


def test_other_kinds_and_far_regions_are_left_alone():
    assert pairs([box(0)], [box(0)], same=False) == []
    assert pairs([box(0)], [box(200)]) == []
    assert pairs([box(0)], [box(0, 100, 90)]) == []


def test_the_reach_grows_with_the_gap_and_the_error():
    assert pairs([box(0)], [box(22)]) == []
    assert pairs([box(0)], [box(22)], gaps=0.6) == [(0, 0)]
    assert pairs([box(0)], [box(22)], errors=0.6) == [(0, 0)]


def test_a_weak_region_takes_what_a_strong_one_leaves_and_only_nearby():
    assert pairs([box(0)], [box(0), box(6)], weak=[True, False]) == [(0, 1)]
    assert pairs([box(0)], [box(22)], gaps=0.6, weak=True) == []
    assert pairs([box(0)], [box(14)], errors=0.6) == [(0, 0)]
    assert pairs([box(0)], [box(14)], errors=0.6, lone=True, weak=True) == []


def test_a_track_seen_just_now_goes_before_one_long_lost():
    assert pairs([box(4), box(4)], [box(5)], gaps=[0.9, 0.03]) == [(1, 0)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 120), max_size=8), st.lists(st.integers(0, 120), max_size=8),
       st.booleans(), st.floats(0, 2))
def test_each_track_and_each_region_at_most_once(tracks, regions, weak, gap):
    found = pairs([box(float(x)) for x in tracks], [box(float(x)) for x in regions],
                  gaps=gap, weak=weak)
    assert len({t for t, _ in found}) == len({r for _, r in found}) == len(found)
