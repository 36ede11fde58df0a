# SPDX-License-Identifier: Apache-2.0
"""
People by the colours and the shape of what stays visible: the same clothes, the same person.

Colour histograms of three stripes, as person re-identification began with (Gray and Tao, ECCV
2008), and the outline of what was hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import to_rects
from anon_ros.core.masks import bounds
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Picture
    from anon_ros.core.regions import Float32Array

STRIPES = 3
_BINS = (8, 4, 4)
_RANGES = (0, 180, 0, 256, 0, 256)
_SHAPE_WH = (8, 16)


class Clothes:
    """Describes people by their clothes."""

    name = 'clothes'
    kind = Kind.BODY

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        """Return (N, 512) points: square roots of colour shares, then the outline."""
        return np.stack([_describe(picture) for picture in pictures])


def _describe(picture: Picture) -> Float32Array:
    size_wh = (picture.image_bgr.shape[1], picture.image_bgr.shape[0])
    rect = to_rects(picture.box_xyxy[None], size_wh)[0]
    hsv = cv2.cvtColor(picture.image_bgr, cv2.COLOR_BGR2HSV)
    part = hsv[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    colours = [
        _shares(np.asarray(stripe, np.uint8)) for stripe in np.array_split(part, STRIPES)
    ]
    # Hellinger's distance between shares is Euclid's between their roots.
    return np.concatenate([*colours, _outline(picture)]).astype(np.float32)


def _shares(hsv: np.ndarray) -> np.ndarray:
    if not hsv.size:
        return np.zeros(int(np.prod(_BINS)))
    counts = cv2.calcHist([hsv], [0, 1, 2], None, _BINS, _RANGES).ravel()
    return np.asarray(np.sqrt(counts / counts.sum()))


def _outline(picture: Picture) -> np.ndarray:
    rect = bounds(picture.hole)
    if rect.is_empty:
        return np.zeros(_SHAPE_WH[0] * _SHAPE_WH[1])
    part = picture.hole[rect.y_min:rect.y_max, rect.x_min:rect.x_max].astype(np.float32)
    small = cv2.resize(part, _SHAPE_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(small.ravel() / np.sqrt(small.size))
