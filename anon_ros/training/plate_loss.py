# SPDX-License-Identifier: Apache-2.0
"""What the plate network is asked for, cell by cell, and how far off it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from anon_ros.training.plate_network import STRIDE_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.regions import Float32Array
    from anon_ros.training.plate_samples import Sample

SPREAD = (0.12, 0.2)
"""Standard deviation of a centre's bump as a share of the plate's width and height."""
LEAST_SPREAD_CELLS = 0.55
BOX_FROM = 0.3
"""Cells whose bump is at least this high also learn the box."""
BOX_WEIGHT = 2.0


class Targets(NamedTuple):
    """
    Arrays over cells, for one sample or, with a leading axis, for a batch.

    scores: (1, h, w), 1 at a plate's centre cell, falling off around it.
    distances: (4, h, w) left, top, right, bottom in cells. box_weights: (1, h, w), 0 for none.
    score_weights: (1, h, w), 0 where nobody knows.
    """

    scores: Float32Array
    distances: Float32Array
    box_weights: Float32Array
    score_weights: Float32Array


def targets_of(sample: Sample) -> Targets:
    """Return what the network should say about the sample."""
    height, width = (side // STRIDE_PX for side in sample.image_bgr.shape[:2])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    scores = np.zeros((1, height, width), np.float32)
    box_weights = np.zeros_like(scores)
    distances = np.ones((4, height, width), np.float32)
    for box in sample.plates_xyxy / STRIDE_PX:
        bump = _bump(box, x, y)
        edges = np.stack([x - box[0], y - box[1], box[2] - x, box[3] - y])
        is_nearer = bump > scores[0]
        learns = is_nearer & (bump >= BOX_FROM) & (edges.min(axis=0) > 0.05)
        scores[0][is_nearer] = bump[is_nearer]
        box_weights[0] = np.where(learns, bump, np.where(is_nearer, 0, box_weights[0]))
        distances[:, learns] = edges[:, learns]
    score_weights = np.ones_like(scores)
    for x0, y0, x1, y1 in sample.ignored_xyxy / STRIDE_PX:
        is_ignored = (x > x0 - 1) & (x < x1 + 1) & (y > y0 - 1) & (y < y1 + 1)
        score_weights[0][is_ignored & (scores[0] < BOX_FROM)] = 0
    return Targets(scores, distances, box_weights, score_weights)


def _bump(box: Float32Array, x: Float32Array, y: Float32Array) -> Float32Array:
    """Return a Gaussian with its top, exactly 1, on the cell that holds the box's centre."""
    centre = np.floor((box[:2] + box[2:]) / 2) + 0.5
    limit = np.array([x.shape[1], x.shape[0]]) - 0.5
    centre = np.clip(centre, 0.5, limit)
    spread = np.maximum((box[2:] - box[:2]) * SPREAD, LEAST_SPREAD_CELLS)
    square = ((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2
    return np.asarray(np.exp(-square / 2), np.float32)


def to_batch(samples: Sequence[Sample]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return images (B, 3, h, w) float32 0..255, channels last, and the batched targets."""
    images = torch.from_numpy(np.stack([sample.image_bgr for sample in samples]))
    parts = zip(*(targets_of(sample) for sample in samples), strict=True)
    return images.permute(0, 3, 1, 2).float(), tuple(
        torch.from_numpy(np.stack(part)) for part in parts
    )


def plate_loss(
    logits: Tensor, distances: Tensor, targets: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """
    Return the score loss and the box loss, both per plate.

    Scores: penalty-reduced focal loss (Law and Deng, CornerNet, 2018). Boxes: generalized IoU
    (Rezatofighi et al., 2019).
    """
    scores, wanted, box_weights, score_weights = targets
    log_yes, log_no = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    share = torch.sigmoid(logits)
    is_centre = (scores == 1).float()
    centre = -((1 - share) ** 2) * log_yes * is_centre
    empty = -((1 - scores) ** 4) * share ** 2 * log_no * (1 - is_centre) * score_weights
    plates = is_centre.sum().clamp(min=1)
    overlap = generalized_iou(distances, wanted)
    box = ((1 - overlap) * box_weights).sum() / box_weights.sum().clamp(min=1)
    return (centre + empty).sum() / plates, BOX_WEIGHT * box


def generalized_iou(found: Tensor, wanted: Tensor) -> Tensor:
    """
    Return (B, 1, h, w) generalized IoU, -1..1, of boxes around the same cell.

    found, wanted: (B, 4, h, w) distances to the left, top, right and bottom edge, > 0.
    """
    area_found = (found[:, 0] + found[:, 2]) * (found[:, 1] + found[:, 3])
    area_wanted = (wanted[:, 0] + wanted[:, 2]) * (wanted[:, 1] + wanted[:, 3])
    least, most = torch.minimum(found, wanted), torch.maximum(found, wanted)
    shared = (least[:, 0] + least[:, 2]) * (least[:, 1] + least[:, 3])
    hull = (most[:, 0] + most[:, 2]) * (most[:, 1] + most[:, 3])
    union = area_found + area_wanted - shared
    return (shared / union - (hull - union) / hull)[:, None]
