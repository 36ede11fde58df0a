# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import boxes
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Kind, Origin, Regions
from anon_ros.tracking import OnlineTracker

SIZE = (640, 480)


def sighting(stamp_s, *drawn, scores=None, thumbnail=None):
    return Sighting(round(stamp_s * 1e9), Regions.of(list(drawn), Kind.FACE, scores), SIZE,
                    thumbnail)


def box_at(x):
    return (float(x), 100.0, x + 30.0, 130.0)


def push(tracker, frame):
    out, = tracker.push(frame)
    return out


def test_holds_grows_and_lets_go():
    tracker = OnlineTracker(0.5)
    for i in range(10):
        push(tracker, sighting(i / 10, box_at(100 + 3 * i)))
    areas = []
    for i in range(10, 20):
        out = push(tracker, sighting(i / 10))
        for box in out.regions.boxes_xyxy:
            areas.append(float(boxes.areas(box[None])[0]))
            truth = np.array([box_at(100 + 3 * i)], np.float32)
            assert boxes.cover(truth, box[None])[0, 0] > 0.99
            assert out.regions.origins.tolist() == [Origin.CARRIED]
    assert len(areas) == 5
    assert areas == sorted(areas)
    assert areas[0] > 900


def test_takes_up_the_same_track_after_a_gap():
    tracker = OnlineTracker(0.5)
    ids = set()
    for i in range(12):
        drawn = () if 4 <= i < 8 else (box_at(100 + 3 * i),)
        ids |= set(push(tracker, sighting(i / 10, *drawn)).regions.track_ids.tolist())
    assert ids == {0}


def test_holds_a_lone_strong_region_but_no_lone_weak_one():
    for score, expected in ((0.9, 1), (0.1, 0)):
        tracker = OnlineTracker(0.5)
        assert len(push(tracker, sighting(0, box_at(100), scores=[score])).regions) == 1
        assert len(push(tracker, sighting(0.1)).regions) == expected


def test_holds_for_one_frame_at_a_rate_slower_than_the_hold():
    tracker = OnlineTracker(0.2)
    push(tracker, sighting(0, box_at(100)))
    assert len(push(tracker, sighting(1.0)).regions) == 1
    assert len(push(tracker, sighting(2.0)).regions) == 0


def test_lets_go_at_a_cut():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 255, (2, 18, 32)).astype(np.uint8)
    tracker = OnlineTracker(1.0)
    push(tracker, sighting(0, box_at(100), thumbnail=first))
    assert len(push(tracker, sighting(0.1, thumbnail=first)).regions) == 1
    assert len(push(tracker, sighting(0.2, thumbnail=second)).regions) == 0


def test_lets_go_when_the_recording_starts_anew():
    tracker = OnlineTracker(1.0)
    push(tracker, sighting(10, box_at(100)))
    out = push(tracker, sighting(0, box_at(100)))
    assert out.regions.track_ids.tolist() == [1]
    assert len(out.regions) == 1


def test_hold_0_gives_ids_only():
    tracker = OnlineTracker(0.0, first_track_id=9)
    assert push(tracker, sighting(0, box_at(100))).regions.track_ids.tolist() == [9]
    assert len(push(tracker, sighting(0.1)).regions) == 0


def test_flush_holds_no_frame_and_forgets():
    tracker = OnlineTracker(1.0)
    push(tracker, sighting(0, box_at(100)))
    assert tracker.flush() == []
    assert len(push(tracker, sighting(0.1)).regions) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(
    st.sampled_from([-2000, 0, 16, 500, 3000]),
    st.lists(st.tuples(st.integers(-40, 650), st.sampled_from([0.1, 0.9])), max_size=4),
), max_size=30))
def test_every_frame_comes_out_at_once_and_never_less(steps):
    tracker, stamp_s = OnlineTracker(0.5), 100.0
    for step_ms, drawn in steps:
        stamp_s += step_ms / 1000
        frame = sighting(stamp_s, *[box_at(x) for x, _ in drawn], scores=[s for _, s in drawn])
        out = push(tracker, frame)
        count = len(frame.regions)
        assert out.stamp_ns == frame.stamp_ns
        assert np.array_equal(out.regions.boxes_xyxy[:count], frame.regions.boxes_xyxy)
        assert len(set(out.regions.track_ids.tolist())) == len(out.regions)
