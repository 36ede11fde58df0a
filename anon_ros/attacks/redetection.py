# SPDX-License-Identifier: Apache-2.0
"""Re-detection: what was hidden, found by a network that took no part in the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.attacks.bands import bands, row
from anon_ros.attacks.intervals import paired_difference, wilson
from anon_ros.core.boxes import iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Identity, Picture, View
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import BoolArray, Kind, UInt8Array

LEAST_IOU = 0.3
_LOOKS = 3
_LEAST_SIDE_PX = 256
_GRAY = 114


@dataclass(frozen=True)
class Redetection:
    """Searches up to three looks of everybody, enlarged. name: of the network."""

    detector: RegionDetector
    kind: Kind
    name: str
    method: str = ''

    def attack(self, identities: Sequence[Identity]) -> list[AttackRow]:
        """Return the share of those who are found where they were hidden, in any look."""
        if not identities:
            return []
        hidden, gray = self._found(identities, 'hidden'), self._found(identities, 'gray')
        return [
            row(
                kind=self.kind.label, attacker=self.name, method=self.method, height=name,
                measure='re-detected', value=wilson(hidden[chosen].sum(), chosen.sum()),
                chance=0.0, samples=int(chosen.sum()), gray=float(gray[chosen].mean()),
                excess=paired_difference(hidden[chosen], gray[chosen]),
            )
            for name, chosen in bands([each.height_px for each in identities])
        ]

    def _found(self, identities: Sequence[Identity], view: View) -> BoolArray:
        return np.array([
            any(self._sees(look.picture(view)) for look in identity.queries[:_LOOKS])
            for identity in identities
        ], bool)

    def _sees(self, picture: Picture) -> bool:
        scale = max(1.0, _LEAST_SIDE_PX / min(picture.image_bgr.shape[:2]))
        image = picture.image_bgr
        if scale > 1:
            image = np.asarray(cv2.resize(
                image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        seen = self.detector.detect(on_square(image)).of_kind(self.kind)
        if not len(seen):
            return False
        overlap = iou(seen.boxes_xyxy, picture.box_xyxy[None] * np.float32(scale))
        return bool(overlap.max() >= LEAST_IOU)


def on_square(image_bgr: UInt8Array) -> UInt8Array:
    """
    Return an image with gray at its right and its bottom: a square of one of few sizes.

    Networks are compiled for each size that they meet, which takes longer than many looks.
    """
    height, width = image_bgr.shape[:2]
    side = _LEAST_SIDE_PX
    while side < max(height, width):
        side += side // 2
    return np.asarray(cv2.copyMakeBorder(
        image_bgr, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=[_GRAY] * 3),
        np.uint8)
