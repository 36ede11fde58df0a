# SPDX-License-Identifier: Apache-2.0
"""The mosaic: flat cells in the colour of the surroundings, with a pattern of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.anonymization.keyed_pattern import KeyedPattern
from anon_ros.anonymization.surroundings import (
    cell_counts,
    drawing_order,
    stretch,
    surrounding_colour,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Regions

BRIGHTNESS, TINT = 24.0, 6.0
"""Standard deviations of the cells, of 255: enough to read as a mosaic, and to cover the colour
that they are drawn around."""


class Pixelate:
    """
    Fills regions with a mosaic that looks like one of the region and takes nothing from it.

    The cells' number is fixed along the region's longer side, so a region of any size shows the
    same. The pattern is the track's: it does not flicker, averaging the frames of a track gives
    the pattern and nothing else, and other photos of a person do not share it.
    """

    def __init__(self, *, cells: int, seed: int) -> None:
        """Take the cells along the longer side and the seed of the patterns."""
        self._cells = cells
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
                cells_xy = cell_counts(hole.rect, self._cells)
                cells = patterns[i].cells(colour, plane, number, cells_xy)
                plane.write(hole.rect, stretch(cells, hole.rect), hole.inside)
