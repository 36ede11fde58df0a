# SPDX-License-Identifier: Apache-2.0
"""Hide regions in an array, exactly as a run hides them in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.holes import holes_of
from anon_ros.core.planes import Grid
from anon_ros.core.regions import Regions
from anon_ros.media.raw import RawImage, open_raw

if TYPE_CHECKING:
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.regions import BoolArray, Float32Array, Kind, UInt8Array


def hide(anonymizer: FrameAnonymizer, image_bgr: UInt8Array, regions: Regions) -> UInt8Array:
    """Return (h, w, 3): the image with the regions and their margins overwritten."""
    height, width = image_bgr.shape[:2]
    data = memoryview(np.ascontiguousarray(image_bgr).tobytes())
    frame = open_raw(RawImage(width, height, 'bgr8', False, 3 * width, data))
    anonymizer.overwrite(frame, regions)
    return np.frombuffer(frame.encode(), np.uint8).reshape(image_bgr.shape)


def hole_of(
    anonymizer: FrameAnonymizer, regions: Regions, size_wh: tuple[int, int]
) -> BoolArray:
    """Return (h, w): where the regions and their margins are hidden."""
    inside = np.zeros(size_wh[::-1], bool)
    for hole in holes_of(anonymizer.hidden(regions), Grid(size_wh)):
        rect = hole.rect
        inside[rect.y_min:rect.y_max, rect.x_min:rect.x_max] |= hole.inside
    return inside


@dataclass(frozen=True)
class HidesAsARun:
    """Hides boxes of one kind as an anonymizer does; the key is the track's number."""

    anonymizer: FrameAnonymizer
    kind: Kind

    def __call__(
        self, image_bgr: UInt8Array, box_xyxy: Float32Array, key: int
    ) -> tuple[UInt8Array, BoolArray]:
        """Return the image with the box and its margin hidden, and (h, w) where; see Hiding."""
        regions = Regions.of(box_xyxy[None], self.kind).with_tracks(np.array([key]))
        hole = hole_of(self.anonymizer, regions, (image_bgr.shape[1], image_bgr.shape[0]))
        return hide(self.anonymizer, image_bgr, regions), hole
