# SPDX-License-Identifier: Apache-2.0
"""The blur: a smooth surface in the colour of the surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.anonymization.keyed_pattern import KeyedPattern
from anon_ros.anonymization.surroundings import cell_counts, drawing_order, surrounding_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.boxes import Rect
    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Float32Array, Regions

CELLS = 4
"""Support points along a region's longer side: few, for a smooth look."""
BRIGHTNESS, TINT = 16.0, 6.0
"""Standard deviations of the support points, of 255."""


class Blur:
    """
    Fills regions with the look of an out-of-focus patch.

    It blurs nothing of the region: a blurred face is recognised. The surface is the track's own,
    around the mean colour of what surrounds the region.
    """

    def __init__(self, *, seed: int) -> None:
        """Take the seed of the surfaces."""
        self._seed = seed

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """Overwrite the regions in every plane."""
        patterns = [
            KeyedPattern.draw(regions, i, seed=self._seed, brightness=BRIGHTNESS, tint=TINT)
            for i in range(len(regions))
        ]
        for number, plane in enumerate(planes):
            for i, hole, unknown in drawing_order(regions, others, plane.grid):
                colour = surrounding_colour(plane, hole, unknown)
                cells = patterns[i].cells(colour, plane, number, cell_counts(hole.rect, CELLS))
                plane.write(hole.rect, _smooth(cells, hole.rect), hole.inside)


def _smooth(cells: Float32Array, rect: Rect) -> Float32Array:
    """Return (h, w, channels): the cells joined by smooth slopes."""
    smooth = cv2.resize(cells, (rect.width, rect.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.float32).reshape(rect.height, rect.width, cells.shape[2])
