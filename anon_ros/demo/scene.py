# SPDX-License-Identifier: Apache-2.0
"""
A street whose walls carry one portrait in many sizes, and cameras that move along it.

The portrait is scikit-image's astronaut, a photo of NASA in the public domain. Where the faces
are is known exactly, since they were put there.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from anon_ros.core import boxes
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from anon_ros.core.regions import Float32Array, UInt8Array

PORTRAIT_SIDE_PX = 512
FACE_IN_PORTRAIT_XYXY = (178.0, 66.0, 270.0, 178.0)
"""Hairline to chin, ear to ear."""
STREET_SIZE_WH = (2880, 1080)
LEAST_SHARE = 0.5
"""A face counts where at least this share of it is inside the image."""


class Print(NamedTuple):
    """Where a copy of the portrait hangs: centre and side in px of the street, and its pose."""

    x: float
    y: float
    side: float
    is_mirrored: bool
    brightness: float


PRINTS = (
    Print(250, 470, 430, False, 1.0),
    Print(560, 330, 110, True, 1.0),
    Print(620, 560, 180, False, 0.75),
    Print(930, 450, 300, True, 0.9),
    Print(1180, 300, 90, False, 1.0),
    Print(1250, 520, 150, False, 1.05),
    Print(1560, 440, 380, False, 0.8),
    Print(1850, 290, 130, True, 1.0),
    Print(1890, 540, 210, True, 1.0),
    Print(2180, 470, 260, False, 0.95),
    Print(2390, 320, 100, True, 0.9),
    Print(2640, 480, 340, True, 1.0),
)


@dataclass(frozen=True)
class Street:
    """
    What all cameras look at.

    image_bgr: (h, w, 3) uint8. faces_xyxy: (N, 4) float32.
    """

    image_bgr: UInt8Array
    faces_xyxy: Float32Array


@dataclass(frozen=True)
class Shot:
    """What a camera sees: (h, w, 3) uint8, and (N, 4) float32 boxes of the faces in it."""

    image_bgr: UInt8Array
    faces_xyxy: Float32Array


@dataclass(frozen=True)
class Camera:
    """
    A camera that pans along the street, zooms and shakes.

    start_x, end_x: where it looks at the start and the end, as shares of the street.
    zoom: pixels of the image per pixel of the street, from and to.
    """

    size_wh: tuple[int, int]
    start_x: float
    end_x: float
    zoom: tuple[float, float]
    shake_px: float

    def shoot(self, street: Street, progress: float, phase: float) -> Shot:
        """
        Return what the camera sees.

        progress: 0 at the start of its way, 1 at the end. phase: shifts the shaking, in rad.
        """
        to_image = self._transform(progress, phase)
        image = cv2.warpAffine(
            street.image_bgr, to_image, self.size_wh, flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return Shot(np.asarray(image, np.uint8), self._visible(street.faces_xyxy, to_image))

    def _transform(self, progress: float, phase: float) -> Float32Array:
        """Return (2, 3): from the street to the image."""
        width, height = self.size_wh
        ease = 0.5 - 0.5 * math.cos(math.pi * progress)
        zoom = self.zoom[0] + (self.zoom[1] - self.zoom[0]) * (
            0.5 - 0.5 * math.cos(3 * math.pi * progress))
        turn = 2 * math.pi * progress
        x = STREET_SIZE_WH[0] * (self.start_x + (self.end_x - self.start_x) * ease)
        y = 450 + 30 * math.sin(turn + phase)
        x = _keep_inside(x, width / zoom, STREET_SIZE_WH[0])
        y = _keep_inside(y, height / zoom, STREET_SIZE_WH[1])
        x += self.shake_px * math.sin(13 * turn + phase)
        y += self.shake_px * math.sin(17 * turn + 2 * phase)
        tilt = math.radians(1.5) * math.sin(5 * turn + phase)
        cosine, sine = zoom * math.cos(tilt), zoom * math.sin(tilt)
        return np.array([
            [cosine, -sine, width / 2 - cosine * x + sine * y],
            [sine, cosine, height / 2 - sine * x - cosine * y],
        ], np.float32)

    def _visible(self, faces_xyxy: Float32Array, to_image: Float32Array) -> Float32Array:
        centres = (faces_xyxy[:, :2] + faces_xyxy[:, 2:]) / 2
        zoom = float(np.hypot(to_image[0, 0], to_image[1, 0]))
        half = (faces_xyxy[:, 2:] - faces_xyxy[:, :2]) / 2 * zoom
        moved = centres @ to_image[:, :2].T + to_image[:, 2]
        whole = np.concatenate([moved - half, moved + half], axis=1).astype(np.float32)
        inside = boxes.clip(whole, self.size_wh)
        share = boxes.areas(inside) / boxes.areas(whole)
        return inside[share >= LEAST_SHARE]


def _keep_inside(centre: float, length: float, whole: float) -> float:
    return min(max(centre, length / 2), whole - length / 2)


def load_portrait() -> UInt8Array:
    """
    Return (512, 512, 3) uint8 BGR, from the file that scikit-image's package carries.

    Raises UsageError where that package, or the file in it, is missing.
    """
    # Not by skimage.data.astronaut(): that would download a file that is missing.
    package = importlib.util.find_spec('skimage')
    folders = package.submodule_search_locations if package else None
    path = Path(next(iter(folders)), 'data', 'astronaut.png') if folders else None
    if path is None or not path.is_file():
        raise UsageError(
            "the demo's picture comes with scikit-image, which is not installed or lacks it: "
            'pip install scikit-image'
        )
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None or image.shape != (PORTRAIT_SIDE_PX, PORTRAIT_SIDE_PX, 3):
        raise UsageError(f'{path}: not the picture that the demo expects; reinstall scikit-image')
    return np.asarray(image, np.uint8)


def build_street(portrait_bgr: UInt8Array, seed: int) -> Street:
    """
    Return the street with all prints on its walls.

    portrait_bgr: (512, 512, 3) uint8. seed: of the texture of walls, pavement and road.
    """
    image = _paint_street(np.random.default_rng(seed))
    faces = [_hang(image, portrait_bgr, item) for item in PRINTS]
    return Street(image, np.array(faces, np.float32))


def _paint_street(rng: np.random.Generator) -> UInt8Array:
    width, height = STREET_SIZE_WH
    image = np.zeros((height, width, 3), np.float32)
    sky = np.linspace(0, 1, 200, dtype=np.float32)[:, None, None]
    image[:200] = np.array([222, 190, 150]) * (1 - sky) + np.array([235, 222, 208]) * sky
    _paint_houses(image, rng)
    image[760:850] = (150, 154, 158)
    image[850:] = (84, 82, 82)
    image[838:850] = (186, 188, 190)
    for x in range(0, width, 240):
        image[950:964, x:x + 120] = (205, 212, 214)
    fine = rng.normal(0, 5, (height, width, 1)).astype(np.float32)
    coarse = cv2.resize(
        rng.normal(0, 7, (height // 12, width // 12)).astype(np.float32), (width, height))
    return np.asarray(np.clip(image + fine + coarse[..., None], 0, 255), np.uint8)


def _paint_houses(image: Float32Array, rng: np.random.Generator) -> None:
    left = 0
    while left < image.shape[1]:
        right = left + int(rng.integers(330, 520))
        top = int(rng.integers(60, 170))
        wall = np.array([122, 134, 150]) + rng.integers(-30, 45) + rng.integers(-16, 17, 3)
        image[top:760, left:right] = wall
        image[top:top + 14, left:right] = wall * 0.7
        for x in range(left + 40, right - 50, 90):
            image[top + 34:top + 94, x:x + 46] = wall * 0.55
            image[top + 38:top + 90, x + 4:x + 42] = (150, 128, 104)
        image[top + 100:760:16, left:right] *= 0.95
        left = right


def _hang(
    image: UInt8Array, portrait_bgr: UInt8Array, item: Print
) -> tuple[float, float, float, float]:
    """Paste a print with its frame; return its face's box."""
    side = round(item.side)
    left, top = round(item.x - side / 2), round(item.y - side / 2)
    picture = cv2.resize(portrait_bgr, (side, side), interpolation=cv2.INTER_AREA)
    x_min, y_min, x_max, y_max = FACE_IN_PORTRAIT_XYXY
    if item.is_mirrored:
        picture = cv2.flip(picture, 1)
        x_min, x_max = PORTRAIT_SIDE_PX - x_max, PORTRAIT_SIDE_PX - x_min
    border = max(3, side // 30)
    image[top - border:top + side + border, left - border:left + side + border] = (48, 52, 58)
    lit = np.clip(picture.astype(np.float32) * item.brightness, 0, 255)
    image[top:top + side, left:left + side] = lit.astype(np.uint8)
    scale = side / PORTRAIT_SIDE_PX
    return (
        left + x_min * scale, top + y_min * scale, left + x_max * scale, top + y_max * scale,
    )
