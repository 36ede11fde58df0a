# SPDX-License-Identifier: Apache-2.0
"""
Pure geometry of silhouettes: arrays in, new arrays out.

inside: (h, w) bool, True where the object is. Wherever a silhouette changes its size or its grid
it grows rather than shrinks: a pixel that was hidden stays hidden.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array


def bounds(inside: BoolArray) -> Rect:
    """Return the least rectangle that holds all of it; empty where nothing is inside."""
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return Rect(0, 0, 0, 0)
    return Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def mask_to_box(mask: Mask) -> Float32Array:
    """Return (4,) float32, the least box in image pixels that holds all of the mask."""
    rect = bounds(mask.inside)
    return np.array([
        mask.x + rect.x_min, mask.y + rect.y_min, mask.x + rect.x_max, mask.y + rect.y_max,
    ], np.float32)


def crop(inside: BoolArray, rect: Rect) -> Mask:
    """Return what lies in a rectangle of a whole image's silhouette, as a mask of its own."""
    height, width = inside.shape
    rect = rect.intersect(Rect(0, 0, width, height))
    if rect.is_empty:
        return Mask(np.zeros((0, 0), bool), max(0, rect.x_min), max(0, rect.y_min))
    part = inside[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    return Mask(part.copy(), rect.x_min, rect.y_min)


def trim(mask: Mask) -> Mask:
    """Return the same mask without empty rows and columns around it."""
    rect = bounds(mask.inside)
    part = crop(mask.inside, rect)
    return Mask(part.inside, mask.x + rect.x_min, mask.y + rect.y_min)


def paste(masks: Iterable[Mask], size_wh: tuple[int, int]) -> BoolArray:
    """Return the union of masks as the (h, w) bool silhouette of a whole image."""
    width, height = size_wh
    whole = np.zeros((height, width), bool)
    for mask in masks:
        seen = rect_of(mask).intersect(Rect(0, 0, width, height))
        if not seen.is_empty:
            whole[seen.y_min:seen.y_max, seen.x_min:seen.x_max] |= mask.inside[
                seen.y_min - mask.y:seen.y_max - mask.y, seen.x_min - mask.x:seen.x_max - mask.x]
    return whole


def dilate(inside: BoolArray, radius_px: int) -> BoolArray:
    """Return the silhouette grown by a disc; it is cut at the array's edges."""
    if radius_px <= 0:
        return _to_bool(inside.copy())
    side = 2 * radius_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return _to_bool(cv2.dilate(inside.astype(np.uint8), disc))


def close_gaps(inside: BoolArray, radius_px: int) -> BoolArray:
    """Return the silhouette with gaps narrower than about twice the radius closed."""
    if radius_px <= 0:
        return _to_bool(inside.copy())
    side = 2 * radius_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    padded = np.pad(inside.astype(np.uint8), radius_px)
    closed = _to_bool(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc))
    return _to_bool(closed[radius_px:-radius_px, radius_px:-radius_px] | inside)


def fill_holes(inside: BoolArray) -> BoolArray:
    """Return the silhouette with everything that it encloses inside as well."""
    filled = inside.astype(np.uint8)
    contours, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return _to_bool(filled)


def components(inside: BoolArray) -> list[Mask]:
    """Return the parts that hang together, over corners too, each trimmed."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        inside.astype(np.uint8), connectivity=8)
    parts = []
    for label in range(1, count):
        x, y, width, height = (int(value) for value in stats[label, :4])
        window = labels[y:y + height, x:x + width] == label
        parts.append(Mask(np.asarray(window), x, y))
    return parts


def without_specks(inside: BoolArray, least_area_px: int) -> BoolArray:
    """Return the silhouette without the parts of a smaller area."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        inside.astype(np.uint8), connectivity=8)
    is_kept = stats[:, cv2.CC_STAT_AREA] >= least_area_px
    is_kept[0] = False
    return np.asarray(is_kept[labels])


def rect_of(mask: Mask) -> Rect:
    """Return the rectangle of the image that the mask's array lies over."""
    rows, columns = mask.inside.shape
    return Rect(mask.x, mask.y, mask.x + columns, mask.y + rows)


def join(parts: Sequence[Mask]) -> Mask:
    """Return the union of at least one mask, in the least rectangle that holds their arrays."""
    edges = np.array([rect_of(part) for part in parts], np.int64)
    x_min, y_min = (int(value) for value in edges[:, :2].min(axis=0))
    x_max, y_max = (int(value) for value in edges[:, 2:].max(axis=0))
    shifted = [Mask(part.inside, part.x - x_min, part.y - y_min) for part in parts]
    return Mask(paste(shifted, (x_max - x_min, y_max - y_min)), x_min, y_min)


