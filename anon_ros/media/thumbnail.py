# SPDX-License-Identifier: Apache-2.0
"""The whole frame in a few pixels, to tell a camera's cut from its motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import UInt8Array

SIZE_WH = (32, 18)
_SAMPLES_PER_CELL = 4


def thumbnail(image_bgr: UInt8Array) -> UInt8Array:
    """
    Return (18, 32) uint8 gray, the whole image scaled down.

    image_bgr: (h, w, 3) uint8. A few rows and columns stand for all: that is enough, and cheap.
    """
    steps = [max(1, size // (_SAMPLES_PER_CELL * cells)) for size, cells in
             zip(image_bgr.shape[:2], SIZE_WH[::-1], strict=True)]
    some = np.ascontiguousarray(image_bgr[::steps[0], ::steps[1]])
    gray = cv2.cvtColor(some, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(gray, SIZE_WH, interpolation=cv2.INTER_AREA), np.uint8)
