# SPDX-License-Identifier: Apache-2.0
"""
The crops of the paper's protocol, and how it changes their size.

Source: the facts of arXiv 2306.05135 and of its released scripts; re-implemented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, IntArray, UInt8Array

BODY_SIZE_WH, FACE_SIZE_WH = (160, 288), (128, 128)
"""What crops are resized to; a generator of another size takes its own."""
LARGE_FACE_PX = 256
"""Generators from this size on were trained on faces with less around them."""
_FACE_GROWTH, _LARGE_FACE_GROWTH = 0.35, 0.2
_CUBIC = -0.5


def face_crop(face: Rect, size_wh: tuple[int, int]) -> Rect:
    """
    Return the crop around a face: a square, larger by 0.35 of its side on each side.

    It is moved and grown inside the image; where no such square fits, one around the centre is
    taken that leaves the image.
    """
    side = max(face.width, face.height)
    if side > min(size_wh):
        return _centred_square(face, _FACE_GROWTH)
    growth = min(int(_FACE_GROWTH * side), *((limit - side) // 2 for limit in size_wh))
    x_min = _inside(face.x_min - (side - face.width) // 2, side, size_wh[0])
    y_min = _inside(face.y_min - (side - face.height) // 2, side, size_wh[1])
    whole = side + 2 * growth
    x_min = _inside(x_min - growth, whole, size_wh[0])
    y_min = _inside(y_min - growth, whole, size_wh[1])
    return Rect(x_min, y_min, x_min + whole, y_min + whole)


def large_face_crop(face: Rect) -> Rect:
    """Return the crop for generators of 256 px: 1.4 times the face; it may leave the image."""
    return _centred_square(face, _LARGE_FACE_GROWTH)


def cut(image: NDArray[Any], rect: Rect) -> NDArray[Any]:
    """Return a rectangle of an image (h, w) or (h, w, c); 0 where it leaves the image."""
    part = np.zeros((rect.height, rect.width, *image.shape[2:]), image.dtype)
    seen = rect.intersect(Rect(0, 0, image.shape[1], image.shape[0]))
    if not seen.is_empty:
        part[seen.y_min - rect.y_min:seen.y_max - rect.y_min,
             seen.x_min - rect.x_min:seen.x_max - rect.x_min] = \
            image[seen.y_min:seen.y_max, seen.x_min:seen.x_max]
    return part


def shrink_body(crop: UInt8Array, size_wh: tuple[int, int] = BODY_SIZE_WH) -> UInt8Array:
    """Return a body's crop at a generator's size: nearest where both sides grow, else bicubic."""
    if crop.shape[1] < size_wh[0] and crop.shape[0] < size_wh[1]:
        return np.asarray(nearest(crop, size_wh), np.uint8)
    return _to_bytes(bicubic(crop, size_wh))


def shrink_face(crop: UInt8Array, size_wh: tuple[int, int] = FACE_SIZE_WH) -> UInt8Array:
    """Return a face's crop at a generator's size: by area where it shrinks, else bicubic."""
    if crop.shape[0] > size_wh[1]:
        return np.asarray(cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return _to_bytes(bicubic(crop, size_wh))


def nearest(image: NDArray[Any], size_wh: tuple[int, int]) -> NDArray[Any]:
    """Return an image of another size; each pixel is the one at its own place, rounded down."""
    rows = np.arange(size_wh[1]) * image.shape[0] // size_wh[1]
    columns = np.arange(size_wh[0]) * image.shape[1] // size_wh[0]
    return np.asarray(image[rows[:, None], columns])


def bicubic(image: NDArray[Any], size_wh: tuple[int, int]) -> Float32Array:
    """Return (h, w, c) float32 of another size: cubic with a = -0.5, antialiased."""
    tall = _resample_rows(image.astype(np.float32), size_wh[1])
    wide = _resample_rows(tall.transpose(1, 0, 2), size_wh[0])
    return np.ascontiguousarray(wide.transpose(1, 0, 2))


def dilate_disk(inside: BoolArray, radius_px: int) -> BoolArray:
    """Return a silhouette grown by the disk of all pixels whose centres are that near."""
    offsets = np.arange(-radius_px, radius_px + 1)
    disk = (offsets[:, None] ** 2 + offsets ** 2 <= radius_px ** 2).astype(np.uint8)
    return np.asarray(cv2.dilate(inside.astype(np.uint8), disk), bool)


def _centred_square(face: Rect, growth: float) -> Rect:
    half = int(max(face.width, face.height) * (1 + 2 * growth)) // 2
    x, y = (face.x_min + face.x_max) // 2, (face.y_min + face.y_max) // 2
    return Rect(x - half, y - half, x + half, y + half)


def _inside(start: int, length: int, limit: int) -> int:
    return max(0, min(start, limit - length))


def _resample_rows(image: Float32Array, new: int) -> Float32Array:
    """
    Return (new, w, c) of (h, w, c).

    Tap by tap, because a matrix of all weights is mostly zeros; and its product is computed by
    several threads, which add up in an order of their own.
    """
    index, weights = _cubic_taps(len(image), new)
    result = np.zeros((new, *image.shape[1:]), np.float32)
    for rows, shares in zip(index.T, weights.T, strict=True):
        result += shares[:, None, None] * image[rows]
    return result


def _cubic_taps(old: int, new: int) -> tuple[IntArray, Float32Array]:
    """Return (new, taps): which old samples make each new one, and their weights, summing to 1."""
    scale = old / new
    width = max(scale, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * scale
    taps = np.arange(2 * int(np.ceil(2 * width)) + 1)
    index = np.floor(centres - 2 * width).astype(np.int64) + taps
    distance = np.abs(index + 0.5 - centres) / width
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance ** 2 + 1
    far = ((distance - 5) * distance + 8) * distance * _CUBIC - 4 * _CUBIC
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    weights[(index < 0) | (index >= old)] = 0
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.clip(index, 0, old - 1), weights


def _to_bytes(samples: Float32Array) -> UInt8Array:
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8)
