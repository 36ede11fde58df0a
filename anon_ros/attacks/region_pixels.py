# SPDX-License-Identifier: Apache-2.0
"""The plainest attacker: the hidden region alone, brought to one size and one light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.masks import bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Picture
    from anon_ros.core.regions import Float32Array, Kind

SIDE = 24
_FLAT = 0.05


class RegionPixels:
    """Describes any region by its pixels; what beats all recognizers on blur and mosaics."""

    name = 'pixels'

    def __init__(self, kind: Kind) -> None:
        """Take what it is to describe."""
        self.kind = kind

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        """Return (N, 24 * 24 * 3): pixels less their mean, of length 1; 0 for a flat region."""
        points = [_normalize(cut_out(picture)) for picture in pictures]
        return np.stack(points) if points else np.zeros((0, SIDE * SIDE * 3), np.float32)


def cut_out(picture: Picture, side: int = SIDE) -> Float32Array:
    """Return (side, side, 3): the bounds of what was hidden."""
    rect = bounds(picture.hole)
    if rect.is_empty:
        return np.zeros((side, side, 3), np.float32)
    part = picture.image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    is_larger = min(rect.width, rect.height) > side
    interpolation = cv2.INTER_AREA if is_larger else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(part.astype(np.float32), (side, side), interpolation=interpolation), np.float32
    )


def _normalize(pixels: Float32Array) -> Float32Array:
    centred = (pixels - pixels.mean(axis=(0, 1))).ravel()
    deviation = float(centred.std())
    if deviation < _FLAT:
        return np.zeros_like(centred)
    return np.asarray(centred / (deviation * np.sqrt(centred.size)), np.float32)
