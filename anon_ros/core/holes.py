# SPDX-License-Identifier: Apache-2.0
"""Which samples of a plane hide a region: nothing of them may be an input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import Rect, to_rects

if TYPE_CHECKING:
    from anon_ros.core.planes import Grid
    from anon_ros.core.regions import BoolArray, Mask, Regions


@dataclass(frozen=True)
class Hole:
    """
    The samples of one plane that one region hides.

    rect: the samples' bounds, inside the plane. inside: (h, w), True where hidden.
    """

    rect: Rect
    inside: BoolArray

    def contains(self, other: Hole) -> bool:
        """Whether every sample of the other one is one of its own."""
        if self.rect.intersect(other.rect) != other.rect:
            return False
        part = self.inside[part_of(other.rect, self.rect)]
        return bool((part | ~other.inside).all())


def holes_of(regions: Regions, grid: Grid) -> list[Hole]:
    """Return a hole for each region, in order; its rectangle is empty for one off the plane."""
    step_x, step_y = grid.step_xy
    image_wh = (grid.size_wh[0] * step_x, grid.size_wh[1] * step_y)
    rects = to_rects(regions.boxes_xyxy, image_wh)
    return [
        _box_hole(rect, grid) if mask is None else _mask_hole(mask, grid)
        for rect, mask in zip(rects, regions.masks, strict=True)
    ]


def part_of(part: Rect, whole: Rect) -> tuple[slice, slice]:
    """Return where a part lies in an array that begins at the corner of the whole."""
    return (
        slice(part.y_min - whole.y_min, part.y_max - whole.y_min),
        slice(part.x_min - whole.x_min, part.x_max - whole.x_min),
    )


def _box_hole(rect: Rect, grid: Grid) -> Hole:
    covered = grid.covering(rect) if not rect.is_empty else Rect(0, 0, 0, 0)
    return Hole(covered, np.ones((max(covered.height, 0), max(covered.width, 0)), bool))


def _mask_hole(mask: Mask, grid: Grid) -> Hole:
    height, width = mask.inside.shape
    bounds = Rect(mask.x, mask.y, mask.x + width, mask.y + height)
    covered = grid.covering(bounds)
    if covered.is_empty:
        return Hole(Rect(0, 0, 0, 0), np.zeros((0, 0), bool))
    step_x, step_y = grid.step_xy
    padded = np.zeros((covered.height * step_y, covered.width * step_x), bool)
    window = Rect(
        covered.x_min * step_x, covered.y_min * step_y,
        covered.x_max * step_x, covered.y_max * step_y,
    )
    part = window.intersect(bounds)
    padded[part_of(part, window)] = mask.inside[part_of(part, bounds)]
    blocks = padded.reshape(covered.height, step_y, covered.width, step_x)
    return Hole(covered, np.asarray(blocks.any(axis=(1, 3)), bool))
