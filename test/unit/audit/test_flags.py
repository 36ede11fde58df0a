# SPDX-License-Identifier: Apache-2.0
"""Flags point at what a person should look at, and stay few."""

from dataclasses import replace

import numpy as np

from anon_ros.audit.flags import LONE_WEAK, MOST_FLAGS, NO_FACE, NO_VEHICLE, find_flags
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.manifest import FlagRecord
from anon_ros.core.regions import Kind, Regions

TARGETS = (Kind.FACE, Kind.BODY)


def frame(index, *parts):
    return FrameRegions('/camera', index, index, index, (640, 480), Regions.concatenate(parts))


def tracked(box, kind, track, score=0.9):
    regions = Regions.of([box], kind, [score])
    return replace(regions, track_ids=np.array([track]))


def flags_of(frames, targets=TARGETS, more=()):
    return find_flags(lambda: iter(frames), targets, more)


def test_nothing_is_nothing():
    assert flags_of([]).counts == {}


def test_a_person_whose_face_shows_once_is_none():
    body, face = [10, 10, 60, 200], [30, 15, 45, 35]
    seen = [frame(i, tracked(body, Kind.BODY, 1)) for i in range(5)]
    assert flags_of(seen).counts == {NO_FACE: 1}
    seen[3] = frame(3, tracked(body, Kind.BODY, 1), tracked(face, Kind.FACE, 2))
    assert flags_of(seen).counts == {}
    seen[3] = frame(3, tracked(body, Kind.BODY, 1), tracked([300, 5, 320, 25], Kind.FACE, 2))
    assert flags_of(seen).counts == {NO_FACE: 1}


def test_a_person_is_shown_where_it_is_the_highest():
    heights = [60, 150, 200, 90]
    seen = [
        frame(i, tracked([10, 10, 60, 10 + height], Kind.BODY, 1))
        for i, height in enumerate(heights)
    ]
    assert [flag.index for flag in flags_of(seen).first] == [2]


def test_small_people_and_other_targets_raise_no_flag():
    small = [frame(0, tracked([10, 10, 20, 50], Kind.BODY, 1))]
    assert flags_of(small).counts == {}
    tall = [frame(0, tracked([10, 10, 60, 200], Kind.BODY, 1))]
    assert flags_of(tall, targets=(Kind.BODY,)).counts == {}


def test_untracked_people_count_one_by_one():
    bodies = Regions.of([[0, 0, 40, 100], [100, 0, 140, 100]], Kind.BODY)
    assert flags_of([frame(0, bodies), frame(1, bodies)]).counts == {NO_FACE: 4}


def test_lone_weak_sightings_and_flags_of_the_run():
    weak = [frame(0, tracked([0, 0, 9, 9], Kind.PLATE, 1, 0.2))]
    raised = FlagRecord(NO_VEHICLE, '/camera', 7, 7, 'plate')
    found = flags_of(weak, more=[raised])
    assert found.counts == {NO_VEHICLE: 1, LONE_WEAK: 1}
    assert raised in found.first


def test_many_flags_are_counted_but_not_kept():
    weak = [frame(i, tracked([0, 0, 9, 9], Kind.FACE, i, 0.2)) for i in range(MOST_FLAGS + 50)]
    found = flags_of(weak)
    assert found.counts == {LONE_WEAK: MOST_FLAGS + 50}
    assert len(found.first) == MOST_FLAGS
