# SPDX-License-Identifier: Apache-2.0
"""Training samples of faces: crops of people who do not exist, the face being the hole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.errors import InputError
from anon_ros.training.gan_samples import HoleSample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from anon_ros.core.regions import Float32Array, UInt8Array

HELD_OUT_EVERY = 12
HOLE_GROWTH = (0.0, 0.25)
"""Of the face's side, on each side: what margins make of a face's box."""
HOLE_JITTER = 0.04
ZOOM = (0.85, 1.1)
TURN_DEG = 8.0
SHIFT = 0.04
EDGE_SHARE, BLUR_SHARE = 0.1, 0.4
SMALLEST_PX = 20.0


@dataclass(frozen=True)
class FaceCrop:
    """A face: image_rgb (s, s, 3), its box in px."""

    image_rgb: UInt8Array
    box_xyxy: Float32Array


def load_faces(folder: Path) -> list[FaceCrop]:
    """
    Return the faces that folder/faces.json names.

    Raises InputError for a list or an image that cannot be read.
    """
    try:
        entries = json.loads((folder / 'faces.json').read_text(encoding='utf-8'))
        return [_load(folder, entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f'{folder}/faces.json: no list of face crops: {error}') from error


def split_faces(faces: Sequence[FaceCrop]) -> tuple[list[FaceCrop], list[FaceCrop]]:
    """Return the faces to learn from and those held out for figures."""
    held_out = list(faces[::HELD_OUT_EVERY])
    return [face for i, face in enumerate(faces) if i % HELD_OUT_EVERY], held_out


class FaceSampleMaker:
    """Faces turned, shifted, relit and blurred, with holes of many sizes around the face."""

    def __init__(self, faces: Sequence[FaceCrop], *, size_px: int, seed: int) -> None:
        self._faces = list(faces)
        self._size = size_px
        self._seed = seed

    def make(self, step: int, number: int) -> HoleSample:
        """Return one sample."""
        rng = np.random.default_rng((self._seed, step, number))
        face = self._faces[int(rng.integers(len(self._faces)))]
        warp = _warp(rng, face.image_rgb.shape[0], self._size)
        image = cv2.warpAffine(
            face.image_rgb, warp, (self._size, self._size), flags=cv2.INTER_AREA,
            borderMode=cv2.BORDER_REFLECT_101)
        known = self._known(rng, warp, face.box_xyxy)
        return HoleSample(relight(rng, soften(rng, np.asarray(image, np.uint8))), known)

    def _known(
        self, rng: np.random.Generator, warp: NDArray[np.float64], box_xyxy: Float32Array
    ) -> NDArray[np.bool_]:
        size = self._size
        known = np.ones((size, size), bool)
        x_min, y_min, x_max, y_max = hole_box(rng, warp, box_xyxy)
        known[max(y_min, 0):max(y_max, 0), max(x_min, 0):max(x_max, 0)] = False
        if rng.random() < EDGE_SHARE:
            # A face at the border of an image: what lies beyond is not known either.
            depth = int(rng.uniform(0, 0.25) * size)
            np.rot90(known, int(rng.integers(4)))[:depth] = False
        return known


def hole_box(
    rng: np.random.Generator, warp: NDArray[np.float64], box_xyxy: Float32Array
) -> tuple[int, int, int, int]:
    """Return the bounds of a warped face's box with a margin and some error, in px."""
    scale = float(np.hypot(*warp[:, 0]))
    centre = warp @ np.array([*(box_xyxy[:2] + box_xyxy[2:]) / 2, 1.0])
    sides = (box_xyxy[2:] - box_xyxy[:2]) * scale
    growth = rng.uniform(*HOLE_GROWTH)
    jitter = rng.uniform(-HOLE_JITTER, HOLE_JITTER, 4) * np.tile(sides, 2)
    low = np.floor(centre - sides * (0.5 + growth) + jitter[:2])
    high = np.ceil(centre + sides * (0.5 + growth) + jitter[2:])
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def soften(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    """Return an image as a camera sees it from afar: detail is lost in some."""
    if rng.random() > BLUR_SHARE:
        return image
    height, width = image.shape[:2]
    scale = rng.uniform(min(1.0, SMALLEST_PX / height), 1.0)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def relight(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    """Return an image under another light: gamma, gain, colour of the light, contrast."""
    values = np.arange(256, dtype=np.float64) / 255
    gamma, gain = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.12))
    tint = np.exp(rng.normal(0, 0.05, 3))
    curve = (values[:, None] ** gamma) * gain * tint
    table = np.clip(np.rint(curve * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _warp(rng: np.random.Generator, old_px: int, new_px: int) -> NDArray[np.float64]:
    """Return (2, 3): from pixels of a crop to those of a sample."""
    scale = new_px / old_px * rng.uniform(*ZOOM)
    turn = np.deg2rad(rng.uniform(-TURN_DEG, TURN_DEG))
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    flip = 1.0 if rng.random() < 0.5 else -1.0
    linear = np.array([[cos * flip, -sin], [sin * flip, cos]])
    shift = rng.uniform(-SHIFT, SHIFT, 2) * new_px
    offset = new_px / 2 + shift - linear @ np.full(2, old_px / 2)
    return np.hstack([linear, offset[:, None]])


def _load(folder: Path, entry: dict[str, object]) -> FaceCrop:
    data = np.fromfile(folder / str(entry['file']), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{entry["file"]} is no image')
    box = np.asarray(entry['face_box'], np.float32)
    if box.shape != (4,):
        raise ValueError(f'{entry["file"]}: a face_box has four numbers')
    sides = np.tile(np.array(image.shape[1::-1], np.float32), 2)
    return FaceCrop(np.ascontiguousarray(image[..., ::-1]), box * sides)
