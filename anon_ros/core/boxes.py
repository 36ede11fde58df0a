# SPDX-License-Identifier: Apache-2.0
"""
Pure geometry of boxes: arrays in, new arrays out.

A box is x_min, y_min, x_max, y_max in px; the maximum is exclusive. Wherever a box becomes whole
pixels its minimum is floored and its maximum is ceiled, so that it never shrinks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import Float32Array, IntArray


class Rect(NamedTuple):
    """A rectangle of whole pixels; the maximum is exclusive, so it works as a slice."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int

    @property
    def width(self) -> int:
        """Columns; 0 or less where the rectangle is empty."""
        return self.x_max - self.x_min

    @property
    def height(self) -> int:
        """Rows; 0 or less where the rectangle is empty."""
        return self.y_max - self.y_min

    @property
    def is_empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.width <= 0 or self.height <= 0

    def intersect(self, other: Rect) -> Rect:
        """Return what both cover; empty where they do not meet."""
        return Rect(
            max(self.x_min, other.x_min), max(self.y_min, other.y_min),
            min(self.x_max, other.x_max), min(self.y_max, other.y_max),
        )

    def grow(self, pixels_x: int, pixels_y: int) -> Rect:
        """Return the rectangle, larger by that many pixels on each side."""
        return Rect(
            self.x_min - pixels_x, self.y_min - pixels_y,
            self.x_max + pixels_x, self.y_max + pixels_y,
        )


def to_rects(boxes_xyxy: Float32Array, size_wh: tuple[int, int]) -> list[Rect]:
    """
    Return whole-pixel rectangles, never smaller than the boxes' part inside the image.

    boxes_xyxy: (N, 4). A box wholly outside the image gives an empty rectangle.
    """
    width, height = size_wh
    lower = np.floor(boxes_xyxy[:, :2].astype(np.float64))
    upper = np.ceil(boxes_xyxy[:, 2:].astype(np.float64))
    limit = np.array([width, height], np.float64)
    edges = np.concatenate([np.clip(lower, 0, limit), np.clip(upper, 0, limit)], axis=1)
    return [Rect(*row) for row in edges.astype(np.int64).tolist()]


def grow(boxes_xyxy: Float32Array, fraction: float, least_px: float = 0.0) -> Float32Array:
    """
    Return boxes that are larger on each side by that fraction of their own width and height.

    boxes_xyxy: (N, 4). least_px: the growth on each side is never less than this.
    """
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    delta = np.maximum(size * fraction, least_px)
    return np.concatenate(
        [boxes_xyxy[:, :2] - delta, boxes_xyxy[:, 2:] + delta], axis=1
    ).astype(np.float32)


def shrink(boxes_xyxy: Float32Array, fraction: float, least_px: float = 0.0) -> Float32Array:
    """Return the boxes that grow has made larger as they were, but for rounding; (N, 4)."""
    grown = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    size = grown / (1 + 2 * fraction)
    delta = np.where(size * fraction >= least_px, size * fraction, least_px)
    delta = np.clip(delta, 0, np.maximum(grown, 0) / 2)
    return np.concatenate(
        [boxes_xyxy[:, :2] + delta, boxes_xyxy[:, 2:] - delta], axis=1
    ).astype(np.float32)


def clip(boxes_xyxy: Float32Array, size_wh: tuple[int, int]) -> Float32Array:
    """Return the boxes' parts inside the image; zero area where there is none."""
    limit = np.array([*size_wh, *size_wh], np.float32)
    return np.clip(boxes_xyxy, 0, limit).astype(np.float32)


def areas(boxes_xyxy: Float32Array) -> Float32Array:
    """Return (N,) areas in px; 0 for a box turned inside out."""
    size = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return np.asarray(size[:, 0] * size[:, 1], np.float32)


def intersections(a_xyxy: Float32Array, b_xyxy: Float32Array) -> Float32Array:
    """Return (N, M) areas that each of N boxes shares with each of M boxes."""
    lower = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    upper = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    size = np.maximum(upper - lower, 0)
    return np.asarray(size[..., 0] * size[..., 1], np.float32)


def iou(a_xyxy: Float32Array, b_xyxy: Float32Array) -> Float32Array:
    """Return (N, M) intersection over union; 0 where both areas are 0."""
    shared = intersections(a_xyxy, b_xyxy)
    union = areas(a_xyxy)[:, None] + areas(b_xyxy)[None, :] - shared
    return np.asarray(shared / np.maximum(union, np.float32(1e-9)), np.float32)


def cover(a_xyxy: Float32Array, b_xyxy: Float32Array) -> Float32Array:
    """Return (N, M): the share of each of N boxes that each of M boxes covers, 0..1."""
    shared = intersections(a_xyxy, b_xyxy)
    return np.asarray(shared / np.maximum(areas(a_xyxy)[:, None], np.float32(1e-9)), np.float32)


def non_maximum_suppression(
    boxes_xyxy: Float32Array, scores: Float32Array, iou_threshold: float
) -> IntArray:
    """
    Return the indices to keep, best score first.

    Greedy: a box goes when it overlaps a better one by more than iou_threshold.
    """
    order = np.argsort(-scores, kind='stable')
    keep: list[int] = []
    while len(order):
        best = order[0]
        keep.append(int(best))
        overlap = iou(boxes_xyxy[best:best + 1], boxes_xyxy[order[1:]])[0]
        order = order[1:][overlap <= iou_threshold]
    return np.asarray(keep, np.int64)
