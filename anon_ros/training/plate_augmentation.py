# SPDX-License-Identifier: Apache-2.0
"""What cameras and weather do to an image: light, colour, motion, noise, compression, lenses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import Float32Array, UInt8Array


def disturb(image_bgr: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Return the image as another camera might have taken it, (h, w, 3) uint8."""
    image = recolour(image_bgr, rng)
    if rng.random() < 0.3:
        image = _motion_blur(image, rng)
    elif rng.random() < 0.25:
        image = _lose_detail(image, rng)
    if rng.random() < 0.35:
        image = _add_noise(image, rng)
    if rng.random() < 0.35:
        image = _compress(image, rng)
    return image


def recolour(image_bgr: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Return the image in another light: gain and gamma, tint, less colour, swapped channels."""
    image = image_bgr
    if rng.random() < 0.35:
        gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        share = rng.uniform(0.3, 1.0)
        image = np.asarray(cv2.addWeighted(gray, share, image, 1 - share, 0), np.uint8)
    if rng.random() < 0.25:
        image = np.ascontiguousarray(image[..., rng.permutation(3)])
    level = np.arange(256, dtype=np.float32)[:, None] / 255
    gamma = np.exp(rng.normal(0, 0.35))
    gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.15, 3))
    curve = np.clip((level ** gamma) * gain + rng.normal(0, 0.03), 0, 1) * 255
    return np.asarray(cv2.LUT(image, curve.astype(np.uint8)[:, None, :]), np.uint8)


def _motion_blur(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    length = int(rng.integers(3, 12))
    angle = rng.normal(0, 0.3) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    half = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * half
    start, end = np.rint(half - reach).astype(int), np.rint(half + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def _lose_detail(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    height, width = image.shape[:2]
    share = rng.uniform(0.45, 0.9)
    small = cv2.resize(image, (int(width * share), int(height * share)),
                       interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)), np.uint8)


def _add_noise(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    deviation = rng.uniform(2, 14)
    noise = np.rint(rng.standard_normal(image.shape, np.float32) * deviation).astype(np.int16)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def _compress(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    quality = int(rng.integers(25, 90))
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


class Lens:
    """
    A fisheye's barrel distortion around a point of an image.

    A pixel at distance r from the centre shows what lay at r * (1 + strength * r * r), with r in
    units of the image's side, after a slight zoom that keeps the crop filled. strength: above 0.
    """

    def __init__(self, size_px: int, strength: float, centre_xy: tuple[float, float]) -> None:
        self._size_px = size_px
        self._strength = strength
        self._centre = np.array(centre_xy, np.float64)
        self._zoom = 1 / (1 + strength * 0.1)
        axis = np.arange(size_px, dtype=np.float32)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1)
        self._map = self.source_of(grid).astype(np.float32)

    def source_of(self, points_xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where the pixels at points (..., 2) px of the distorted image come from."""
        offset = (points_xy - self._centre) / self._size_px * self._zoom
        square = (offset ** 2).sum(axis=-1, keepdims=True)
        moved = self._centre + offset * (1 + self._strength * square) * self._size_px
        return np.asarray(moved, np.float64)

    def apply(self, image_bgr: UInt8Array) -> UInt8Array:
        """Return the distorted image, of the same size."""
        return np.asarray(
            cv2.remap(image_bgr, self._map[..., 0], self._map[..., 1], cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0)), np.uint8)

    def move(self, points_xy: NDArray[np.floating]) -> Float32Array:
        """Return where points (..., 2) px of the source are found in the distorted image."""
        offset = (np.asarray(points_xy, np.float64) - self._centre) / self._size_px
        distance = np.sqrt((offset ** 2).sum(axis=-1, keepdims=True))
        # r + strength * r^3 = distance has one real root, in closed form.
        root = math.sqrt(3 * self._strength)
        near = 2 / root * np.sinh(np.arcsinh(1.5 * root * distance) / 3)
        share = near / np.maximum(distance, 1e-12) / self._zoom
        return np.asarray(self._centre + offset * share * self._size_px, np.float32)
