# SPDX-License-Identifier: Apache-2.0
"""The blur: a smooth surface in the colour of the surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.anonymization.patterned import Look, Patterned

if TYPE_CHECKING:
    from anon_ros.core.boxes import Rect
    from anon_ros.core.regions import Float32Array

CELLS = 4
"""Support points along a region's longer side: few, for a smooth look."""
BRIGHTNESS, TINT = 16.0, 6.0
"""Standard deviations of the support points, of 255."""


class Blur(Patterned):
    """
    Fills regions with the look of an out-of-focus patch.

    It blurs nothing of the region: a blurred face is recognised. The surface is the track's own,
    around the mean colour of what surrounds the region.
    """

    def __init__(self, *, seed: int) -> None:
        """Take the seed of the surfaces."""
        super().__init__(Look(CELLS, BRIGHTNESS, TINT, _smooth), seed)


def _smooth(cells: Float32Array, rect: Rect) -> Float32Array:
    """Return (h, w, channels): the cells joined by smooth slopes."""
    smooth = cv2.resize(cells, (rect.width, rect.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.float32).reshape(rect.height, rect.width, cells.shape[2])
