# SPDX-License-Identifier: Apache-2.0
"""The blur: a smooth surface spread in from the surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.anonymization.surroundings import cell_counts, drawing_order, surrounding_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.boxes import Rect
    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Float32Array, Regions

CELLS = 8
"""Support points along a region's longer side; more would only follow its outline closer."""


class Blur:
    """
    Fills regions with the look of an out-of-focus patch.

    It blurs the surroundings across the region, not the region: a blurred face is recognised.
    """

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """Overwrite the regions in every plane."""
        for plane in planes:
            for _, hole, unknown in drawing_order(regions, others, plane.grid):
                cells_xy = cell_counts(hole.rect, CELLS)
                cells = surrounding_cells(plane, hole, unknown, cells_xy)
                plane.write(hole.rect, _smooth(cells, hole.rect), hole.inside)


def _smooth(cells: Float32Array, rect: Rect) -> Float32Array:
    """Return (h, w, channels): the cells joined by straight slopes."""
    smooth = cv2.resize(cells, (rect.width, rect.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.float32).reshape(rect.height, rect.width, cells.shape[2])
