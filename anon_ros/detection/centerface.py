# SPDX-License-Identifier: Apache-2.0
"""
Faces by CenterFace.

Xu, Yan, Yang, Li: CenterFace: joint face detection and alignment using face as point, 2019.
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

STRIDE_PX = 4
_MULTIPLE_PX = 32
HEATMAP, LOG_SIZE, OFFSET = OUTPUTS = ('537', '538', '539')
_LARGEST_LOG_SIZE = 8.0


class CenterFace:
    """Finds candidates for faces at one scale. Safe to call from several threads at once."""

    def __init__(self, network: Network) -> None:
        """Use a network that takes (1, h, w, 3) uint8 BGR, both sides multiples of 32."""
        self._network = network

    @classmethod
    def load(
        cls, path: Path, device: str = 'auto', threads: int = 0, streams: int = 0
    ) -> CenterFace:
        """Return the detector of a weights file; raises ModelError like load_network."""
        return cls(load_network(
            path, device=device, threads=threads, streams=streams, image_input=True,
            outputs=OUTPUTS, is_rgb=True,
        ))

    def candidates(
        self, image_bgr: UInt8Array, threshold: float, scale: float = 1.0
    ) -> tuple[Float32Array, Float32Array]:
        """
        Return boxes (N, 4) in the image's pixels and scores (N,), many for one face.

        image_bgr: (h, w, 3); it is searched at that scale. threshold: the least score, 0..1.
        """
        outputs = self._network.run(to_multiple(image_bgr, scale, _MULTIPLE_PX))
        boxes, scores = decode(outputs, threshold)
        return boxes / np.float32(scale), scores


def decode(outputs: dict[str, Array], threshold: float) -> tuple[Float32Array, Float32Array]:
    """
    Return boxes (N, 4) in the network's input pixels and scores (N,).

    outputs: the heat map (1, 1, h, w) in 0..1, and (1, 2, h, w) log sizes and centre offsets in
    strides, each y before x.
    """
    heat = outputs[HEATMAP][0, 0]
    rows, columns = np.nonzero(heat >= threshold)
    sizes_hw = np.exp(np.minimum(outputs[LOG_SIZE][0][:, rows, columns], _LARGEST_LOG_SIZE))
    offsets_yx = outputs[OFFSET][0][:, rows, columns]
    centres_yx = np.stack([rows, columns]) + offsets_yx + 0.5
    lower, upper = centres_yx - sizes_hw / 2, centres_yx + sizes_hw / 2
    boxes = np.stack([lower[1], lower[0], upper[1], upper[0]], axis=1) * STRIDE_PX
    return boxes.astype(np.float32), np.clip(heat[rows, columns], 0, 1).astype(np.float32)
