# SPDX-License-Identifier: Apache-2.0
"""The small square masks that R-CNNs predict, as silhouettes in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.core.boxes import to_rects
from anon_ros.core.regions import Mask

if TYPE_CHECKING:
    from anon_ros.core.regions import Float32Array

LEAST_COVER = 0.3
"""A mask that fills less of its box is not believed: the box is hidden whole."""
GROWTH = 0.02
"""What a silhouette grows by on each side, as a share of its box's shorter side."""


def to_mask(
    probabilities: Float32Array, box_xyxy: Float32Array, size_wh: tuple[int, int], threshold: float
) -> Mask | None:
    """
    Return the silhouette that a square of probabilities draws over its box, or None for the box.

    probabilities: (m, m) in 0..1, stretched over box_xyxy (4,) of an image of size_wh. A pixel is
    inside from the threshold on; then the silhouette grows a little and its holes are closed.
    """
    side = len(probabilities)
    # A ring of zeros lets the edge fade out over half a cell, as the network learnt it.
    cell = (box_xyxy[2:] - box_xyxy[:2]) / side
    outer = np.concatenate([box_xyxy[:2] - cell, box_xyxy[2:] + cell]).astype(np.float32)
    rect = to_rects(outer[None], size_wh)[0]
    if rect.is_empty or not (cell > 0).all():
        return None
    scale = 1 / np.maximum(cell, 1e-6)
    # Pixel centres to cell centres.
    shift = (np.array([rect.x_min, rect.y_min]) + 0.5 - outer[:2]) * scale - 0.5
    to_cells = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]], np.float64)
    drawn = cv2.warpAffine(
        np.pad(probabilities, 1).astype(np.float32), to_cells, (rect.width, rect.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = np.asarray(drawn >= threshold)
    box_area = float(np.prod(box_xyxy[2:] - box_xyxy[:2]))
    if inside.sum() < LEAST_COVER * min(box_area, inside.size):
        return None
    radius = int(np.ceil(GROWTH * min(box_xyxy[2:] - box_xyxy[:2])))
    grown = masks.fill_holes(masks.dilate(np.pad(inside, radius), radius))
    return masks.trim(Mask(grown, rect.x_min - radius, rect.y_min - radius))
