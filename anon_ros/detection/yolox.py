# SPDX-License-Identifier: Apache-2.0
"""
Boxes of people by YOLOX.

Ge, Liu, Wang, Li, Sun: YOLOX: exceeding YOLO series in 2021, arXiv:2107.08430. The network was
trained on COCO, where a rider is a person and the bicycle below is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.detection.letterbox import to_multiple
from anon_ros.detection.runtime import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.detection.network import Array, Network

STRIDES_PX = (8, 16, 32)
PERSON = 0
VEHICLES = (1, 2, 3, 5, 6, 7)
"""COCO's bicycle, car, motorcycle, bus, train and truck."""
_FIRST_CLASS = 5
# exp of more is no person but an overflow.
_LARGEST_LOG_SIZE = 8.0


class Yolox:
    """Finds candidates for people at one size. Safe to call from several threads at once."""

    def __init__(self, network: Network) -> None:
        """Use a network that takes (1, h, w, 3) uint8 BGR, both sides multiples of 32."""
        self._network = network

    @classmethod
    def load(cls, path: Path, device: str = 'auto', threads: int = 0, streams: int = 0) -> Yolox:
        """Return the detector of a weights file; raises ModelError like load_network."""
        return cls(load_network(
            path, device=device, threads=threads, streams=streams, image_input=True))

    def candidates(
        self,
        image_bgr: UInt8Array,
        threshold: float,
        longest_px: int,
        classes: tuple[int, ...] = (PERSON,),
    ) -> tuple[Float32Array, Float32Array]:
        """
        Return boxes (N, 4) in the image's pixels and scores (N,), many for one person.

        image_bgr: (h, w, 3). threshold: the least score, 0..1. longest_px: what the image's
        longer side is brought to, larger or smaller. classes: of COCO, whichever is likeliest.
        """
        scale = longest_px / max(image_bgr.shape[:2])
        images = to_multiple(image_bgr, scale, STRIDES_PX[-1])
        (output,) = self._network.run(images).values()
        size_wh = images.shape[2], images.shape[1]
        boxes, scores = decode(output[0], size_wh, threshold, classes)
        return boxes / np.float32(scale), scores


def decode(
    output: Array,
    size_wh: tuple[int, int],
    threshold: float,
    classes: tuple[int, ...] = (PERSON,),
) -> tuple[Float32Array, Float32Array]:
    """
    Return boxes (N, 4) in the network's input pixels and scores (N,) of some classes.

    output: (cells, 85) raw: centre in the cell and log size, in strides; certainty of an object;
    of each class. Cells run along rows, the finest stride first. size_wh: of the input, in px.
    """
    columns = [_FIRST_CLASS + each for each in classes]
    certainty = output[:, 4] * output[:, columns].max(axis=1)
    chosen = np.flatnonzero(certainty >= threshold)
    corners, strides = _cells(size_wh)
    shapes = output[chosen].astype(np.float32)
    centres = (shapes[:, :2] + corners[chosen]) * strides[chosen]
    halves = np.exp(np.minimum(shapes[:, 2:4], _LARGEST_LOG_SIZE)) * strides[chosen] / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    return boxes.astype(np.float32), np.clip(certainty[chosen], 0, 1).astype(np.float32)


def _cells(size_wh: tuple[int, int]) -> tuple[Float32Array, Float32Array]:
    """Return (cells, 2) column and row of each cell, and (cells, 1) its stride in px."""
    corners, strides = [], []
    for stride in STRIDES_PX:
        columns, rows = (side // stride for side in size_wh)
        grid = np.mgrid[:rows, :columns][::-1].reshape(2, -1).T
        corners.append(grid)
        strides.append(np.full((len(grid), 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)
