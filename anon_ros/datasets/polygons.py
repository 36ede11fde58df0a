# SPDX-License-Identifier: Apache-2.0
"""
Outlines to pixels and back, by the rule of each format's official tools.

COCO's outlines run along pixel edges on a grid of fifths (pycocotools); Cityscapes' run through
pixel centres and include the pixels they touch; BDD100K's may be cubic curves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.regions import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, IntArray

LEAST_POINTS = 3
_FIFTHS = 5
_CURVE_STEPS = 16
_CURVES = re.compile(r'(?:L(?:CC)?)+')

Points = 'Sequence[Sequence[float]]'


def rasterize(polygons: Sequence[Sequence[Sequence[float]]], size_wh: tuple[int, int]) -> Mask:
    """
    Return the union of outlines in an image, to the pixel what pycocotools makes of them.

    polygons: each (N, 2) x and y in px. The mask is as high as the image, but only as wide as
    the outlines reach.
    """
    width, height = size_wh
    corners = np.concatenate([np.asarray(each, np.float64) for each in polygons])
    left = int(np.clip(np.floor(corners[:, 0].min()) - 1, 0, width))
    right = int(np.clip(np.ceil(corners[:, 0].max()) + 1, left, width))
    columns = np.zeros((right - left) * height, bool)
    for polygon in polygons:
        toggles = _toggles(np.asarray(polygon, np.float64), size_wh) - left * height
        counts = np.bincount(toggles, minlength=len(columns))[:len(columns)]
        columns |= np.cumsum(counts) % 2 == 1
    return Mask(np.ascontiguousarray(columns.reshape(right - left, height).T), left, 0)


def fill(polygon: Sequence[Sequence[float]], size_wh: tuple[int, int]) -> BoolArray:
    """Return (h, w) bool: an outline through pixel centres, filled, its own pixels included."""
    image = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    points = np.rint(np.asarray(polygon, np.float64)).astype(np.int32)
    cv2.fillPoly(image, [points], 1)
    return image.astype(bool)


def trace(inside: BoolArray) -> list[tuple[tuple[float, float], ...]]:
    """
    Return the outer outlines of a silhouette through pixel centres, the largest first.

    inside: (h, w). Filled again each covers its part; holes are lost. A part of one or two
    pixels repeats them, so that every outline has three points.
    """
    contours, _ = cv2.findContours(
        inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        points = [(float(x), float(y)) for x, y in contour.reshape(-1, 2)]
        points += points[-1:] * max(0, LEAST_POINTS - len(points))
        outlines.append(tuple(points))
    return outlines


def trace_edges(inside: BoolArray) -> list[tuple[tuple[float, float], ...]]:
    """
    Return the outer outlines of a silhouette along pixel edges, the largest first.

    inside: (h, w). rasterize() covers each part again, to the pixel; holes are lost.
    """
    double = cv2.resize(
        np.pad(inside.astype(np.uint8), 1), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    # On a grid of halves the outermost pixels of a part lie a quarter of a px inside its edge.
    return [
        tuple((_to_edge(x), _to_edge(y)) for x, y in outline) for outline in trace(double > 0)
    ]


def _to_edge(double: float) -> float:
    """Return the pixel edge next to a place on the grid of halves, one px of padding aside."""
    return (double + 1) // 2 - 1


def flatten(polygon: Sequence[Sequence[float]], letters: str) -> list[tuple[float, float]]:
    """
    Return an outline of straight lines only: cubic curves become 16 pieces each.

    letters: L for a vertex on the outline, C for a control point; they come in pairs.
    Raises ValueError for letters that make no outline.
    """
    points = [(float(x), float(y)) for x, y in polygon]
    if len(letters) != len(points):
        raise ValueError(
            f"damaged annotation: types '{letters[:40]}' do not fit {len(points)} vertices")
    start = max(letters.find('L'), 0)
    points, letters = points[start:] + points[:start], letters[start:] + letters[:start]
    if not _CURVES.fullmatch(letters):
        raise ValueError(
            f"damaged annotation: types '{letters[:40]}' make no closed outline of cubic curves")
    flat = []
    for i, point in enumerate(points):
        if letters[i] == 'C':
            continue
        flat.append(point)
        if letters[(i + 1) % len(letters)] == 'C':
            ends = [point, *(points[(i + k) % len(points)] for k in (1, 2, 3))]
            flat += _curve(np.array(ends))
    return flat


def _curve(ends: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the points between the ends of a cubic curve; ends: (4, 2)."""
    t = np.linspace(0, 1, _CURVE_STEPS + 1)[1:-1, None]
    weights = np.concatenate(
        [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t ** 2, t ** 3], axis=1)
    return [(float(x), float(y)) for x, y in weights @ ends]


def _toggles(polygon: NDArray[np.float64], size_wh: tuple[int, int]) -> IntArray:
    """
    Return where, counted column by column, the inside of an outline begins and ends.

    The rule of pycocotools: vertices move to a grid of fifths of a px, edges to the nearest
    grid points; an edge counts where it passes the middle of a column of pixels.
    """
    width, height = size_wh
    grid = np.trunc(_FIFTHS * polygon + 0.5).astype(np.int64)
    x, y = _walk(grid)
    step = np.flatnonzero(np.diff(x))
    before_x, after_x = x[step], x[step + 1]
    low_y = np.minimum(y[step], y[step + 1])
    column = (np.where(after_x < before_x, after_x, after_x - 1) + 0.5) / _FIFTHS - 0.5
    is_middle = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip((low_y + 0.5) / _FIFTHS - 0.5, 0, height))
    return np.asarray((column * height + row)[is_middle], np.int64)


def _walk(grid: IntArray) -> tuple[IntArray, IntArray]:
    """Return x and y of the grid points along a closed outline; grid: (N, 2) vertices."""
    start, end = grid, np.roll(grid, -1, axis=0)
    delta = end - start
    length = np.abs(delta).max(axis=1)
    edge = np.repeat(np.arange(len(grid)), length + 1)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(length + 1) - length - 1, length + 1)
    is_wide = np.abs(delta[:, 0]) >= np.abs(delta[:, 1])
    main = np.where(is_wide, 0, 1)
    index = np.arange(len(grid))
    # Each edge is walked from its lower end, so that both directions give the same points.
    is_back = delta[index, main] < 0
    low = np.where(is_back[:, None], end, start)
    rise = np.where(is_back, -1, 1) * delta[index, 1 - main]
    slope = rise / np.maximum(length, 1)
    place = np.where(is_back[edge], length[edge] - along, along)
    first = low[index, main][edge] + place
    second = np.trunc(low[index, 1 - main][edge] + slope[edge] * place + 0.5).astype(np.int64)
    wide = is_wide[edge]
    return np.where(wide, first, second), np.where(wide, second, first)
