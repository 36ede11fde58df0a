# SPDX-License-Identifier: Apache-2.0
"""
One frame to paint on: its regions are hidden already, and count as unknown until they are painted.

What stands in a region that shows a classic method takes nothing from the person, and still is
never handed out as known: no generator has learned from mosaics.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import Rect
from anon_ros.core.colours import paint_bgr, read_bgr
from anon_ros.core.holes import Hole, holes_of, part_of
from anon_ros.core.interfaces import Synthesis
from anon_ros.core.planes import Grid
from anon_ros.core.regions import Kind
from anon_ros.gan.crops import Crop, make_crop

if TYPE_CHECKING:
    from collections.abc import Collection

    from anon_ros.core.interfaces import Hidden
    from anon_ros.core.regions import BoolArray, Float32Array, IntArray

_IMAGE = Rect(0, 0, 0, 0)
"""Where the arrays of a whole image begin."""


class Canvas:
    """
    A frame and its regions, (N,), with their margins.

    is_painted: (N,), which regions show somebody who does not exist.
    """

    def __init__(self, hidden: Hidden, kinds: Collection[Kind]) -> None:
        """Take a frame whose regions were overwritten, and the kinds that shall be painted."""
        self.regions, self.source = hidden.regions, hidden.source
        self.size_wh = hidden.frame.size_wh
        self.is_painted = np.zeros(len(self.regions), bool)
        self._planes = hidden.frame.planes()
        self._maps = hidden.frame.colour_maps()
        self._holes = {
            grid: holes_of(self.regions, grid)
            for grid in {Grid(self.size_wh), *(plane.grid for plane in self._planes)}
        }
        self._is_kept = ~np.isin(self.regions.kinds, [int(kind) for kind in kinds])
        self._known = self._outside_of(np.flatnonzero(~self.is_painted))
        self._classic: Counter[str] = Counter()

    @property
    def has_colours(self) -> bool:
        """Whether its encoding shows colours, or brightness, that can be painted."""
        return any(colours is not None for colours in self._maps)

    def hole(self, index: int) -> Hole:
        """Return the pixels of the image that a region hides."""
        return self._holes[Grid(self.size_wh)][index]

    def is_covered(self, index: int) -> bool:
        """Return whether all that a region hides was painted as a part of others."""
        hole = self.hole(index)
        left = self._outside_of(np.flatnonzero(self.is_painted))[part_of(hole.rect, _IMAGE)]
        return not (hole.inside & left).any()

    def crop(self, rect: Rect) -> Crop:
        """Return a rectangle, which may leave the image, as a generator may see it now."""
        seen = rect.intersect(Rect(0, 0, *self.size_wh))
        pixels = read_bgr(self._planes, self._maps, seen)
        return make_crop(rect, pixels, self._known[part_of(seen, _IMAGE)], seen)

    def paint(self, index: int, patch_bgr: Float32Array, rect: Rect) -> None:
        """
        Put a patch in the place of a region, but for what other methods are to be seen in.

        patch_bgr: (h, w, 3) in 0..255 over a rectangle of the image, which may leave it.
        """
        for plane, colours in zip(self._planes, self._maps, strict=True):
            hole = self._holes[plane.grid][index]
            if colours is not None and not hole.rect.is_empty:
                inside = hole.inside & self._is_free(hole.rect, plane.grid)
                paint_bgr(plane, colours, hole.rect, inside, patch_bgr, rect)
        self.is_painted[index] = True

    def show_painted(self) -> None:
        """Let whoever paints next see what was painted."""
        self._known = self._outside_of(np.flatnonzero(~self.is_painted))

    def keep_classic(self, index: int, reason: str) -> None:
        """Count a region that is not painted, and say why."""
        self._classic[f'{Kind(self.regions.kinds[index]).label}: {reason}'] += 1

    def synthesis(self) -> Synthesis:
        """Return what has become of the regions."""
        painted = Counter(
            Kind(kind).label for kind in self.regions.kinds[self.is_painted].tolist())
        return Synthesis(dict(painted), dict(self._classic))

    def _is_free(self, rect: Rect, grid: Grid) -> BoolArray:
        """Return (h, w): which samples of a rectangle lie in no region of a kind that is kept."""
        free = np.ones((rect.height, rect.width), bool)
        for index in np.flatnonzero(self._is_kept):
            hole = self._holes[grid][index]
            shared = hole.rect.intersect(rect)
            if not shared.is_empty:
                free[part_of(shared, rect)] &= ~hole.inside[part_of(shared, hole.rect)]
        return free

    def _outside_of(self, indices: IntArray) -> BoolArray:
        """Return (h, w): the pixels that no sample of these regions speaks for, in any plane."""
        outside = np.ones(self.size_wh[::-1], bool)
        for grid, holes in self._holes.items():
            step_x, step_y = grid.step_xy
            for hole in (holes[i] for i in indices if not holes[i].rect.is_empty):
                inside = hole.inside.repeat(step_y, axis=0).repeat(step_x, axis=1)
                x, y = hole.rect.x_min * step_x, hole.rect.y_min * step_y
                part = outside[y:y + inside.shape[0], x:x + inside.shape[1]]
                part &= ~inside[:part.shape[0], :part.shape[1]]
        return outside
