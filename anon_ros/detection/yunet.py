# SPDX-License-Identifier: Apache-2.0
"""
Faces by YuNet.

Wu, Peng, Yu: YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 2023.
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
OUTPUTS = tuple(f'{part}_{stride}' for part in ('cls', 'obj', 'bbox') for stride in STRIDES_PX)
# exp of more is no face but an overflow.
_LARGEST_LOG_SIZE = 8.0


class YuNet:
    """Finds candidates for faces at one scale. Safe to call from several threads at once."""

    def __init__(self, network: Network) -> None:
        """Use a network that takes (1, h, w, 3) uint8 BGR, both sides multiples of 32."""
        self._network = network

    @classmethod
    def load(cls, path: Path, device: str = 'auto', threads: int = 0, streams: int = 0) -> YuNet:
        """Return the detector of a weights file; raises ModelError like load_network."""
        return cls(load_network(
            path, device=device, threads=threads, streams=streams, image_input=True,
            outputs=OUTPUTS,
        ))

    def candidates(
        self, image_bgr: UInt8Array, threshold: float, scale: float = 1.0
    ) -> tuple[Float32Array, Float32Array]:
        """
        Return boxes (N, 4) in the image's pixels and scores (N,), many for one face.

        image_bgr: (h, w, 3); it is searched at that scale. threshold: the least score, 0..1.
        """
        images = to_multiple(image_bgr, scale, STRIDES_PX[-1])
        outputs = self._network.run(images)
        boxes, scores = decode(outputs, images.shape[2], threshold)
        return boxes / np.float32(scale), scores


def decode(
    outputs: dict[str, Array], width_px: int, threshold: float
) -> tuple[Float32Array, Float32Array]:
    """
    Return boxes (N, 4) in the network's input pixels and scores (N,).

    outputs: for each stride s cls_s and obj_s (1, cells, 1) in 0..1, bbox_s (1, cells, 4): centre
    in the cell and log size, in strides. width_px: of the input, a multiple of 32.
    """
    parts = [_decode_stride(outputs, stride, width_px, threshold) for stride in STRIDES_PX]
    return (
        np.concatenate([boxes for boxes, _ in parts]),
        np.concatenate([scores for _, scores in parts]),
    )


def _decode_stride(
    outputs: dict[str, Array], stride: int, width_px: int, threshold: float
) -> tuple[Float32Array, Float32Array]:
    certainty = outputs[f'cls_{stride}'].ravel() * outputs[f'obj_{stride}'].ravel()
    cells = np.flatnonzero(certainty >= threshold * threshold)
    scores = np.sqrt(np.clip(certainty[cells], 0, 1))
    shapes = outputs[f'bbox_{stride}'].reshape(-1, 4)[cells]
    rows, columns = np.divmod(cells, width_px // stride)
    centres = (np.stack([columns, rows], axis=1) + shapes[:, :2]) * stride
    halves = np.exp(np.minimum(shapes[:, 2:], _LARGEST_LOG_SIZE)) * (stride / 2)
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    return boxes.astype(np.float32), scores.astype(np.float32)
