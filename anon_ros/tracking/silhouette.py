# SPDX-License-Identifier: Apache-2.0
"""
What an object looked like when it was seen, and so looks like where it was not.

A silhouette waits as packed bits of at most so many cells, however large the image is. It moves
and scales as its object's box does, and grows by what may have happened meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from anon_ros.core import masks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anon_ros.core.regions import BoolArray, Float32Array, Mask, UInt8Array
    from anon_ros.tracking.frame_motion import Vector

Box: TypeAlias = tuple[float, float, float, float]

MOST_CELLS = 128
"""Along the longer side: where a cell is 8 px wide, what it adds is less than any margin."""
_WIDEST_GROWTH = 2 * MOST_CELLS
_UNIT = (0.0, 0.0, 1.0, 1.0)
# A run that goes on measures the steady picture from another frame: without a grid the last digit
# of a sum would decide about a row of pixels.
_STEPS_PER_PX = 256


@dataclass(frozen=True, eq=False)
class Silhouette:
    """
    What was seen of an object, in the box that it had then.

    bits: the packed cells, row by row. shape: rows and columns. rect: what the cells lie over,
    box: the object's, both in px of one picture.
    """

    bits: UInt8Array
    shape: tuple[int, int]
    rect: Box
    box: Box

    @classmethod
    def of(cls, mask: Mask | None, box: Box, path_xy: Vector) -> Silhouette | None:
        """
        Return what a mask of an image shows, or None where it shows nothing.

        box: in px of the steady picture, which lies path_xy px away from the image.
        """
        if mask is None or not mask.inside.any():
            return None
        mask = masks.trim(mask)
        side = -(-max(mask.inside.shape) // MOST_CELLS)
        cells = masks.pool(mask.inside, side)
        rows, columns = cells.shape
        x, y = mask.x - path_xy[0], mask.y - path_xy[1]
        return cls(
            np.packbits(cells), (rows, columns), (x, y, x + columns * side, y + rows * side), box)

    @property
    def cells(self) -> BoolArray:
        """Return (rows, columns), True where the object was."""
        rows, columns = self.shape
        flat = np.unpackbits(self.bits, count=rows * columns)
        return np.asarray(flat.reshape(self.shape), bool)


class Cast(NamedTuple):
    """
    A sighting where it is taken to another frame.

    silhouette: None for an object whose box was hidden whole. keypoints: (17, 3), None where
    nobody looked for them. seen: the box that it had, with what the image cut off; box: the one
    that it gets; growth_px: on all sides. All in the steady picture.
    """

    silhouette: Silhouette | None
    keypoints: Float32Array | None
    seen: Box
    box: Box
    growth_px: float


def draw(
    casts: Sequence[Cast], path_xy: Vector, size_wh: tuple[int, int]
) -> Mask | None:
    """
    Return all that casts hide of an image, None where they hide nothing of it.

    path_xy: how far the image lies from the steady picture, in px.
    """
    parts = [
        part for cast in casts for part in _parts(cast, path_xy, size_wh) if part.inside.any()]
    return masks.trim(masks.join(parts)) if parts else None


def keypoints_of(casts: Sequence[Cast], path_xy: Vector) -> Float32Array | None:
    """Return (1, 17, 3) keypoints in the image, of the first cast that has some, or None."""
    for cast in casts:
        if cast.keypoints is not None and np.isfinite(cast.keypoints).any():
            left, top, right, bottom = _moved(_mapped(_UNIT, cast.seen, cast.box), path_xy)
            scale = np.array([right - left, bottom - top, 1])
            return np.asarray([cast.keypoints * scale + [left, top, 0]], np.float32)
    return None


def _parts(
    cast: Cast, path_xy: Vector, size_wh: tuple[int, int]
) -> Iterator[Mask]:
    shown, whole, growth_px = cast.silhouette, [cast.seen], _snapped(cast.growth_px)
    if shown is not None:
        whole = list(_cut_off(cast.seen, shown.box))
        yield masks.stretch(*grown(shown.cells, _placed(shown.rect, cast, path_xy), growth_px),
                            size_wh)
    for box in whole:
        rect = _widened(_placed(box, cast, path_xy), growth_px)
        yield masks.stretch(np.ones((1, 1), bool), rect, size_wh)


def grown(cells: BoolArray, rect: Box, growth_px: float) -> tuple[BoolArray, Box]:
    """
    Return cells that lie over a rectangle, and theirs, grown by px on all sides.

    Where they would grow by more cells than are worth while, all of them are inside.
    """
    rows, columns = cells.shape
    width, height = (rect[2] - rect[0]) / columns, (rect[3] - rect[1]) / rows
    radius = growth_px / max(min(width, height), 1e-6)
    if radius > _WIDEST_GROWTH:
        return np.ones((1, 1), bool), _widened(rect, growth_px)
    pad = math.ceil(radius)
    wide = masks.grow(np.pad(cells, pad), radius)
    return wide, (
        rect[0] - pad * width, rect[1] - pad * height,
        rect[2] + pad * width, rect[3] + pad * height,
    )


def _cut_off(seen: Box, shown: Box) -> Iterator[Box]:
    """Yield what of an object's box lies beyond the one that was shown."""
    if seen[0] < shown[0]:
        yield seen[0], seen[1], shown[0], seen[3]
    if seen[2] > shown[2]:
        yield shown[2], seen[1], seen[2], seen[3]
    if seen[1] < shown[1]:
        yield seen[0], seen[1], seen[2], shown[1]
    if seen[3] > shown[3]:
        yield seen[0], shown[3], seen[2], seen[3]


def _mapped(box: Box, before: Box, after: Box) -> Box:
    """Return a box as it lies when the one around it goes to another place and size."""
    scale_x = (after[2] - after[0]) / max(before[2] - before[0], 1.0)
    scale_y = (after[3] - after[1]) / max(before[3] - before[1], 1.0)
    return (
        after[0] + (box[0] - before[0]) * scale_x, after[1] + (box[1] - before[1]) * scale_y,
        after[0] + (box[2] - before[0]) * scale_x, after[1] + (box[3] - before[1]) * scale_y,
    )


def _placed(box: Box, cast: Cast, path_xy: Vector) -> Box:
    """Return where in the image a box comes to lie when the object's goes where it is cast."""
    left, top, right, bottom = _moved(_mapped(box, cast.seen, cast.box), path_xy)
    return _snapped(left), _snapped(top), _snapped(right), _snapped(bottom)


def _snapped(px: float) -> float:
    return round(px * _STEPS_PER_PX) / _STEPS_PER_PX


def _widened(box: Box, more_px: float) -> Box:
    return box[0] - more_px, box[1] - more_px, box[2] + more_px, box[3] + more_px


def _moved(box: Box, path_xy: Vector) -> Box:
    x, y = path_xy
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y
