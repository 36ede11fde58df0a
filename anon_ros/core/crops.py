# SPDX-License-Identifier: Apache-2.0
"""
What is cut out of an image around a person.

Source: the facts of arXiv 2306.05135 and of its released scripts; re-implemented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from anon_ros.core.regions import Mask

_GROWTH = 0.1
_LEAST_BACKGROUND = 0.3


def body_crop(mask: Mask, size_wh: tuple[int, int], aspect: float) -> Rect:
    """
    Return the crop around a trimmed silhouette; it may leave the image of that size.

    Each axis grows by a tenth of the box's geometric mean inside the image, then the shorter one
    to the aspect, height by width, then both until three tenths of the crop are background.
    """
    rows, columns = mask.inside.shape
    growth = int(_GROWTH * np.sqrt(rows * columns))
    x = _clamped(*_widened(mask.x, mask.x + columns, columns + growth, size_wh[0]), size_wh[0])
    y = _clamped(*_widened(mask.y, mask.y + rows, rows + growth, size_wh[1]), size_wh[1])
    width, height = x[1] - x[0], y[1] - y[0]
    if height < width * aspect:
        y = _widened(*y, int(width * aspect), size_wh[1])
    else:
        x = _widened(*x, max(width, int(height / aspect)), size_wh[0])
    width, height = x[1] - x[0], y[1] - y[0]
    inside = int(mask.inside.sum())
    if 1 - inside / (width * height) < _LEAST_BACKGROUND:
        scale = np.sqrt(inside / (1 - _LEAST_BACKGROUND) / (width * height))
        x = _widened(*x, int(np.ceil(scale * width)), size_wh[0])
        y = _widened(*y, int(np.ceil(scale * height)), size_wh[1])
    return Rect(x[0], y[0], x[1], y[1])


def _widened(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """
    Return a span of that length around another, moved into 0..limit where it fits.

    A span that leaves on both sides stays there.
    """
    start -= (length - (end - start)) // 2
    end = start + length
    if start < 0 < limit - end:
        shift = min(-start, limit - end)
        return start + shift, end + shift
    if end > limit and start > 0:
        shift = min(end - limit, start)
        return start - shift, end - shift
    return start, end


def _clamped(start: int, end: int, limit: int) -> tuple[int, int]:
    return max(start, 0), min(end, limit)
