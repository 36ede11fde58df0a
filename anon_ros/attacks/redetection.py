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
SIDE_PX = 160
_GRAY = 114


@dataclass(frozen=True)
class Redetection:
    """Searches up to three looks of everybody, all of one size. name: of the network."""

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
        image, scale = on_square(picture.image_bgr)
        seen = self.detector.detect(image).of_kind(self.kind)
        if not len(seen):
            return False
        overlap = iou(seen.boxes_xyxy, picture.box_xyxy[None] * np.float32(scale))
        return bool(overlap.max() >= LEAST_IOU)


def on_square(image_bgr: UInt8Array) -> tuple[UInt8Array, float]:
    """
    Return (160, 160, 3), the image with gray at its right or its bottom, and its scale in it.

    Whatever was hidden is of one size then, and networks are compiled for one size of image. In
    larger squares no more is found in the clear, at up to ten times the time.
    """
    height, width = image_bgr.shape[:2]
    scale = SIDE_PX / max(height, width)
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = cv2.resize(image_bgr, size_wh, interpolation=way)
    square = np.full((SIDE_PX, SIDE_PX, 3), _GRAY, np.uint8)
    square[:size_wh[1], :size_wh[0]] = image
    return square, scale
