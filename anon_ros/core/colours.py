# SPDX-License-Identifier: Apache-2.0
"""
From the stored samples of a part of an image to BGR, and back.

What a detector sees is made for it alone; whoever paints into an image has to go the other way,
into the very samples that are stored. Here both ways are one linear map for each plane, so a part
of an image can be read and painted without decoding the rest of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.planes import ColourMap, Grid, Plane
    from anon_ros.core.regions import BoolArray, Float32Array, IntArray

_TOWARDS_GRAY = 1e-4
"""How much a colour that the samples do not tell is drawn to gray; far below one level of 255."""


def read_bgr(
    planes: Sequence[Plane], maps: Sequence[ColourMap | None], rect: Rect
) -> Float32Array:
    """
    Return (h, w, 3) float32 BGR in 0..255 of a rectangle inside the image.

    maps: of each plane, None for one that shows no colour; at least one does. What the samples do
    not tell, as the colour of a gray image, comes out gray.
    """
    shown = [(plane, each) for plane, each in zip(planes, maps, strict=True) if each is not None]
    samples = np.concatenate([
        _at_full_size(plane, rect)[..., :len(each.offset)] - each.offset for plane, each in shown
    ], axis=2)
    back = _inverse(np.concatenate([each.matrix for _, each in shown]))
    return np.asarray(np.clip(samples @ back.T, 0, 255), np.float32)


def paint_bgr(
    plane: Plane, colours: ColourMap, rect: Rect, inside: BoolArray, patch: Float32Array,
    patch_rect: Rect,
) -> None:
    """
    Overwrite samples of a plane so that they show a patch.

    rect, inside: samples of the plane, and which of them. patch: (h, w, 3) BGR of 0..255 over
    patch_rect, in image pixels; where a sample speaks for pixels beyond it, its edge goes on.
    A sample shows the mean of the pixels that it speaks for.
    """
    if not inside.any():
        return
    shown = _mean_over_samples(patch, patch_rect, rect, plane.grid)
    samples = plane.read(rect)
    samples[..., :len(colours.offset)] = shown @ colours.matrix.T + colours.offset
    plane.write(rect, samples, inside)


def _inverse(matrix: Float32Array) -> Float32Array:
    """
    Return (3, k): from samples without their offset to BGR.

    Least squares, with a slight pull to gray: exact to a hundredth of a level where the samples
    tell the colour, and gray where they do not.
    """
    scaled = matrix.astype(np.float64) / np.abs(matrix).max()
    off_gray = np.eye(3) - 1 / 3
    normal = scaled.T @ scaled + _TOWARDS_GRAY * off_gray
    back = np.linalg.solve(normal, scaled.T) / np.abs(matrix).max()
    return np.asarray(back, np.float32)


def _at_full_size(plane: Plane, rect: Rect) -> Float32Array:
    """
    Return (h, w, channels): for every pixel of a rectangle the sample that speaks for it.

    Nothing is interpolated: what is beside a hidden sample shall not show anything of it.
    """
    step_x, step_y = plane.grid.step_xy
    part = plane.grid.covering(rect)
    if part.is_empty:
        # A last odd column may have no colour of its own.
        channels = plane.read(Rect(0, 0, 0, 0)).shape[2]
        return np.full((rect.height, rect.width, channels), plane.middle, np.float32)
    samples = plane.read(part)
    rows = _clamped(rect.y_min, rect.y_max, part.y_min * step_y, part.height * step_y) // step_y
    columns = _clamped(rect.x_min, rect.x_max, part.x_min * step_x, part.width * step_x) // step_x
    return samples[rows[:, None], columns]


def _mean_over_samples(
    patch: Float32Array, patch_rect: Rect, rect: Rect, grid: Grid
) -> Float32Array:
    """Return (h, w, 3): a patch as the samples of a rectangle of a plane show it."""
    step_x, step_y = grid.step_xy
    rows = _clamped(rect.y_min * step_y, rect.y_max * step_y, patch_rect.y_min, len(patch))
    columns = _clamped(
        rect.x_min * step_x, rect.x_max * step_x, patch_rect.x_min, patch.shape[1])
    pixels = np.asarray(patch[rows[:, None], columns], np.float32)
    if grid.step_xy == (1, 1):
        return pixels
    cells = pixels.reshape(rect.height, step_y, rect.width, step_x, 3)
    return np.asarray(cells.mean(axis=(1, 3)), np.float32)


def _clamped(start: int, end: int, origin: int, length: int) -> IntArray:
    """Return indices into an array that begins at the origin; its ends go on beyond it."""
    return np.asarray(np.clip(np.arange(start, end) - origin, 0, length - 1), np.int64)
