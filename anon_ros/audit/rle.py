# SPDX-License-Identifier: Apache-2.0
"""
Silhouettes as text: the compressed run lengths of COCO, which pycocotools and others read.

An image of h x w px is read column by column; the lengths of the runs of 0 and of 1, beginning
with 0, are written as differences to the last but one, five bits a character from '0' (48) on,
the sixth bit set where more characters follow.
"""

from __future__ import annotations

import numpy as np

from anon_ros.core.regions import BoolArray, IntArray, Mask

_MOST_CHARACTERS = 8


def encode(mask: Mask, size_wh: tuple[int, int]) -> str:
    """
    Return the part of a silhouette inside an image as text.

    mask: may reach beyond the image. size_wh: the image's, in px.
    """
    return _to_text(_run_lengths(mask, size_wh))


def decode(text: str, size_wh: tuple[int, int]) -> Mask | None:
    """
    Return a silhouette from its text, cropped to what it shows; None where it shows nothing.

    Raises ValueError for a text that is damaged or made for another size.
    """
    width, height = size_wh
    lengths = _from_text(text)
    if (lengths < 0).any() or int(lengths.sum()) != width * height:
        raise ValueError(f'its run lengths do not fill {width}x{height} px')
    edges = np.cumsum(lengths)
    starts, ends = edges[0:-1:2], edges[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return None
    left, right = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    top, bottom = _rows(starts, ends, height)
    rows = bottom - top
    first = (starts // height - left) * rows + starts % height - top
    columns = _painted(first, first + ends - starts, (right - left) * rows)
    return Mask(np.ascontiguousarray(columns.reshape(right - left, rows).T), left, top)


def _run_lengths(mask: Mask, size_wh: tuple[int, int]) -> IntArray:
    """Return the lengths of the runs of 0 and 1 over the whole image, column by column."""
    width, height = size_wh
    x, y = max(mask.x, 0), max(mask.y, 0)
    inside = mask.inside[y - mask.y:max(height - mask.y, 0), x - mask.x:max(width - mask.x, 0)]
    padded = np.zeros((inside.shape[1], inside.shape[0] + 2), np.int8)
    padded[:, 1:-1] = inside.T
    change = np.diff(padded, axis=1)
    column, row = np.nonzero(change)
    edges = (column + x) * height + row + y
    # A run that ends at the foot of a column goes on at the head of the next.
    joined = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1
    edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    edges = np.concatenate([[0], edges, [width * height]]).astype(np.int64)
    lengths = edges[1:] - edges[:-1]
    return lengths if lengths[-1] else lengths[:-1]


def _rows(starts: IntArray, ends: IntArray, height: int) -> tuple[int, int]:
    """Return the first row that is needed and the one after the last."""
    crosses = starts // height != (ends - 1) // height
    if crosses.any():
        return 0, height
    return int((starts % height).min()), int(((ends - 1) % height).max()) + 1


def _painted(starts: IntArray, ends: IntArray, count: int) -> BoolArray:
    steps = np.zeros(count + 1, np.int8)
    steps[starts] += 1
    steps[ends] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)


def _to_text(lengths: IntArray) -> str:
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    shifts = 5 * np.arange(_MOST_CHARACTERS)
    bits = (values[:, None] >> shifts) & 31
    rest = values[:, None] >> (shifts + 5)
    more = rest != np.where(bits & 16, -1, 0)
    is_used = np.ones_like(more)
    is_used[:, 1:] = np.logical_and.accumulate(more[:, :-1], axis=1)
    return bytes((bits + 48 + 32 * more).astype(np.uint8)[is_used]).decode('ascii')


def _from_text(text: str) -> IntArray:
    try:
        codes = np.frombuffer(text.encode('ascii'), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise ValueError('its run lengths are no ASCII') from None
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError('its run lengths are damaged')
    last = np.flatnonzero(codes & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    if int((last - first).max()) >= _MOST_CHARACTERS:
        raise ValueError('its run lengths are too long')
    position = np.arange(len(codes)) - np.repeat(first, last - first + 1)
    values = np.add.reduceat((codes & 31) << (5 * position), first)
    values = values - np.where(codes[last] & 16, 1 << (5 * (last - first + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
