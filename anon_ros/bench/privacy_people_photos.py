# SPDX-License-Identifier: Apache-2.0
"""
Several photos of one rendered person, in streets: other background, other light, other size.

Each track has a place and a light of its own. From frame to frame the picture moves and grows a
little, gets lighter or darker, and is compressed again. People of a cycle of movement are seen in
two of its phases; of all others there is one picture, so that their pose is the same in both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Mask
from anon_ros.errors import InputError
from anon_ros.training.body_composites import (
    Place,
    Sprite,
    in_other_light,
    load_frames,
    load_sprite,
    set_into,
    to_bytes,
    tone_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array

AROUND = 1.6
"""The side of a picture, by the height of the person in it."""
SCALE, BOX_JITTER = 0.08, 0.01
"""Deviations of a track's log size, and of a box's edges as shares of its sides."""
FRAME_MOVE_PX, FRAME_SCALE, FRAME_LIGHT = 0.7, 0.01, 0.04
QUALITIES = (70, 95)
_LEAST_MARGIN_PX = 4
_OTHER_PHASE = 10


@dataclass(frozen=True, eq=False)
class PersonPhoto:
    """
    One frame.

    image_bgr: (s, s, 3). mask: the silhouette. box_xyxy: (4,) px, as a good detector finds it.
    keypoints: (17, 3) px, 1 where known.
    """

    image_bgr: UInt8Array
    mask: Mask
    box_xyxy: Float32Array
    keypoints: Float32Array


class PeoplePhotos:
    """Photos of people who do not exist; the same numbers give the same photos."""

    def __init__(self, data_dir: Path, height_px: int, count: int = 0) -> None:
        """
        Take the people of data_dir/people_synthetic, the first so many or, for 0, all.

        height_px: of the people in the photos, about.
        Raises InputError where people or the frames of data_dir/plates/valid are not there.
        """
        self._height_px = height_px
        self._people = _by_identity(data_dir / 'people_synthetic', count)
        self._frames = load_frames(data_dir / 'plates' / 'valid')
        self._first: dict[tuple[int, int], PersonPhoto] = {}

    def __len__(self) -> int:
        return len(self._people)

    def track(self, person: int, number: int, frames: int) -> list[PersonPhoto]:
        """Return the frames of one of a person's tracks."""
        key = person, number
        if key not in self._first:
            self._first[key] = self._compose(person, number)
        base = self._first[key]
        random = np.random.default_rng([person, number, self._height_px, 1])
        return [_next_frame(base, random) for _ in range(frames)]

    def _compose(self, person: int, number: int) -> PersonPhoto:
        """Return a person in a street, whole."""
        random = np.random.default_rng([person, number, self._height_px])
        sprites = self._people[person]
        sprite = sprites[number % len(sprites)]
        scale = self._height_px / sprite.size_wh[1] * float(np.exp(random.normal(0, SCALE)))
        wide, tall = (int(np.ceil(side * scale)) for side in sprite.size_wh)
        side = max(round(AROUND * self._height_px), max(wide, tall) + 2 * _LEAST_MARGIN_PX)
        street = self._street(side, random)
        left, top = (
            int(random.integers(_LEAST_MARGIN_PX, side - each - _LEAST_MARGIN_PX + 1))
            for each in (wide, tall)
        )
        image_rgb, mask, keypoints = set_into(
            street, sprite, Place(left, top, scale), Rect(0, 0, side, side), random)
        keypoints[:, 2] = keypoints[:, 2] > 0
        return PersonPhoto(
            np.ascontiguousarray(image_rgb[..., ::-1]), mask, masks.mask_to_box(mask), keypoints)

    def _street(self, side_px: int, random: np.random.Generator) -> UInt8Array:
        """Return (side, side, 3) RGB, a part of a street in some light."""
        frame = self._frames[int(random.integers(len(self._frames)))]
        rows, columns = (min(side_px, size) for size in frame.shape[:2])
        # Below the sky, where people are.
        y = int(random.integers(min(frame.shape[0] // 3, frame.shape[0] - rows),
                                frame.shape[0] - rows + 1))
        x = int(random.integers(0, frame.shape[1] - columns + 1))
        part = cv2.resize(frame[y:y + rows, x:x + columns], (side_px, side_px))
        light = np.asarray(part / np.float32(255), np.float32)
        return to_bytes(in_other_light(light, tone_of(frame), random))


def _by_identity(folder: Path, count: int) -> list[list[Sprite]]:
    """Return everybody's pictures: two of a cycle of movement, else one."""
    path = folder / 'people.json'
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))['sprites']
        by_name: dict[str, list[dict[str, object]]] = {}
        for entry in entries:
            who = f'sequence {entry["sequence"]}' if 'sequence' in entry else entry['file']
            by_name.setdefault(who, []).append(entry)
        # Cycles first: their two tracks differ most.
        people = sorted(by_name.values(), key=len, reverse=True)
        return [
            [load_sprite(folder, entry) for entry in pictures[::_OTHER_PHASE]]
            for pictures in people[:count or None]
        ]
    except OSError as error:
        raise InputError(f'{path}: {error.strerror}; it lists the rendered people') from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f'{path}: no list of people with file and keypoints') from error


def _next_frame(base: PersonPhoto, random: np.random.Generator) -> PersonPhoto:
    """Return the next frame of a track: moved, a little larger, in other light, compressed."""
    side = base.image_bgr.shape[0]
    scale = float(np.exp(random.normal(0, FRAME_SCALE)))
    shift = random.normal(0, FRAME_MOVE_PX, 2) + (1 - scale) * side / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    image = cv2.warpAffine(
        base.image_bgr, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    light = float(np.exp(random.normal(0, FRAME_LIGHT)))
    lit = np.clip(np.rint(image * np.float32(light)), 0, 255).astype(np.uint8)
    quality = int(random.integers(QUALITIES[0], QUALITIES[1] + 1))
    encoded = cv2.imencode('.jpg', lit, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    whole = masks.paste([base.mask], (side, side)).astype(np.uint8)
    moved = cv2.warpAffine(whole, matrix, (side, side), flags=cv2.INTER_NEAREST) > 0
    mask = masks.trim(Mask(np.asarray(moved, np.bool_), 0, 0))
    keypoints = base.keypoints.copy()
    keypoints[:, :2] = keypoints[:, :2] * scale + shift
    return PersonPhoto(
        np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8), mask,
        _jittered(masks.mask_to_box(mask), random), keypoints.astype(np.float32))


def _jittered(box_xyxy: Float32Array, random: np.random.Generator) -> Float32Array:
    size = np.tile(box_xyxy[2:] - box_xyxy[:2], 2)
    return (box_xyxy + random.normal(0, BOX_JITTER, 4) * size).astype(np.float32)
