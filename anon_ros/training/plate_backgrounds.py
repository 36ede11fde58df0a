# SPDX-License-Identifier: Apache-2.0
"""Drawn clutter: walls of windows, rails, blinds, road marks and leaves, and no plate in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import UInt8Array

Colour: TypeAlias = 'list[float]'
GRAIN_SIDES = (6, 24, 96)


def draw_background(size_px: int, rng: np.random.Generator) -> UInt8Array:
    """Return an image (size_px, size_px, 3) BGR of soft light, grain and many simple shapes."""
    image = _light_and_grain(size_px, rng)
    for _ in range(int(rng.integers(4, 50))):
        place = rng.uniform(-0.1, 1.0, 2) * size_px
        size = np.exp(rng.uniform(np.log(4), np.log(size_px * 0.6), 2))
        corners = np.rint([place, place + size]).astype(int).tolist()
        _draw_shape(image, corners, _colour(rng), rng)
    if rng.random() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5)), np.uint8)
    return image


def _light_and_grain(size_px: int, rng: np.random.Generator) -> UInt8Array:
    shades = rng.uniform(0, 255) + rng.normal(0, 45, (3, 3, 1)) + rng.normal(0, 9, (3, 3, 3))
    size_wh = (size_px, size_px)
    image = np.asarray(cv2.resize(shades, size_wh, interpolation=cv2.INTER_CUBIC), np.float32)
    for side in GRAIN_SIDES:
        grain = rng.normal(0, rng.uniform(0, 18), (side, side)).astype(np.float32)
        image = image + np.asarray(cv2.resize(grain, size_wh), np.float32)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _colour(rng: np.random.Generator) -> Colour:
    return [float(v) for v in np.clip(rng.uniform(0, 255) + rng.normal(0, 20, 3), 0, 255)]


def _draw_shape(
    image: UInt8Array, corners: list[list[int]], colour: Colour, rng: np.random.Generator
) -> None:
    first, last = corners
    kind = int(rng.integers(6))
    if kind == 0:
        cv2.rectangle(image, first, last, colour, -1 if rng.random() < 0.5 else 2)
    elif kind == 1:
        cv2.line(image, first, last, colour, int(rng.integers(1, 5)), cv2.LINE_AA)
    elif kind == 2:
        middle = [(a + b) // 2 for a, b in zip(first, last, strict=True)]
        half = [abs(b - a) // 2 + 1 for a, b in zip(first, last, strict=True)]
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(image, middle, half, angle, 0, 360, colour, -1, cv2.LINE_AA)
    elif kind == 3:
        _draw_grid(image, corners, colour, rng)
    elif kind == 4:
        for y in range(first[1], last[1], int(rng.integers(2, 9))):
            cv2.line(image, [first[0], y], [last[0], y], colour, 1)
    else:
        step = int(rng.integers(6, 40))
        for x in range(first[0], last[0], step):
            cv2.line(image, [x, first[1]], [x + step // 2, first[1]], colour, 3, cv2.LINE_AA)


def _draw_grid(
    image: UInt8Array, corners: list[list[int]], colour: Colour, rng: np.random.Generator
) -> None:
    """Draw rows of equal panes."""
    (left, top), (right, bottom) = corners
    width, height = (int(value) for value in rng.integers(3, 30, 2))
    gap = int(rng.integers(1, 12))
    for y in range(top, bottom, height + gap):
        for x in range(left, right, width + gap):
            cv2.rectangle(image, [x, y], [x + width, y + height], colour, -1)
