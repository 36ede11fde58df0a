# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np

from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.lone_regions import lone_weak_regions
from anon_ros.core.regions import NO_TRACK, Kind, Regions


def frame(index, *found, topic='/cam'):
    regions = Regions.of([(0, 0, 9, 9)] * len(found), Kind.PLATE, [s for _, s in found])
    regions = regions.with_tracks(np.array([t for t, _ in found], np.int64))
    return FrameRegions(topic, index, 10 * index, 0, (640, 480), regions)


def test_only_weak_regions_that_stand_alone_are_named():
    frames = [
        frame(0, (1, 0.2), (2, 0.2), (3, 0.9)),
        frame(1, (1, 0.2), (4, 0.3)),
        frame(2, (1, 0.9), (2, 0.1), topic='/rear'),
        frame(3, (1, 0.2), (NO_TRACK, 0.1), (NO_TRACK, 0.8)),
    ]
    found = lone_weak_regions(frames)
    assert [(r.topic, r.index, r.track) for r in found] == [
        ('/cam', 0, 2), ('/cam', 1, 4), ('/rear', 2, 2), ('/cam', 3, NO_TRACK),
    ]
    assert found[0].stamp_ns == 0
    assert found[0].kind == Kind.PLATE
    assert found[1].score == np.float32(0.3)


def test_no_frames():
    assert lone_weak_regions([]) == []
