# SPDX-License-Identifier: Apache-2.0
"""Keypoints of one person by MoveNet (single pose, Lightning)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.detection.runtime import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.detection.network import Network

INPUT_PX = 192
KEYPOINT_COUNT = 17


class MoveNet:
    """Finds the keypoints of a person in a box. Safe to call from several threads at once."""

    def __init__(self, network: Network) -> None:
        """Use a network that takes (1, 192, 192, 3) uint8 RGB and gives (1, 1, 17, 3)."""
        self._network = network

    @classmethod
    def load(cls, path: Path, threads: int = 0, streams: int = 0) -> MoveNet:
        """Return the detector of a weights file, on the CPU; raises ModelError."""
        return cls(load_network(path, device='cpu', threads=threads, streams=streams))

    def keypoints(self, image_bgr: UInt8Array, boxes_xyxy: Float32Array) -> Float32Array:
        """
        Return (N, 17, 3) float32: x, y in the image's pixels and a score in 0..1, COCO's order.

        image_bgr: (h, w, 3). boxes_xyxy: (N, 4), one around each person.
        """
        found = [self._one(image_bgr, box) for box in boxes_xyxy]
        return np.stack(found) if found else np.zeros((0, KEYPOINT_COUNT, 3), np.float32)

    def _one(self, image_bgr: UInt8Array, box: Float32Array) -> Float32Array:
        centre = (box[:2] + box[2:]) / 2
        side = max(float((box[2:] - box[:2]).max()), 1.0)
        scale = INPUT_PX / side
        shift = INPUT_PX / 2 - centre * scale
        to_input = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
        crop = cv2.warpAffine(image_bgr, to_input, (INPUT_PX, INPUT_PX))
        (output,) = self._network.run(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)[None]).values()
        y_x_score = np.asarray(output, np.float32).reshape(KEYPOINT_COUNT, 3)
        corner = centre - side / 2
        return np.stack([
            y_x_score[:, 1] * side + corner[0], y_x_score[:, 0] * side + corner[1],
            np.clip(y_x_score[:, 2], 0, 1),
        ], axis=1).astype(np.float32)
