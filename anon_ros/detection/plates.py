# SPDX-License-Identifier: Apache-2.0
"""Licence plates, by the network that anon_ros trains and ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import clip, non_maximum_suppression
from anon_ros.core.regions import Kind, Regions
from anon_ros.detection.letterbox import to_multiple
from anon_ros.detection.runtime import load_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.detection.runtime import Array, Network
    from anon_ros.models.store import ModelStore

MODEL = 'plates'
STRIDE_PX = 8
SIZE_MULTIPLE_PX = 32
MOST_OVERLAP = 0.3
SIDES_PX = {'fast': (1280,), 'balanced': (1280, 1920), 'thorough': (960, 1280, 1920, 2560)}
"""The lengths of the image's longer side at which it is searched."""
THRESHOLDS = {'fast': 0.3, 'balanced': 0.25, 'thorough': 0.15}


class PlateDetector:
    """Finds plates at one or several scales of an image. Safe from several threads at once."""

    def __init__(self, network: Network, threshold: float, sides_px: Sequence[int]) -> None:
        """
        Use a network that takes (1, h, w, 3) uint8 BGR, both sides multiples of 32.

        threshold: the least score, 0..1. sides_px: the image's longer side in each search.
        """
        self._network = network
        self._threshold = threshold
        self._sides_px = tuple(sides_px)

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return the plates of one image, (h, w, 3) uint8; see RegionDetector."""
        height, width = image_bgr.shape[:2]
        parts = [self._search(image_bgr, side / max(height, width)) for side in self._sides_px]
        boxes = clip(np.concatenate([found for found, _ in parts]), (width, height))
        scores = np.concatenate([certainty for _, certainty in parts])
        keep = non_maximum_suppression(boxes, scores, MOST_OVERLAP)
        return Regions.of(boxes[keep], Kind.PLATE, scores[keep])

    def _search(self, image_bgr: UInt8Array, scale: float) -> tuple[Float32Array, Float32Array]:
        images = to_multiple(image_bgr, scale, SIZE_MULTIPLE_PX)
        cells = next(iter(self._network.run(images).values()))
        boxes, scores = decode(cells[0], self._threshold)
        return boxes / np.float32(scale), scores


def decode(cells: Array, threshold: float) -> tuple[Float32Array, Float32Array]:
    """
    Return boxes (N, 4) in px of the network's input and scores (N,), one for each peak.

    cells: (5, rows, columns): score 0..1 and distances in px from the cell's centre to the left,
    top, right and bottom edge. A peak is a cell no lower than its eight neighbours.
    """
    scores = np.asarray(cells[0], np.float32)
    peaks = cv2.dilate(scores, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((scores >= threshold) & (scores == peaks))
    left, top, right, bottom = cells[1:, rows, columns]
    x, y = (columns + 0.5) * STRIDE_PX, (rows + 0.5) * STRIDE_PX
    boxes = np.stack([x - left, y - top, x + right, y + bottom], axis=1)
    return boxes.astype(np.float32), scores[rows, columns]


def build_plate_detector(settings: Settings, store: ModelStore, threads: int) -> PlateDetector:
    """
    Return the detector that the settings ask for: effort, device and plate_threshold.

    threads: cores to use in all; 0 for every core.
    Raises ModelError when the weights are missing or damaged, or the engine does not start.
    """
    network = load_network(
        store.path(MODEL), device=settings.device, threads=threads, image_input=True
    )
    threshold = settings.threshold(Kind.PLATE)
    if threshold is None:
        threshold = THRESHOLDS[settings.effort]
    return PlateDetector(network, threshold, SIDES_PX[settings.effort])
