# SPDX-License-Identifier: Apache-2.0
"""
Fast utility, without any training: what fixed networks see in anonymized images.

The networks are those that anon_ros finds people with, trained on real photos by others. What
they see in the original images is taken for the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import iou, non_maximum_suppression
from anon_ros.detection.deeplab import DeepLab
from anon_ros.detection.yolox import PERSON, VEHICLES, Yolox
from anon_ros.study.figures import Agreement
from anon_ros.study.pictures import load_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.models.store import ModelStore

LONGEST_PX = 640
LEAST_SCORE = 0.3
SAME_IOU = 0.5
_MERGE_IOU = 0.6
_BOXES = {'people': (PERSON,), 'vehicles': VEHICLES}


@dataclass
class Tally:
    """What two looks have in common: of N in one and M in the other, so many are the same."""

    original: int = 0
    anonymized: int = 0
    same: int = 0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; 1 where neither has any."""
        both = self.original + self.anonymized
        return 2 * self.same / both if both else 1.0


class FixedNetworks:
    """YOLOX for boxes, DeepLab for pixels."""

    def __init__(self, store: ModelStore, threads: int = 0) -> None:
        """Load both; raises ModelError where weights are missing."""
        self._boxes = Yolox.load(store.path('yolox-nano'), 'cpu', threads, 1)
        self._pixels = DeepLab.load(store.path('deeplab-cityscapes'), threads, 1)

    def compare(
        self, pairs: Sequence[tuple[Path, Path]],
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> tuple[Agreement, ...]:
        """
        Return how far both see the same; pairs: an original image and its anonymized copy.

        Raises InputError where an image cannot be decoded.
        """
        boxes = {what: Tally() for what in _BOXES}
        pixels = Tally()
        for done, (clear_path, hidden_path) in enumerate(pairs, 1):
            clear, hidden = load_image(clear_path), load_image(hidden_path)
            for what, classes in _BOXES.items():
                _count_boxes(
                    boxes[what], self._find(clear, classes), self._find(hidden, classes))
            seen, seen_again = (self._people(image) for image in (clear, hidden))
            pixels.original += int(seen.sum())
            pixels.anonymized += int(seen_again.sum())
            pixels.same += int((seen & seen_again).sum())
            progress(done, len(pairs))
        return (
            *(Agreement('YOLOX-nano', f'boxes of {what}', tally.f1, tally.original)
              for what, tally in boxes.items()),
            Agreement('DeepLab', 'pixels of people', pixels.f1, pixels.original))

    def _find(self, image: UInt8Array, classes: tuple[int, ...]) -> Float32Array:
        boxes, scores = self._boxes.candidates(image, LEAST_SCORE, LONGEST_PX, classes)
        return boxes[non_maximum_suppression(boxes, scores, _MERGE_IOU)]

    def _people(self, image: UInt8Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        size_wh = (image.shape[1], image.shape[0])
        return np.asarray(self._pixels.lead(image, LONGEST_PX, size_wh) > 0)


def _count_boxes(tally: Tally, first: Float32Array, second: Float32Array) -> None:
    """Count boxes that have a partner in the other look, one each, the best pairs first."""
    tally.original += len(first)
    tally.anonymized += len(second)
    overlaps = iou(first, second) if len(first) and len(second) else np.zeros((0, 0))
    while overlaps.size and overlaps.max() >= SAME_IOU:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        tally.same += 1
        overlaps[row, :] = 0
        overlaps[:, column] = 0
