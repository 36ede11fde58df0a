# SPDX-License-Identifier: Apache-2.0
"""Pictures of people with an alpha channel and known keypoints."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.core.regions import Float32Array

LEAST_ALPHA = 127
_MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
_FACE_POINTS = 5
_NOSE_AND_EYES = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class Sprite:
    """
    One person at the height asked for.

    bgra: (h, w, 4) float32, 0..255. keypoints: (17, 3) x, y in px and visibility, COCO's order.
    face_xyxy: the face, None of somebody who looks away. identity: who it is.
    """

    bgra: Float32Array
    keypoints: Float32Array
    face_xyxy: tuple[float, float, float, float] | None
    identity: str


@dataclass(frozen=True)
class SpriteBox:
    """The people of one split; a walking or running person belongs whole to one of them."""

    folder: Path
    entries: Sequence[dict[str, Any]]

    @classmethod
    def load(cls, folder: Path, parity: int) -> SpriteBox:
        """
        Return the people of a split, 0 or 1, from folder/people.json.

        Raises InputError where it is not to be read or nobody is in it.
        """
        path = folder / 'people.json'
        try:
            entries = json.loads(path.read_text(encoding='utf-8'))['sprites']
            chosen = [each for each in entries if _half(identity_of(each)) == parity]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f'{path}: no list of people: {error}') from error
        if not chosen:
            raise InputError(f'{path}: nobody in it for this split')
        return cls(folder, chosen)

    def draw(self, random: np.random.Generator, height_px: float) -> Sprite:
        """Return somebody that high, mirrored or not, in a light of his own."""
        entry = self.entries[int(random.integers(len(self.entries)))]
        path = self.folder / entry['file']
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
            raise InputError(f'{path}: no picture with an alpha channel')
        rect = masks.bounds(picture[..., 3] > LEAST_ALPHA)
        keypoints = np.array(entry['keypoints'], np.float32)
        keypoints[:, :2] -= (rect.x_min, rect.y_min)
        picture = picture[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        if random.random() < 0.5:
            picture = picture[:, ::-1]
            keypoints[:, 0] = rect.width - keypoints[:, 0]
            keypoints = keypoints[list(_MIRRORED)]
        scale = height_px / rect.height
        size_wh = (max(2, round(rect.width * scale)), max(2, round(height_px)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        bgra = cv2.resize(picture, size_wh, interpolation=way).astype(np.float32)
        bgra[..., :3] = _relit(bgra[..., :3], random)
        keypoints[:, :2] *= scale
        return Sprite(bgra, keypoints, face_box(keypoints), identity_of(entry))


def identity_of(entry: dict[str, Any]) -> str:
    """Return who it is: all pictures of a sequence show one person."""
    return f'sequence {entry["sequence"]}' if 'sequence' in entry else str(entry['file'])


def face_box(keypoints: Float32Array) -> tuple[float, float, float, float] | None:
    """
    Return the box around a face; None where nose and eyes are hidden.

    keypoints: (17, 3). The head is as wide as its farthest points are apart, a fifth more where
    it is seen from the side; the face reaches as far below the eyes as it is wide.
    """
    points = keypoints[:_FACE_POINTS]
    if (points[list(_NOSE_AND_EYES), 2] == 2).sum() < 2:
        return None
    apart = np.linalg.norm(points[:, None, :2] - points[None, :, :2], axis=2)
    side = 1.2 * float(apart.max())
    x = float((points[:3, 0].mean() + points[:, 0].mean()) / 2)
    y = float(points[:3, 1].mean())
    return x - side / 2, y - 0.55 * side, x + side / 2, y + 0.75 * side


def _relit(bgr: Float32Array, random: np.random.Generator) -> Float32Array:
    gamma = np.exp(random.normal(0, 0.15))
    gain = random.uniform(0.6, 1.1) * np.exp(random.normal(0, 0.04, 3))
    return np.asarray(np.clip(255 * (bgr / 255) ** gamma * gain, 0, 255), np.float32)


def _half(identity: str) -> int:
    """Return 0 for three quarters of the people, 1 for the others; the same on every machine."""
    return int(zlib.crc32(identity.encode()) % 4 == 0)
