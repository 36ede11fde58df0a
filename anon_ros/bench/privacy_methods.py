# SPDX-License-Identifier: Apache-2.0
"""
What is compared: our methods, those of others as they hide a face, and nothing at all.

The others are rebuilt from what their programs do, on a box that is given to all alike:
deface 1.5.0 (box blur by half the box, ellipse, box 1.3 times as large), autoware's blur
(Gaussian, 31 px, sigma 15, on the box), the paper's (Gaussian of sigma 7 at a face of 128 px, on
the box), an ellipse that ends at the box, and mosaics of the region itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros import factory
from anon_ros.attacks.render import HidesAsARun
from anon_ros.core.boxes import Rect, to_rects
from anon_ros.core.boxes import grow as grow_boxes
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anon_ros.attacks.interface import Hiding
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array
    from anon_ros.core.settings import Settings

GROWTH = 0.15
AUTOWARE_SIDE, AUTOWARE_SIGMA = 31, 15.0
PAPER_SIGMA = 7 / 128
RUN_KEY = 10**6
"""A key is this many times the number of a run, and the number of a track in it."""


@dataclass(frozen=True)
class Ours:
    """One of our own methods, with the margin and everything else as in a run."""

    settings: Settings
    kind: Kind = Kind.FACE

    def __call__(
        self, image_bgr: UInt8Array, box_xyxy: Float32Array, key: int
    ) -> tuple[UInt8Array, BoolArray]:
        """Return the image as a run writes it whose seed and track are the key's."""
        run, track = divmod(key, RUN_KEY)
        # A seed of 0 would draw one that nobody knows.
        anonymizer = build_once(replace(self.settings, seed=run + 1))
        return HidesAsARun(anonymizer, self.kind)(image_bgr, box_xyxy, track)


@lru_cache(maxsize=16)
def build_once(settings: Settings) -> FrameAnonymizer:
    """Return what a run uses; a generator is loaded once for all looks of a process."""
    return factory.build_anonymizer(settings)


@dataclass(frozen=True)
class Degraded:
    """
    What others do: change the region, and keep something of it.

    change: from the region's pixels and the box's height to what replaces them. growth: on each
    side, as a share of the box. is_ellipse: whether the corners stay.
    """

    change: Callable[[UInt8Array, Rect], UInt8Array]
    growth: float = 0.0
    is_ellipse: bool = False

    def __call__(
        self, image_bgr: UInt8Array, box_xyxy: Float32Array, key: int
    ) -> tuple[UInt8Array, BoolArray]:
        """Return the image with the region changed; there is no key in it."""
        del key
        size_wh = (image_bgr.shape[1], image_bgr.shape[0])
        rect = to_rects(grow_boxes(box_xyxy[None], self.growth), size_wh)[0]
        hole = np.zeros(image_bgr.shape[:2], bool)
        hole[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = _shape(rect, self.is_ellipse)
        changed = image_bgr.copy()
        part = image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        changed[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = self.change(part, rect)
        return np.where(hole[..., None], changed, image_bgr), hole


def untouched(
    image_bgr: UInt8Array, box_xyxy: Float32Array, key: int
) -> tuple[UInt8Array, BoolArray]:
    """Return the image as it is; what the attack finds in the clear."""
    _, hole = Degraded(lambda part, _: part, GROWTH)(image_bgr, box_xyxy, key)
    return image_bgr, hole


def others() -> Mapping[str, Hiding]:
    """Return the methods that degrade the region, by name."""
    return {
        'deface': Degraded(_box_blur, GROWTH, is_ellipse=True),
        'autoware blur': Degraded(_gaussian(AUTOWARE_SIDE, AUTOWARE_SIGMA)),
        "the paper's blur": Degraded(_paper_blur),
        'deface, ellipse of scale 1.0': Degraded(_box_blur, is_ellipse=True),
        'mosaic of 8 cells': Degraded(_mosaic(8), GROWTH),
        'mosaic of 16 cells': Degraded(_mosaic(16), GROWTH),
    }


def _shape(rect: Rect, is_ellipse: bool) -> BoolArray:
    if not is_ellipse:
        return np.ones((rect.height, rect.width), bool)
    y, x = np.mgrid[0:rect.height, 0:rect.width] + 0.5
    radius = (2 * x / rect.width - 1) ** 2 + (2 * y / rect.height - 1) ** 2
    return np.asarray(radius <= 1, np.bool_)


def _box_blur(part: UInt8Array, rect: Rect) -> UInt8Array:
    sides = (max(1, rect.width // 2), max(1, rect.height // 2))
    return np.asarray(cv2.blur(part, sides), np.uint8)


def _gaussian(side: int, sigma: float) -> Callable[[UInt8Array, Rect], UInt8Array]:
    return lambda part, _: np.asarray(cv2.GaussianBlur(part, (side, side), sigma), np.uint8)


def _paper_blur(part: UInt8Array, rect: Rect) -> UInt8Array:
    return np.asarray(cv2.GaussianBlur(part, (0, 0), rect.height * PAPER_SIGMA), np.uint8)


def _mosaic(cells: int) -> Callable[[UInt8Array, Rect], UInt8Array]:
    def change(part: UInt8Array, rect: Rect) -> UInt8Array:
        scale = cells / max(rect.width, rect.height)
        size_wh = (max(1, round(rect.width * scale)), max(1, round(rect.height * scale)))
        small = cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(
            small, (rect.width, rect.height), interpolation=cv2.INTER_NEAREST), np.uint8)

    return change
