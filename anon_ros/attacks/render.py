# SPDX-License-Identifier: Apache-2.0
"""Hide regions in an array, exactly as a run hides them in a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.holes import holes_of
from anon_ros.core.planes import Grid
from anon_ros.media.raw import RawImage, open_raw

if TYPE_CHECKING:
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.regions import BoolArray, Regions, UInt8Array


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
