# SPDX-License-Identifier: Apache-2.0
"""A network that the user brings: an ONNX file, crop in, descriptor out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.detection.runtime import load_network
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.attacks.interface import Picture
    from anon_ros.core.regions import Float32Array, Kind

SIDE_PX = 112
GROWTH = 0.1


class OwnNetwork:
    """
    Describes by an ONNX network with one input and one output.

    It gets (1, 3, 112, 112) float32, RGB in -1..1, as most face networks do: the box, 10 % larger
    on each side. Points are brought to length 1.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        """Load the file; raise ModelError where it is no network."""
        self.name = path.stem
        self.kind = kind
        self._path = path
        self._network = load_network(path, device='cpu', threads=1, is_exact=True)

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        """Return (N, D) points; raise ModelError where the network takes other images."""
        return np.stack([self._point(picture) for picture in pictures])

    def _point(self, picture: Picture) -> Float32Array:
        x_min, y_min, x_max, y_max = (float(value) for value in picture.box_xyxy)
        side = (1 + 2 * GROWTH) * max(x_max - x_min, y_max - y_min, 1.0)
        scale = SIDE_PX / side
        shift = SIDE_PX / 2 - scale * np.array([(x_min + x_max) / 2, (y_min + y_max) / 2])
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        crop = cv2.warpAffine(
            picture.image_bgr, matrix, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REPLICATE)
        values = crop[None, ..., ::-1].astype(np.float32) / 127.5 - 1
        outputs = list(self._network.run(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
                       .values())
        if len(outputs) != 1 or outputs[0].shape[0] != 1:
            raise ModelError(f'{self._path}: expected one output with one point for each crop')
        point = outputs[0].reshape(-1).astype(np.float32)
        return np.asarray(point / max(float(np.linalg.norm(point)), 1e-9), np.float32)