def contact(mask: Mask, other: Mask) -> int:
    """Return how many pixels of the other mask lie on this one or next to it, over corners too."""
    if rect_of(mask).grow(1, 1).intersect(rect_of(other)).is_empty:
        return 0
    rows, columns = mask.inside.shape
    around = cv2.dilate(np.pad(mask.inside, 1).astype(np.uint8), np.ones((3, 3), np.uint8))
    beside = paste(
        [Mask(other.inside, other.x - mask.x + 1, other.y - mask.y + 1)], (columns + 2, rows + 2))
    return int(np.count_nonzero(_to_bool(around) & beside))


def rescale(mask: Mask, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Mask:
    """
    Return the mask in an image of another size.

    A pixel is inside where any part of it lies in a pixel that was inside.
    """
    if from_wh == to_wh:
        return mask
    rows, y = _overlapping(mask.inside.shape[0], mask.y, from_wh[1], to_wh[1])
    columns, x = _overlapping(mask.inside.shape[1], mask.x, from_wh[0], to_wh[0])
    tall = _spread(mask.inside, rows)
    return Mask(np.ascontiguousarray(_spread(tall.T, columns).T), x, y)


def pool(inside: BoolArray, side: int) -> BoolArray:
    """Return cells of that side in px, the last ones may reach beyond: True where any pixel is."""
    rows, columns = inside.shape
    padded = np.pad(inside, ((0, -rows % side), (0, -columns % side)))
    blocks = padded.reshape(-(-rows // side), side, -(-columns // side), side)
    return _to_bool(blocks.any(axis=(1, 3)))


def grow(inside: BoolArray, radius: float) -> BoolArray:
    """Return the silhouette with all pixels whose centre is that near to the centre of one."""
    if radius < 1 or not inside.any():
        return _to_bool(inside.copy())
    # OpenCV gives the distance to the nearest zero.
    outside = (~inside).astype(np.uint8)
    return _to_bool(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius)


def stretch(
    cells: BoolArray, edges_xyxy: tuple[float, float, float, float], size_wh: tuple[int, int]
) -> Mask:
    """
    Return what cells, stretched over a box of an image, cover of it.

    cells: (rows, columns). edges_xyxy: the box's. A pixel is inside where any part of it lies in
    a cell that is inside.
    """
    rows, columns = cells.shape
    across, x = _met(columns, edges_xyxy[0], edges_xyxy[2], size_wh[0])
    down, y = _met(rows, edges_xyxy[1], edges_xyxy[3], size_wh[1])
    tall = _spread(cells, down)
    return Mask(np.ascontiguousarray(_spread(tall.T, across).T), x, y)


def _met(
    count: int, start: float, end: float, limit: int
) -> tuple[NDArray[np.int64], int]:
    """Return (n, 2) first and last+1 of the cells that each pixel of an image meets, and its x."""
    first, last = max(math.floor(start), 0), min(math.ceil(end), limit)
    index = np.arange(first, max(first, last), dtype=np.float64)
    scale = count / max(end - start, 1e-9)
    lower = np.floor((index - start) * scale)
    upper = np.ceil((index + 1 - start) * scale)
    spans = np.stack([lower, upper], axis=1)
    return np.clip(spans, 0, count).astype(np.int64), first


def _overlapping(count: int, start: int, old: int, new: int) -> tuple[NDArray[np.int64], int]:
    """Return (n, 2) first and last+1 of the old cells that each new one meets, and the start."""
    first = start * new // old
    last = -(-(start + count) * new // old)
    index = np.arange(first, last, dtype=np.int64)
    lower = index * old // new - start
    upper = -(-(index + 1) * old // new) - start
    return np.stack([np.clip(lower, 0, count), np.clip(upper, 0, count)], axis=1), first


def _spread(inside: BoolArray, spans: NDArray[np.int64]) -> BoolArray:
    """Return one row for each span: the union of the rows in it."""
    totals = np.zeros((len(inside) + 1, *inside.shape[1:]), np.int32)
    np.cumsum(inside, axis=0, out=totals[1:])
    return np.asarray(totals[spans[:, 1]] > totals[spans[:, 0]])


def _to_bool(image: object) -> BoolArray:
    return np.asarray(image, bool)
