# SPDX-License-Identifier: Apache-2.0
"""Bring an image to the size that a network takes, in one copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import UInt8Array


def to_multiple(image_bgr: UInt8Array, scale: float, multiple: int) -> UInt8Array:
    """
    Return the image scaled, with black rows below and columns on the right.

    image_bgr: (h, w, 3). Returns (1, h', w', 3), h' and w' multiples of that number, at least one.
    The scaled image is round(h * scale) x round(w * scale), at least 1 x 1, at the upper left.
    """
    height, width = (max(1, round(side * scale)) for side in image_bgr.shape[:2])
    padded_h, padded_w = (-(-side // multiple) * multiple for side in (height, width))
    if (height, width) == (padded_h, padded_w) == image_bgr.shape[:2]:
        return image_bgr[None]
    canvas = np.empty((1, padded_h, padded_w, 3), np.uint8)
    canvas[0, height:] = 0
    canvas[0, :height, width:] = 0
    inside = canvas[0, :height, :width]
    if (height, width) == image_bgr.shape[:2]:
        inside[:] = image_bgr
    else:
        # Areas are averaged on the way down, so that small faces do not break into stray pixels.
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        cv2.resize(image_bgr, (width, height), dst=inside, interpolation=way)
    return canvas
