# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.tracking.track import Point, Track, between, beyond, expected

STEP_NS = 100_000_000


def point(i, x, *, width=20.0, height=20.0, cut=None, score=0.9):
    return Point(i, i * STEP_NS, (x, 100.0, x + width, 100.0 + height), score, cut)


def track(*points):
    made = Track(0, 0, 0)
    for item in points:
        made.add(item, 0.5)
    return made


def holds(outer, inner):
    return (outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2]
            and outer[3] >= inner[3])


def test_one_sighting_stays_where_it_is():
    assert expected([point(0, 50)], 5 * STEP_NS) == point(0, 50).box


def test_a_steady_motion_goes_on():
    points = [point(i, 10.0 * i) for i in range(6)]
    assert expected(points, 8 * STEP_NS) == pytest.approx(point(8, 80.0).box)


def test_a_turn_is_followed_within_a_third_of_a_second():
    points = [point(i, 30.0 * i) for i in range(6)] + [point(i, 150.0) for i in range(6, 10)]
    assert expected(points, 11 * STEP_NS)[0] == pytest.approx(150.0)


def test_a_motion_is_not_believed_for_longer_than_a_second():
    points = [point(i, 10.0 * i) for i in range(6)]
    assert expected(points, 90 * STEP_NS) == pytest.approx(point(0, 150.0).box)


def test_what_shrinks_is_carried_no_smaller():
    nearest_first = [point(1, 10, width=20, height=20), point(0, 0, width=40, height=40)]
    carried = beyond(nearest_first, 4 * STEP_NS)
    assert carried[2] - carried[0] >= 20
    assert carried[3] - carried[1] >= 20


@given(st.floats(-100, 100), st.floats(5, 100), st.floats(5, 100), st.integers(1, 9))
def test_between_holds_the_straight_way_and_is_largest_in_the_middle(x, width, last, i):
    a, b = point(0, 0.0, width=width), point(10, x, width=last)
    share = i / 10
    straight = tuple(p * (1 - share) + q * share for p, q in zip(a.box, b.box, strict=True))
    box = between(a, b, i * STEP_NS)
    assert holds(box, straight)
    growth = (box[2] - box[0]) / (straight[2] - straight[0])
    middle = between(a, b, 5 * STEP_NS)
    assert growth <= (middle[2] - middle[0]) / ((width + last) / 2) + 1e-9


def test_the_way_that_leaves_a_stray_sighting_out_counts_too():
    straight = track(*(point(i, 10.0 * i) for i in (0, 2, 4, 6)))
    assert straight.bridges(2) == []
    assert len(straight.bridges(3)) == 1
    stray = track(point(0, 0.0), point(2, 27.0), point(4, 40.0), point(6, 60.0))
    assert [(a.number, b.number) for a, b in stray.bridges(1)] == [(0, 2), (0, 4)]
    assert [(a.number, b.number) for a, b in stray.bridges(2)] == [(0, 4)]
    assert [(a.number, b.number) for a, b in stray.bridges(3)] == [(2, 4), (0, 4)]
    assert len(stray.bridges(5)) == 1
    assert stray.bridges(7) == stray.bridges(-1) == []


def test_what_the_image_cuts_off_is_there_when_it_is_filled_or_carried():
    edges = (True, False, False, False)
    cut = track(point(0, 0.0, width=12, cut=edges), point(2, 0.0, width=16, cut=edges),
                point(4, 0.0, width=20))
    (a, b), = cut.bridges(1)
    assert a.box == (-8.0, 100.0, 12.0, 120.0)
    assert b.box == (-4.0, 100.0, 16.0, 120.0)
    assert cut.nearest(-1)[0].box == a.box
    assert cut.nearest(9)[0].box == (0.0, 100.0, 20.0, 120.0)
    below = track(point(0, 0.0, height=5, cut=(False, False, False, True)), point(2, 0.0))
    assert below.nearest(-1)[0].box == (0.0, 100.0, 20.0, 120.0)


def test_old_sightings_are_forgotten_but_those_that_tell_the_motion():
    made = track(*(point(i, 10.0 * i) for i in range(40)))
    made.forget(30, 30 * STEP_NS)
    assert made.points[0].number == 27
    assert made.points[-1].number == 39
    assert made.sightings == 40
    slow = track(*(point(20 * i, 10.0 * i) for i in range(5)))
    slow.forget(80, 80 * STEP_NS)
    assert [item.number for item in slow.points] == [40, 60, 80]


def test_a_jerky_track_knows_that_it_is_hard_to_foresee():
    smooth = track(*(point(i, 10.0 * i) for i in range(12)))
    jerky = track(*(point(i, 10.0 * (i % 2)) for i in range(12)))
    assert smooth.error < 0.1 < jerky.error


@pytest.mark.parametrize(('scores', 'is_lone', 'is_confirmed'), [
    ((0.2,), True, False), ((0.9,), False, True), ((0.2, 0.2), False, False),
    ((0.2, 0.2, 0.2), False, True), ((0.2, 0.9), False, True),
])
def test_what_confirms_a_track(scores, is_lone, is_confirmed):
    made = track(*(point(i, 0.0, score=score) for i, score in enumerate(scores)))
    assert (made.is_lone, made.is_confirmed) == (is_lone, is_confirmed)
