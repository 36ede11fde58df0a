# SPDX-License-Identifier: Apache-2.0
"""
Several photos of one person, made of a single picture.

Light, white balance, view and the detector's box vary from photo to photo, and a little from
frame to frame of a track. It is hard on the methods that are measured: hair, background and
expression stay the same, and pixels align, as they rarely do on the street.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array

GAMMA, GAIN, BALANCE, CORNERS = 0.25, 0.12, 0.06, 4 / 128
"""Deviations of log gamma, log gain, log gain of a channel, and corners as shares of a side."""
FRAME_SHARE = 0.25
"""What of it varies again from frame to frame of one track."""
BOX_JITTER = 0.01
_DARKEST = 24


@dataclass(frozen=True, eq=False)
class Photo:
    """image_bgr: (s, s, 3). box_xyxy: (4,) px, the face as a good detector finds it."""

    image_bgr: UInt8Array
    box_xyxy: Float32Array


@dataclass(frozen=True)
class _Pose:
    """gamma: one number. gain: (3,). corners: (4, 2) shifts as shares of the side."""

    gamma: float
    gain: Float32Array
    corners: Float32Array

    @classmethod
    def draw(cls, random: np.random.Generator, share: float) -> _Pose:
        return cls(
            float(random.normal(0, GAMMA * share)),
            (random.normal(0, GAIN * share) + random.normal(0, BALANCE * share, 3)).astype('f4'),
            random.normal(0, CORNERS * share, (4, 2)).astype(np.float32),
        )

    def __add__(self, other: _Pose) -> _Pose:
        return _Pose(
            self.gamma + other.gamma, self.gain + other.gain, self.corners + other.corners
        )


class FacePhotos:
    """Photos of people who do not exist; the same seed gives the same photos."""

    def __init__(self, data_dir: Path, count: int, height_px: int) -> None:
        """
        Take the first so many whole faces of data_dir/faces_synthetic.

        height_px: of the face in the photos.
        Raises InputError where the data are not there or are too few.
        """
        folder = data_dir / 'faces_synthetic'
        try:
            entries = json.loads((folder / 'faces.json').read_text(encoding='utf-8'))
        except OSError as error:
            raise InputError(f'{folder}: no faces to attack: {error.strerror}') from error
        self._height_px = height_px
        self._faces: list[tuple[UInt8Array, Float32Array]] = []
        for entry in entries:
            read = cv2.imread(str(folder / entry['file']))
            if read is None:
                raise InputError(f"{folder / entry['file']}: no image that can be read")
            image, box = np.asarray(read, np.uint8), np.array(entry['face_box'], np.float32)
            if _is_whole(image, box):
                self._faces.append((image, box))
            if len(self._faces) == count:
                return
        raise InputError(f'{folder}: only {len(self._faces)} whole faces, {count} are needed')

    def __len__(self) -> int:
        return len(self._faces)

    def track(self, person: int, number: int, frames: int) -> list[Photo]:
        """Return the frames of one of a person's tracks; its first is a photo like any other."""
        random = np.random.default_rng([person, number, self._height_px])
        base = _Pose.draw(random, 1.0)
        poses = [base] + [base + _Pose.draw(random, FRAME_SHARE) for _ in range(frames - 1)]
        return [self._photo(person, pose, random) for pose in poses]

    def _photo(self, person: int, pose: _Pose, random: np.random.Generator) -> Photo:
        source, face = self._faces[person]
        side = round(self._height_px / float(face[3] - face[1]))
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        matrix = cv2.getPerspectiveTransform(
            corners * source.shape[0], ((corners + pose.corners) * side).astype(np.float32))
        if source.shape[0] > side:
            blur = 0.4 * source.shape[0] / side
            source = np.asarray(cv2.GaussianBlur(source, (0, 0), blur), np.uint8)
        image = cv2.warpPerspective(
            source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        levels = np.arange(256)[:, None] / 255
        table = np.clip(levels ** np.exp(pose.gamma) * np.exp(pose.gain) * 255, 0, 255)
        image = cv2.LUT(image, np.rint(table).astype(np.uint8)[None])
        box = _moved(face * self._faces[person][0].shape[0], matrix)
        size = np.tile(box[2:] - box[:2], 2)
        jitter = random.normal(0, BOX_JITTER, 4) * size
        return Photo(np.asarray(image, np.uint8), (box + jitter).astype(np.float32))


def _moved(box_xyxy: Float32Array, matrix: np.ndarray) -> Float32Array:
    """Return the box around a moved box's sides' middles: no larger than what was in it."""
    x_min, y_min, x_max, y_max = box_xyxy
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    middles = np.array([[[x, y_min], [x_max, y], [x, y_max], [x_min, y]]], np.float32)
    moved = cv2.perspectiveTransform(middles, matrix)[0]
    return np.concatenate([moved.min(axis=0), moved.max(axis=0)]).astype(np.float32)


def _is_whole(image: UInt8Array, face_xyxy: Float32Array) -> bool:
    """Whether the picture shows a face and no border of the sheet it was cut from."""
    x_min, y_min, x_max, y_max = (face_xyxy * image.shape[0]).astype(int)
    by_column = image.max(axis=(0, 2))[x_min:x_max]
    by_row = image.max(axis=(1, 2))[y_min:y_max]
    is_crossed = min(by_column.min(), by_row.min()) < _DARKEST
    return bool(x_max - x_min <= y_max - y_min) and not is_crossed
