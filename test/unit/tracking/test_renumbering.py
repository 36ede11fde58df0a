# SPDX-License-Identifier: Apache-2.0
"""Ids stay with their owners over an interruption."""

import numpy as np

from anon_ros.core.regions import NO_TRACK, Kind, Regions
from anon_ros.tracking.renumbering import Renumbering


def tracked(boxes, ids, kind=Kind.FACE):
    return Regions.of(boxes, kind).with_tracks(np.array(ids, np.int64))


def test_old_numbers_come_back_and_new_tracks_get_free_ones():
    numbering = Renumbering(first_free=20)
    numbering.learn(
        tracked([[0, 0, 10, 10], [50, 50, 60, 60]], [0, 1]),
        tracked([[51, 50, 61, 60], [0, 1, 10, 11]], [7, 8]),
    )
    boxes = [[5, 5, 15, 15], [55, 55, 65, 65], [90, 90, 99, 99], [30, 0, 40, 9], [70, 0, 80, 9]]
    later = tracked(boxes, [0, 1, 2, NO_TRACK, 3])
    assert numbering.apply(later).track_ids.tolist() == [8, 7, 20, NO_TRACK, 21]
    assert numbering.apply(tracked(boxes[:1], [3])).track_ids.tolist() == [21]


def test_other_kinds_far_boxes_and_untracked_ones_teach_nothing():
    numbering = Renumbering(first_free=20)
    new = tracked([[0, 0, 10, 10]], [0])
    numbering.learn(new, tracked([[0, 0, 10, 10]], [7], Kind.PLATE))
    numbering.learn(new, tracked([[30, 30, 40, 40]], [7]))
    numbering.learn(new, tracked([[0, 0, 10, 10]], [NO_TRACK]))
    numbering.learn(new, Regions.empty())
    numbering.learn(Regions.empty(), new)
    assert numbering.apply(new).track_ids.tolist() == [20]
