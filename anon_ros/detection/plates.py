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
    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.detection.network import Array, Network
    from anon_ros.models.store import ModelStore

MODEL = 'plates'
STRIDE_PX = 8
SIZE_MULTIPLE_PX = 32
MOST_OVERLAP = 0.3
BASE_SIDE_PX = 1280
FINE_SIDES_PX = (1920, 3840)
MOST_ENLARGED = 3.0
"""What is blown up further shows nothing new."""
THRESHOLDS = {'fast': 0.4, 'balanced': 0.4, 'thorough': 0.35}


class PlateDetector:
    """Finds plates at one or several scales of an image. Safe from several threads at once."""

    def __init__(self, network: Network, threshold: float, effort: str) -> None:
        """
        Use a network that takes (1, h, w, 3) uint8 BGR, both sides multiples of 32.

        threshold: the least score, 0..1. effort: fast, balanced or thorough; see search_scales.
        """
        self._network = network
        self._threshold = threshold
        self._effort = effort

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return the plates of one image, (h, w, 3) uint8; see RegionDetector."""
        height, width = image_bgr.shape[:2]
        scales = search_scales(self._effort, max(height, width))
        parts = [self._search(image_bgr, scale) for scale in scales]
        boxes = clip(np.concatenate([found for found, _ in parts]), (width, height))
        scores = np.concatenate([certainty for _, certainty in parts])
        keep = non_maximum_suppression(boxes, scores, MOST_OVERLAP)
        return Regions.of(boxes[keep], Kind.PLATE, scores[keep])

    def _search(self, image_bgr: UInt8Array, scale: float) -> tuple[Float32Array, Float32Array]:
        images = to_multiple(image_bgr, scale, SIZE_MULTIPLE_PX)
        cells = next(iter(self._network.run(images).values()))
        boxes, scores = decode(cells[0], self._threshold)
        return boxes / np.float32(scale), scores


def search_scales(effort: str, longest_px: int) -> list[float]:
    """
    Return the scales at which an image is searched, each once, smallest first.

    longest_px: the image's longer side. At 1280 px wide, where the network finds plates of 12 to
    90 px height; balanced also in full size, within limits; thorough also beyond both.
    """
    fine_px = min(max(longest_px, FINE_SIDES_PX[0]), FINE_SIDES_PX[1])
    sides_by_effort: dict[str, list[float]] = {
        'fast': [BASE_SIDE_PX],
        'balanced': [BASE_SIDE_PX, fine_px],
        'thorough': [BASE_SIDE_PX * 3 / 4, BASE_SIDE_PX, fine_px, fine_px * 4 / 3],
    }
    return sorted({min(side / longest_px, MOST_ENLARGED) for side in sides_by_effort[effort]})


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


def build_plate_detector(
    settings: Settings, store: ModelStore, threads: int, streams: int = 0
) -> PlateDetector:
    """
    Return the detector that the settings ask for: effort, device and plate_threshold.

    threads: cores to use in all; 0 for every core. streams: callers side by side; see
    NetworkOptions.
    Raises ModelError when the weights are missing or damaged, or the engine does not start.
    """
    network = load_network(
        store.path(MODEL), device=settings.device, threads=threads, streams=streams,
        image_input=True,
    )
    threshold = settings.threshold(Kind.PLATE)
    if threshold is None:
        threshold = THRESHOLDS[settings.effort]
    return PlateDetector(network, threshold, settings.effort)
