# SPDX-License-Identifier: Apache-2.0
"""
Look at doubtful small faces again, enlarged, with the network that found them.

A face of 10 px is a weak answer among many weak ones. Cut out, brought to the size the network
is best at and mirrored, a face stays one, and most accidents of texture do not. All the cut-outs
of an image lie side by side in one small picture, so this costs a few milliseconds. It finds
faces that no threshold on the first look would part from the street.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import iou

if TYPE_CHECKING:
    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.detection.pyramid import CandidateFinder

# Who is surer than this at first is not looked at again.
SURE_SCORE = 0.6
# A picture of noise may give thousands: the best ones are looked at, the others stay weak.
MOST_DOUBTFUL = 256
# The size that a face is brought to, in a cell that shows as much of what is around it.
_FACE_PX = 32
_CELL_PX = 64
_CELLS_A_ROW = 16
_LEAST_SCORE = 0.02
_SAME_IOU = 0.3


def look_again(
    finder: CandidateFinder,
    image_bgr: UInt8Array,
    boxes_xyxy: Float32Array,
    scores: Float32Array,
    below_px: float,
) -> Float32Array:
    """
    Return better scores (N,): for doubtful boxes the mean of the first and of a second look.

    image_bgr: (h, w, 3). boxes_xyxy: (N, 4) in it. scores: (N,) of the first look.
    below_px: boxes whose longer side is less than this may be doubtful.
    Raises ModelError when the network cannot run.
    """
    sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max(axis=1)
    doubtful = np.flatnonzero((scores < SURE_SCORE) & (sides < below_px) & (sides > 0))
    doubtful = doubtful[np.argsort(-scores[doubtful], kind='stable')][:MOST_DOUBTFUL]
    better = scores.copy()
    if len(doubtful):
        again = _second_scores(finder, image_bgr, boxes_xyxy[doubtful])
        better[doubtful] = (scores[doubtful] + again) / 2
    return np.asarray(better, np.float32)


def _second_scores(
    finder: CandidateFinder, image_bgr: UInt8Array, boxes_xyxy: Float32Array
) -> Float32Array:
    """Return (N,): what the network thinks of each box when it sees it enlarged."""
    rows = -(-len(boxes_xyxy) // _CELLS_A_ROW)
    # Powers of two, so that the network meets few sizes.
    rows = 1 << (rows - 1).bit_length()
    sheet = np.zeros((rows * _CELL_PX, _CELLS_A_ROW * _CELL_PX, 3), np.uint8)
    corners = np.stack(np.divmod(np.arange(len(boxes_xyxy)), _CELLS_A_ROW)[::-1], 1) * _CELL_PX
    for box, (x, y) in zip(boxes_xyxy, corners.tolist(), strict=True):
        sheet[y:y + _CELL_PX, x:x + _CELL_PX] = _cut_out(image_bgr, box)
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    halves = sizes / sizes.max(axis=1, keepdims=True) * (_FACE_PX / 2)
    centres = corners + _CELL_PX / 2
    expected = np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32)
    found, scores = finder.candidates(sheet, _LEAST_SCORE)
    is_same = iou(expected, found) > _SAME_IOU
    best = np.where(is_same, scores[None], 0).max(axis=1, initial=0)
    return np.asarray(best, np.float32)


def _cut_out(image_bgr: UInt8Array, box_xyxy: Float32Array) -> UInt8Array:
    """Return (_CELL_PX, _CELL_PX, 3), mirrored, the box in the middle; edges are prolonged."""
    height, width = image_bgr.shape[:2]
    centre = (box_xyxy[:2].astype(float) + box_xyxy[2:]) / 2
    factor = _FACE_PX / float((box_xyxy[2:] - box_xyxy[:2]).max())
    reach = _CELL_PX / 2 / factor + 2
    # OpenCV warps no image of more than 32767 px a side: it gets the part that matters.
    x_min, y_min = (int(v) for v in np.clip(centre - reach, 0, (width - 1, height - 1)))
    x_max, y_max = (int(v) for v in np.ceil(np.clip(centre + reach, 1, (width, height))))
    part = image_bgr[y_min:max(y_max, y_min + 1), x_min:max(x_max, x_min + 1)]
    x, y = centre - (x_min, y_min)
    matrix = np.array([
        [-factor, 0, _CELL_PX / 2 + factor * x - 1], [0, factor, _CELL_PX / 2 - factor * y],
    ])
    return np.asarray(cv2.warpAffine(
        part, matrix, (_CELL_PX, _CELL_PX), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ), np.uint8)
