# SPDX-License-Identifier: Apache-2.0
"""
Silhouettes of people by DeepLab with the classes of Cityscapes.

Chen, Papandreou, Schroff, Adam: Rethinking atrous convolution for semantic image segmentation,
arXiv:1706.05587. The file is a quantized one for 513x513 that ends in the index of the best
class. Its layers are run without quantization, at any size, and end in how far a person leads:
that is faster on a CPU, finds more, and gives a number where the file gives yes or no.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.detection.network import NetworkOptions
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.detection.network import Network

STRIDE_PX = 16
_ABSURD_LEAD = 1000.0


class DeepLab:
    """Says for each pixel how far a person leads. Safe to call from several threads at once."""

    def __init__(self, network: Network) -> None:
        """
        Use a network that takes (1, h, w, 3) uint8 RGB, both sides a multiple of 16 and 1 more.

        Its output is (1, 1, h // 16 + 1, w // 16 + 1) float32.
        """
        self._network = network

    @classmethod
    def load(cls, path: Path, threads: int = 0, streams: int = 0) -> DeepLab:
        """
        Return the detector of a weights file, on the CPU.

        Raises ModelError: the file is not the network, or OpenVINO is not installed.
        """
        if importlib.util.find_spec('openvino') is None:
            raise ModelError(f'no engine here runs {path.name}: pip install openvino')
        from anon_ros.detection.deeplab_network import DeepLabNetwork

        return cls(DeepLabNetwork(path, NetworkOptions('cpu', threads, streams)))

    def lead(
        self, image_bgr: UInt8Array, longest_px: int, size_wh: tuple[int, int]
    ) -> Float32Array:
        """
        Return (h, w) float32 of size_wh: the logit of a person less that of the best other class.

        A rider counts as a person, and a bicycle or motorcycle not as another class.
        image_bgr: (h, w, 3). longest_px: what the image's longer side is brought to.
        Raises ModelError when the engine refuses or its figures cannot be true.
        """
        (output,) = self._network.run(to_network_input(image_bgr, longest_px)).values()
        # An engine that miscomputes in silence must not let people pass.
        if not np.abs(output).max() < _ABSURD_LEAD:
            raise ModelError('DeepLab computes nonsense here; try another version of OpenVINO')
        return _stretch(output[0, 0], size_wh)


def to_network_input(image_bgr: UInt8Array, longest_px: int) -> UInt8Array:
    """Return (1, h, w, 3) RGB whose sides are multiples of 16 and 1 more, about that long."""
    height, width = image_bgr.shape[:2]
    scale = longest_px / max(height, width)
    size_wh = tuple(
        STRIDE_PX * max(1, round((side * scale - 1) / STRIDE_PX)) + 1 for side in (width, height)
    )
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image_bgr, size_wh, interpolation=way)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)[None]


def _stretch(values: Float32Array, size_wh: tuple[int, int]) -> Float32Array:
    """Return values between the network's samples, whose outermost lie on the image's edges."""
    width, height = size_wh
    rows, columns = values.shape
    step_x, step_y = ((count - 1) / max(1, side - 1)
                      for count, side in ((columns, width), (rows, height)))
    to_samples = np.array([[step_x, 0, 0], [0, step_y, 0]], np.float64)
    return np.asarray(cv2.warpAffine(
        values.astype(np.float32), to_samples, size_wh,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    ), np.float32)
