# SPDX-License-Identifier: Apache-2.0
"""
Images whose people are known: by labels, by annotation, or because they were put there.

Street labels tell pixels and no persons, so a person is what hangs together there: a group that
overlaps counts as one. They count a bicycle as part of its rider.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Mask
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

_CAMVID_PEOPLE = (9, 10)
_LEAST_PERSON_PX = 12
_SOLID_ALPHA = 127
_PLACING_TRIES = 60


@dataclass(frozen=True)
class PeopleFrame:
    """
    One image and its people.

    image_bgr: (h, w, 3) uint8. silhouettes: one mask for each person. keypoints: (N, 17, 3)
    float32 x, y, visibility (0 where not annotated), or None. ignored: (h, w) bool, pixels that
    may or may not show people, or None.
    """

    name: str
    image_bgr: UInt8Array
    silhouettes: tuple[Mask, ...]
    keypoints: Float32Array | None = None
    ignored: BoolArray | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.image_bgr.shape[1], self.image_bgr.shape[0]


def load_street(folder: Path) -> list[PeopleFrame]:
    """
    Return the labelled frames of a folder such as street/frames, in the order of their names.

    Raises InputError where there are none, or one cannot be read.
    """
    return [_street_frame(path) for path in _images(folder)]


def load_coco(folder: Path) -> list[PeopleFrame]:
    """
    Return the images of folder/test_coco.json with everybody in them.

    Raises InputError where they are not there, or cannot be read.
    """
    path = folder / 'test_coco.json'
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f'{path} cannot be read: {error}') from error
    return [_coco_frame(folder, entry, content['annotations']) for entry in content['images']]


def compose(
    data_dir: Path, seed: int, count: int, *, people_per_frame: int = 6, scale: int = 2,
    heights_px: tuple[float, float] = (24.0, 240.0),
) -> list[PeopleFrame]:
    """
    Return street frames with rendered people in them, none over another; the same for a seed.

    data_dir: holds street and people_synthetic. scale: what frames of 480x360 are enlarged by.
    heights_px: of the people, from the even logarithmic range. The background's own people are
    ignored. Raises InputError where the data are not there.
    """
    sprites = _Sprites(data_dir / 'people_synthetic')
    backgrounds = _images(data_dir / 'street/frames')
    frames = []
    for i in range(count):
        random = np.random.default_rng((seed, i))
        background = _street_frame(backgrounds[random.integers(len(backgrounds))])
        frames.append(_composite(background, sprites, random, people_per_frame, scale, heights_px))
    return frames


class _Sprites:
    """Rendered people: RGBA pictures whose keypoints are known."""

    def __init__(self, folder: Path) -> None:
        path = folder / 'people.json'
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f'{path} cannot be read: {error}') from error
        self._folder = folder
        self._entries = [each for each in content['sprites'] if 'sequence' not in each]

    def draw(
        self, random: np.random.Generator, height_px: float
    ) -> tuple[Float32Array, Float32Array]:
        """Return (h, w, 4) float32 BGRA of a person that high, and (17, 3) keypoints in it."""
        entry = self._entries[random.integers(len(self._entries))]
        picture = _read(self._folder / entry['file'], cv2.IMREAD_UNCHANGED)
        rect = masks.bounds(picture[..., 3] > _SOLID_ALPHA)
        picture = picture[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        scale = height_px / rect.height
        size_wh = (max(1, round(rect.width * scale)), max(1, round(height_px)))
        keypoints = np.array(entry['keypoints'], np.float32)
        keypoints[:, :2] = (keypoints[:, :2] - (rect.x_min, rect.y_min)) * scale
        resized = cv2.resize(
            picture, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        return resized.astype(np.float32), keypoints


def _composite(
    background: PeopleFrame, sprites: _Sprites, random: np.random.Generator, count: int,
    scale: int, heights_px: tuple[float, float],
) -> PeopleFrame:
    size_wh = (background.size_wh[0] * scale, background.size_wh[1] * scale)
    image = cv2.resize(background.image_bgr, size_wh, interpolation=cv2.INTER_CUBIC)
    real = masks.paste(background.silhouettes, background.size_wh).astype(np.uint8)
    ignored = cv2.resize(real, size_wh, interpolation=cv2.INTER_NEAREST) > 0
    taken = np.zeros_like(ignored)
    silhouettes, keypoints = [], []
    for _ in range(count):
        height = float(np.exp(random.uniform(*np.log(heights_px))))
        sprite, joints = sprites.draw(random, height)
        rect = _free_place(random, taken, sprite.shape[1::-1])
        if rect is None:
            continue
        window = (slice(rect.y_min, rect.y_max), slice(rect.x_min, rect.x_max))
        alpha = sprite[..., 3:] / 255
        mixed = sprite[..., :3] * alpha + image[window] * (1 - alpha)
        image[window] = np.rint(mixed).astype(np.uint8)
        taken[window] = True
        silhouettes.append(Mask(sprite[..., 3] > _SOLID_ALPHA, rect.x_min, rect.y_min))
        keypoints.append(joints + np.array([rect.x_min, rect.y_min, 0], np.float32))
    return PeopleFrame(
        background.name, np.asarray(image, np.uint8), tuple(silhouettes),
        np.array(keypoints, np.float32).reshape(-1, 17, 3), np.asarray(ignored, bool))


def _free_place(
    random: np.random.Generator, taken: BoolArray, size_wh: tuple[int, int]
) -> Rect | None:
    """Return a place in the lower two thirds where nobody stands yet, or None."""
    width, height = size_wh
    rows, columns = taken.shape
    for _ in range(_PLACING_TRIES):
        bottom = int(random.integers(max(rows // 3, height), rows + 1))
        x = int(random.integers(0, max(1, columns - width)))
        rect = Rect(x, bottom - height, x + width, bottom)
        if not taken[rect.y_min:rect.y_max, rect.x_min:rect.x_max].any():
            return rect
    return None


def _street_frame(path: Path) -> PeopleFrame:
    labels = _read(path.with_name(f'{path.stem}_labels.png'), cv2.IMREAD_GRAYSCALE)
    people = masks.without_specks(np.isin(labels, _CAMVID_PEOPLE), _LEAST_PERSON_PX)
    return PeopleFrame(path.stem, _read(path, cv2.IMREAD_COLOR), tuple(masks.components(people)))


def _coco_frame(
    folder: Path, entry: dict[str, Any], annotations: Sequence[dict[str, Any]]
) -> PeopleFrame:
    image = _read(folder / entry['file_name'], cv2.IMREAD_COLOR)
    own = [each for each in annotations if each['image_id'] == entry['id']]
    silhouettes = [_polygons(each['segmentation'], image.shape[:2]) for each in own]
    keypoints = np.array([each['keypoints'] for each in own], np.float32).reshape(-1, 17, 3)
    return PeopleFrame(entry['file_name'], image, tuple(silhouettes), keypoints)


def _polygons(polygons: Sequence[Sequence[float]], shape: Sequence[int]) -> Mask:
    canvas = np.zeros(tuple(shape), np.uint8)
    corners = [np.rint(np.array(each).reshape(-1, 2)).astype(np.int32) for each in polygons]
    cv2.fillPoly(canvas, corners, 1)
    return masks.trim(Mask(canvas > 0, 0, 0))


def _images(folder: Path) -> list[Path]:
    found = sorted(folder.glob('*.jpg'))
    if not found:
        raise InputError(f'no images in {folder}')
    return found


def _read(path: Path, flags: int) -> UInt8Array:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise InputError(f'{path} cannot be read')
    return np.asarray(image, np.uint8)
