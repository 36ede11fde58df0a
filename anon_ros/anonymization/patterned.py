# SPDX-License-Identifier: Apache-2.0
"""What fills regions with a pattern of the track around one colour of the surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.anonymization.keyed_pattern import KeyedPattern
from anon_ros.anonymization.surroundings import cell_counts, drawing_order, surrounding_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.core.boxes import Rect
    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Float32Array, Regions


@dataclass(frozen=True)
class Look:
    """
    How a pattern looks.

    cells: along a region's longer side, so that a region of any size shows the same.
    brightness, tint: standard deviations of the cells, of 255.
    spread: (cells_y, cells_x, channels) cells and a rectangle -> (h, w, channels) samples.
    """

    cells: int
    brightness: float
    tint: float
    spread: Callable[[Float32Array, Rect], Float32Array]


class Patterned:
    """
    Fills regions with patterns that take nothing from them.

    A pattern is the track's: it does not flicker, averaging the frames of a track gives the
    pattern and nothing else, and other photos of a person do not share it.
    """

    def __init__(self, look: Look, seed: int) -> None:
        """Take the look and the seed of the patterns."""
        self._look = look
        self._seed = seed

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """Overwrite the regions in every plane."""
        look = self._look
        patterns = [
            KeyedPattern.draw(
                regions, i, seed=self._seed, brightness=look.brightness, tint=look.tint)
            for i in range(len(regions))
        ]
        for number, plane in enumerate(planes):
            for i, hole, unknown in drawing_order(regions, others, plane.grid):
                colour = surrounding_colour(plane, hole, unknown)
                cells_xy = cell_counts(hole.rect, look.cells)
                cells = patterns[i].cells(colour, plane, number, cells_xy)
                plane.write(hole.rect, look.spread(cells, hole.rect), hole.inside)
