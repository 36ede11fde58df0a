# SPDX-License-Identifier: Apache-2.0
"""
Search an image at several scales, each only for the sizes it is good at.

A network made for faces of 20 to 300 px finds smaller ones in an enlarged image. There it also
sees faces in whatever is large, so what a pass finds outside its range of sizes does not count:
on street frames at three times the size that is two thirds of all false regions and no face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anon_ros.core.regions import Float32Array, IntArray, UInt8Array

MERGE_IOU = 0.4
# Where the coarser of two neighbouring passes begins to see well, and where the finer one need not
# look any more, in px of the coarser pass's network input. In between both count: what one of
# them misses, or sees the half of, is often whole in the other.
COARSER_FROM_PX = 24.0
FINER_UNTIL_PX = 110.0
# The largest faces a pass is good at, in px of its network input.
LARGEST_PX = 400.0
# A pass over more pixels than this runs on tiles: that bounds memory, and is no slower.
TILE_PIXELS = 5.2e6
_MOST_TILES = 16
# What a face needs around it to be seen, as a multiple of its height.
_CONTEXT = 1.5


class CandidateFinder(Protocol):
    """Finds candidates in an image at one scale. Safe to call from several threads at once."""

    def candidates(
        self, image_bgr: UInt8Array, threshold: float, scale: float = 1.0
    ) -> tuple[Float32Array, Float32Array]:
        """
        Return boxes (N, 4) in the image's pixels and scores (N,), many for one object.

        image_bgr: (h, w, 3); it is searched at that scale. threshold: the least score, 0..1.
        """


@dataclass(frozen=True)
class Pass:
    """
    One look at the image.

    scale: of the image. least_px, most_px: the heights, in px of the image, that count; most_px
    is exclusive.
    """

    scale: float
    least_px: float = 0.0
    most_px: float = math.inf


def plan_passes(scales: Sequence[float]) -> tuple[Pass, ...]:
    """
    Return passes that share the sizes among them; their ranges overlap.

    scales: from the finest to the coarsest.
    """
    passes = []
    for i, scale in enumerate(scales):
        least = 0.0 if i == 0 else COARSER_FROM_PX / scale
        most = math.inf
        if i + 1 < len(scales):
            needed = COARSER_FROM_PX / scales[i + 1]
            most = max(needed, min(FINER_UNTIL_PX / scales[i + 1], LARGEST_PX / scale))
        passes.append(Pass(scale, least, most))
    return tuple(passes)


def search(
    finder: CandidateFinder, image_bgr: UInt8Array, passes: Sequence[Pass], threshold: float
) -> tuple[Float32Array, Float32Array]:
    """
    Return the boxes (N, 4) and scores (N,) that all passes find together, each object once.

    image_bgr: (h, w, 3). threshold: the least score, 0..1.
    Raises ModelError when the network cannot run.
    """
    found = [
        part
        for look in passes
        for part in _run_pass(finder, image_bgr, look, threshold)
    ]
    if not found:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    boxes = np.concatenate([boxes for boxes, _ in found])
    scores = np.concatenate([scores for _, scores in found])
    kept = suppress(boxes, scores)
    return boxes[kept], scores[kept]


def suppress(boxes_xyxy: Float32Array, scores: Float32Array, iou: float = MERGE_IOU) -> IntArray:
    """
    Return the indices to keep, best score first: none overlaps a better one by more than iou.

    The same as core.boxes.non_maximum_suppression, and fast for thousands of boxes.
    """
    if not len(boxes_xyxy):
        return np.zeros(0, np.int64)
    boxes_xywh = np.concatenate(
        [boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(boxes_xywh.tolist(), scores.tolist(), 0.0, iou)
    return np.asarray(kept, np.int64).reshape(-1)


def _run_pass(
    finder: CandidateFinder, image_bgr: UInt8Array, look: Pass, threshold: float
) -> Iterator[tuple[Float32Array, Float32Array]]:
    size_wh = image_bgr.shape[1], image_bgr.shape[0]
    for x, y, width, height in tiles(size_wh, look):
        tile = image_bgr[y:y + height, x:x + width]
        boxes, scores = finder.candidates(tile, threshold, look.scale)
        heights = boxes[:, 3] - boxes[:, 1]
        counts = (heights >= look.least_px) & (heights < look.most_px) & _meets(boxes, tile)
        boxes, scores = boxes[counts], scores[counts]
        kept = suppress(boxes, scores)
        yield boxes[kept] + np.array([x, y, x, y], np.float32), scores[kept]


def _meets(boxes_xyxy: Float32Array, image_bgr: UInt8Array) -> np.ndarray:
    """Return (N,) bool: which boxes have an area inside the image, not in its padding only."""
    height, width = image_bgr.shape[:2]
    lower = np.maximum(boxes_xyxy[:, :2], 0)
    upper = np.minimum(boxes_xyxy[:, 2:], (width, height))
    return np.asarray((upper > lower).all(axis=1))


def tiles(size_wh: tuple[int, int], look: Pass) -> list[tuple[int, int, int, int]]:
    """
    Return x, y, width, height of equal tiles, those that search the fewest pixels twice.

    Neighbours overlap by what the largest face of the pass needs with its surroundings, so each
    is whole in one of them.
    """
    width, height = size_wh
    if not width or not height:
        return []
    largest = TILE_PIXELS / look.scale ** 2
    if width * height <= largest:
        return [(0, 0, width, height)]
    overlap = min(look.most_px, LARGEST_PX / look.scale) * _CONTEXT
    best: tuple[float, int, int] | None = None
    for columns in range(1, _MOST_TILES + 1):
        for rows in range(1, _MOST_TILES + 1):
            tile = _part(width, columns, overlap) * _part(height, rows, overlap)
            if tile <= largest and (best is None or tile * columns * rows < best[0]):
                best = tile * columns * rows, columns, rows
    _, columns, rows = best or (0, _MOST_TILES, _MOST_TILES)
    tile_w, tile_h = _part(width, columns, overlap), _part(height, rows, overlap)
    return [
        (x, y, tile_w, tile_h)
        for y in _starts(height, tile_h, rows) for x in _starts(width, tile_w, columns)
    ]


def _part(full: int, count: int, overlap: float) -> int:
    """Return the least side of count tiles that cover the full side and overlap that much."""
    return min(full, math.ceil((full + (count - 1) * overlap) / count))


def _starts(full: int, tile: int, count: int) -> list[int]:
    return [round(start) for start in np.linspace(0, full - tile, count).tolist()]
