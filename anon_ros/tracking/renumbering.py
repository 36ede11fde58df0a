# SPDX-License-Identifier: Apache-2.0
"""Ids of tracks that go on after an interruption: who was followed before keeps the number."""

from __future__ import annotations

import numpy as np

from anon_ros.core import boxes
from anon_ros.core.regions import NO_TRACK, Regions

_SAME_IOU = 0.5


class Renumbering:
    """
    Gives one camera's tracks the numbers they have in the whole recording.

    It learns from frames that were tracked twice which new id stands for which old one; whoever
    is not known from there gets the next free number, in the order of appearance.
    """

    def __init__(self, first_free: int = 0) -> None:
        """Take the first number that no track of the recording has."""
        self._next = first_free
        self._number_by_id: dict[int, int] = {}

    def learn(self, new: Regions, old: Regions) -> None:
        """Take the regions of one frame as a new tracker and as an earlier one numbered them."""
        overlap = boxes.iou(new.boxes_xyxy, old.boxes_xyxy)
        overlap[new.kinds[:, None] != old.kinds[None, :]] = 0
        overlap[:, old.track_ids == NO_TRACK] = 0
        while overlap.size and overlap.max() >= _SAME_IOU:
            row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
            self._number_by_id[int(new.track_ids[row])] = int(old.track_ids[column])
            overlap[row], overlap[:, column] = 0, 0

    def apply(self, regions: Regions) -> Regions:
        """Return the regions with their tracks' numbers; untracked ones stay untracked."""
        return regions.with_tracks(np.array(
            [self._number(track) for track in regions.track_ids.tolist()], np.int64
        ))

    def _number(self, track: int) -> int:
        if track == NO_TRACK:
            return NO_TRACK
        if track not in self._number_by_id:
            self._number_by_id[track] = self._next
            self._next += 1
        return self._number_by_id[track]
