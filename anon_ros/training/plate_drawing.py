# SPDX-License-Identifier: Apache-2.0
"""Drawn plates of many countries' looks, and things that are easily taken for plates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import UInt8Array

HEIGHT_PX = 56
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
CHARACTERS = 'ABCDEFGHIJKLMNOPRSTUVWXYZ0123456789'
# Background, ink in BGR, and how often: white, yellow, then the rarer ones.
COLOURS = (
    ((235, 235, 235), (25, 25, 25), 0.55), ((60, 200, 240), (20, 20, 20), 0.15),
    ((225, 225, 225), (130, 40, 30), 0.08), ((150, 60, 20), (235, 235, 235), 0.07),
    ((30, 30, 30), (225, 225, 225), 0.06), ((90, 170, 70), (240, 240, 240), 0.05),
    ((220, 230, 215), (70, 110, 30), 0.04),
)


def draw_plate(rng: np.random.Generator) -> UInt8Array:
    """Return a plate (h, w, 3) BGR: one or two rows of characters, maybe a band and a frame."""
    row = int(rng.choice(len(COLOURS), p=[share for _, _, share in COLOURS]))
    background, ink, _ = COLOURS[row]
    is_double = rng.random() < 0.15
    aspect = rng.uniform(1.2, 2.0) if is_double else rng.choice([4.7, 4.7, 4.2, 3.4, 2.0])
    plate = np.full((HEIGHT_PX, int(HEIGHT_PX * aspect), 3), background, np.uint8)
    left = 3
    if rng.random() < 0.5:
        left = int(HEIGHT_PX * rng.uniform(0.25, 0.45))
        plate[:, :left] = (150, 60, 20) if rng.random() < 0.85 else (60, 180, 220)
    rows = 2 if is_double else 1
    for index in range(rows):
        top, bottom = HEIGHT_PX * index // rows, HEIGHT_PX * (index + 1) // rows
        _write(plate[top:bottom, left:], ink, rng)
    if rng.random() < 0.7:
        cv2.rectangle(plate, (1, 1), (plate.shape[1] - 2, HEIGHT_PX - 2), ink, 2)
    return plate


def _write(area: UInt8Array, ink: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Fill the area's width with random characters and gaps."""
    height, width = area.shape[:2]
    count = int(np.clip(round(width / height / rng.uniform(0.5, 0.8)), 2, 20))
    text = ''.join(CHARACTERS[i] for i in rng.integers(0, len(CHARACTERS), count))
    if count > 4 and rng.random() < 0.7:
        gap = int(rng.integers(1, count - 1))
        text = f'{text[:gap]} {text[gap:]}'
    font = FONTS[int(rng.integers(len(FONTS)))]
    thickness = int(rng.integers(3, 6))
    (text_width, text_height), _ = cv2.getTextSize(text, font, 1.0, thickness)
    canvas = np.zeros((text_height + 8, text_width + 8), np.uint8)
    cv2.putText(canvas, text, (4, text_height + 3), font, 1.0, 255, thickness, cv2.LINE_AA)
    inner_h, inner_w = int(height * rng.uniform(0.6, 0.8)), int(width * rng.uniform(0.82, 0.95))
    alpha = cv2.resize(canvas, (inner_w, inner_h), interpolation=cv2.INTER_AREA)[..., None] / 255
    y, x = (height - inner_h) // 2, (width - inner_w) // 2
    inside = area[y:y + inner_h, x:x + inner_w]
    inside[:] = inside * (1 - alpha) + np.array(ink) * alpha


def draw_distractor(rng: np.random.Generator) -> UInt8Array:
    """Return something (h, w, 3) BGR that is no plate: a sign, a grid, a lamp, a shop's name."""
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    other = tuple(int(value) for value in rng.integers(0, 256, 3))
    height = HEIGHT_PX
    kind = int(rng.integers(4))
    if kind == 0:
        image = np.full((height, height, 3), colour, np.uint8)
        cv2.circle(image, (height // 2, height // 2), height // 3, other, -1, cv2.LINE_AA)
    elif kind == 1:
        image = np.full((height, int(height * rng.uniform(0.3, 2.0)), 3), colour, np.uint8)
        image[:, :: int(rng.integers(4, 12))] = other
    elif kind == 2:
        image = np.full((height, int(height * rng.uniform(0.3, 0.9)), 3), colour, np.uint8)
        cv2.rectangle(image, (0, 0), (image.shape[1] - 1, height - 1), other, 3)
    else:
        image = np.full((height, int(height * rng.uniform(9, 14)), 3), colour, np.uint8)
        _write(image, (other[0], other[1], other[2]), rng)
    return image
