# SPDX-License-Identifier: Apache-2.0
"""
Street frames with heads whose faces are known, because they were put there.

The heads are of people who do not exist, the backgrounds real dashcam frames brought to the size
asked for. Two things make figures on them kinder than the street: the backgrounds are smoother
than what a camera of that size records, so they tempt a detector less, and the heads have no
bodies and no motion blur. One makes them harsher: people who were in the background already
count as false regions where no label tells of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import areas, clip
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

SIZE_WH = (1920, 1080)
FACE_HEIGHTS_PX = (8.0, 128.0)
SPLITS = ('tune', 'report')
_LARGEST_TRIES = 200
_CAMVID_PEOPLE = (9, 10)
_SHAKE_MARGIN = 0.06
_LENS_BLUR_PX = 0.6
_BLACK = 24


@dataclass(frozen=True)
class Scene:
    """
    One frame and its truth.

    image_bgr: (h, w, 3). faces_xyxy: (N, 4), the faces that were put there.
    people: (h, w) bool, people the background is known to hold, or None where nothing is known.
    """

    image_bgr: UInt8Array
    faces_xyxy: Float32Array
    people: BoolArray | None = None


@dataclass(frozen=True)
class _Head:
    """image_bgr: (s, s, 3) with alpha (s, s, 1) in 0..1; face_xyxy: (4,), both as shares of s."""

    image_bgr: UInt8Array
    alpha: Float32Array
    face_xyxy: Float32Array

    @property
    def face_share(self) -> float:
        return float(self.face_xyxy[3] - self.face_xyxy[1])


@dataclass(frozen=True)
class _Background:
    image_path: Path
    labels_path: Path | None


class SceneMaker:
    """
    Makes scenes from a folder of development data; the same seed gives the same scenes.

    The splits 'tune' and 'report' share no head and no background.
    """

    def __init__(self, data_dir: Path, split: str = 'report') -> None:
        """
        Find heads in data_dir/faces_synthetic, backgrounds in data_dir/street and plates.

        Raises InputError where they are not there.
        """
        self._folder = data_dir / 'faces_synthetic'
        parity = SPLITS.index(split)
        try:
            entries = json.loads((self._folder / 'faces.json').read_text())
        except OSError as error:
            raise InputError(f'no heads for scenes: {error}') from error
        self._entries = [entry for i, entry in enumerate(entries) if i % 2 == parity]
        self._backgrounds = _find_backgrounds(data_dir)[parity::2]
        if not self._backgrounds:
            raise InputError(f'no backgrounds for scenes under {data_dir}')

    def scenes(
        self,
        seed: int,
        count: int,
        faces_per_scene: int = 12,
        size_wh: tuple[int, int] = SIZE_WH,
        heights_px: tuple[float, float] = FACE_HEIGHTS_PX,
    ) -> Iterator[Scene]:
        """Yield scenes that have nothing to do with each other; face heights log-uniform."""
        for i in range(count):
            random = np.random.default_rng((seed, i))
            yield self._scene(random, faces_per_scene, size_wh, heights_px)

    def moving_scene(
        self,
        seed: int,
        frame_count: int,
        faces_per_scene: int = 8,
        size_wh: tuple[int, int] = SIZE_WH,
        heights_px: tuple[float, float] = (12.0, 128.0),
    ) -> Iterator[Scene]:
        """
        Yield the frames of one sequence: heads move, come nearer or go, and the camera shakes.

        A head that leaves the frame comes back on the other side.
        """
        random = np.random.default_rng((seed, 0))
        background = self._load(random, _enlarged(size_wh))
        movers = [
            _Mover(self._head(random), random, size_wh, heights_px)
            for _ in range(faces_per_scene)
        ]
        for i in range(frame_count):
            shift_xy = _shake(random, i, size_wh)
            x, y = (int(v) for v in shift_xy)
            canvas = background.image_bgr[y:y + size_wh[1], x:x + size_wh[0]].copy()
            people = background.people
            boxes = [mover.paste(canvas, i) for mover in movers]
            yield Scene(
                canvas, _visible(np.array(boxes, np.float32).reshape(-1, 4), size_wh),
                None if people is None else people[y:y + size_wh[1], x:x + size_wh[0]],
            )

    def _scene(
        self,
        random: np.random.Generator,
        count: int,
        size_wh: tuple[int, int],
        heights_px: tuple[float, float],
    ) -> Scene:
        background = self._load(random, size_wh)
        taken = np.zeros((0, 4))
        faces: list[Float32Array] = []
        for _ in range(count):
            head = self._head(random)
            side = round(float(np.exp(random.uniform(*np.log(heights_px)))) / head.face_share)
            corner = _free_corner(random, taken, side, size_wh)
            if corner is None:
                continue
            taken = np.vstack([taken, [*corner, corner[0] + side, corner[1] + side]])
            faces.append(_paste(background.image_bgr, head, corner, side))
        return Scene(
            background.image_bgr, np.array(faces, np.float32).reshape(-1, 4), background.people)

    def _head(self, random: np.random.Generator) -> _Head:
        while True:
            entry = self._entries[random.integers(len(self._entries))]
            image = _read(self._folder / entry['file'])
            face_xyxy = np.array(entry['face_box'], np.float32)
            if _is_whole(image, face_xyxy):
                break
        return _Head(_relight(image, random), _soft_ellipse(image.shape[0], face_xyxy), face_xyxy)

    def _load(self, random: np.random.Generator, size_wh: tuple[int, int]) -> Scene:
        chosen = self._backgrounds[random.integers(len(self._backgrounds))]
        image = _fill(_read(chosen.image_path), size_wh, cv2.INTER_CUBIC)
        if random.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
            mirrored = True
        else:
            mirrored = False
        people = None
        if chosen.labels_path is not None:
            labels = _fill(_read(chosen.labels_path)[..., 0], size_wh, cv2.INTER_NEAREST)
            people = np.isin(labels[:, ::-1] if mirrored else labels, _CAMVID_PEOPLE)
        return Scene(image, np.zeros((0, 4), np.float32), people)


class _Mover:
    """A head on its way through a sequence."""

    def __init__(
        self,
        head: _Head,
        random: np.random.Generator,
        size_wh: tuple[int, int],
        heights_px: tuple[float, float],
    ) -> None:
        self._head = head
        self._size_wh = np.array(size_wh)
        self._start = random.uniform((0.05, 0.2), (0.95, 0.8)) * self._size_wh
        self._speed = random.normal(0, (4.0, 0.6))
        self._height = float(np.exp(random.uniform(*np.log(heights_px))))
        self._growth = float(random.normal(0, 0.004))
        self._heights_px = heights_px

    def paste(self, canvas: UInt8Array, i: int) -> Float32Array:
        height = float(np.clip(self._height * np.exp(self._growth * i), *self._heights_px))
        side = max(2, round(height / self._head.face_share))
        span = self._size_wh + 2 * side
        corner = np.mod(self._start + self._speed * i + side, span) - 2 * side + side / 2
        return _paste(canvas, self._head, (round(corner[0]), round(corner[1])), side)


def _find_backgrounds(data_dir: Path) -> list[_Background]:
    street = sorted((data_dir / 'street' / 'frames').glob('*.jpg'))
    plates = sorted((data_dir / 'plates' / 'train').glob('*.jpg'))
    found = [_Background(path, path.with_name(f'{path.stem}_labels.png')) for path in street]
    return found + [_Background(path, None) for path in plates[::4]]


def _read(path: Path) -> UInt8Array:
    image = cv2.imread(str(path))
    if image is None:
        raise InputError(f'{path} is no image')
    return np.asarray(image, np.uint8)


def _fill(image: UInt8Array, size_wh: tuple[int, int], interpolation: int) -> UInt8Array:
    """Return the middle of the image, scaled so that it fills that size."""
    height, width = image.shape[:2]
    factor = max(size_wh[0] / width, size_wh[1] / height)
    crop_w, crop_h = min(width, round(size_wh[0] / factor)), min(
        height, round(size_wh[1] / factor))
    x, y = (width - crop_w) // 2, (height - crop_h) // 2
    cropped = image[y:y + crop_h, x:x + crop_w]
    return np.asarray(cv2.resize(cropped, size_wh, interpolation=interpolation), np.uint8)


def _is_whole(image: UInt8Array, face_xyxy: Float32Array) -> bool:
    """
    Whether the picture shows the face, not a part of it.

    Some were cut across a border of the sheet they come from: the face is wider than high, or a
    black line crosses it.
    """
    x_min, y_min, x_max, y_max = (face_xyxy * image.shape[0]).astype(int)
    brightest_by_column = image.max((0, 2))[x_min:x_max]
    brightest_by_row = image.max((1, 2))[y_min:y_max]
    is_crossed = min(brightest_by_column.min(), brightest_by_row.min()) < _BLACK
    return bool(x_max - x_min <= y_max - y_min) and not is_crossed


def _relight(image: UInt8Array, random: np.random.Generator) -> UInt8Array:
    gamma = np.exp(random.normal(0, 0.25))
    gain = random.uniform(0.5, 1.1) * np.exp(random.normal(0, 0.05, 3))
    levels = np.arange(256)[:, None] / 255
    table = np.clip(levels ** gamma * gain * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _soft_ellipse(side: int, face_xyxy: Float32Array) -> Float32Array:
    """
    Return (side, side, 1): 1 on the head, falling to 0 around it.

    face_xyxy: (4,) in shares of side. The head is wider than the face and reaches above it.
    """
    centre = (face_xyxy[:2] + face_xyxy[2:]) / 2 - (0, 0.1 * (face_xyxy[3] - face_xyxy[1]))
    radii = (face_xyxy[2:] - face_xyxy[:2]) * np.array([0.8, 0.75])
    ramp = (np.arange(side) + 0.5) / side
    x, y = (ramp - centre[0]) / radii[0], (ramp - centre[1]) / radii[1]
    radius = np.sqrt(x[None] ** 2 + y[:, None] ** 2)
    # The crop ends somewhere; nothing of that edge may show.
    border = np.minimum(ramp, 1 - ramp) / 0.06
    inside = np.minimum(border[None], border[:, None])
    alpha = np.clip(np.minimum((1 - radius) / 0.3, inside), 0, 1)
    return np.asarray(alpha[..., None], np.float32)


def _free_corner(
    random: np.random.Generator, taken: np.ndarray, side: int, size_wh: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the upper left corner of a square that meets none of the taken boxes."""
    if side > min(size_wh):
        return None
    for _ in range(_LARGEST_TRIES):
        x = int(random.integers(0, size_wh[0] - side + 1))
        y = int(random.integers(0, size_wh[1] - side + 1))
        meets = (
            (taken[:, 0] < x + side) & (taken[:, 2] > x)
            & (taken[:, 1] < y + side) & (taken[:, 3] > y)
        )
        if not meets.any():
            return x, y
    return None


def _paste(
    canvas: UInt8Array, head: _Head, corner_xy: tuple[int, int], side: int
) -> Float32Array:
    """Draw the head into the canvas; return its face, (4,), also where it lies outside."""
    image = cv2.resize(head.image_bgr, (side, side), interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (0, 0), _LENS_BLUR_PX)
    alpha = cv2.resize(head.alpha, (side, side), interpolation=cv2.INTER_AREA)[..., None]
    x, y = corner_xy
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(side, canvas.shape[1] - x), min(side, canvas.shape[0] - y)
    if right > left and bottom > top:
        part = canvas[y + top:y + bottom, x + left:x + right]
        weight = alpha[top:bottom, left:right]
        part[:] = np.rint(image[top:bottom, left:right] * weight + part * (1 - weight))
    return np.asarray(head.face_xyxy * side + np.array([x, y, x, y]), np.float32)


def _enlarged(size_wh: tuple[int, int]) -> tuple[int, int]:
    width, height = (round(side * (1 + 2 * _SHAKE_MARGIN)) for side in size_wh)
    return width, height


def _shake(random: np.random.Generator, i: int, size_wh: tuple[int, int]) -> Float32Array:
    """Return where the camera looks in the enlarged background: slow sway and jitter, in px."""
    room = np.array(size_wh) * _SHAKE_MARGIN
    sway = 0.7 * room * np.sin(i * np.array([0.05, 0.11]))
    jitter = np.clip(random.normal(0, 2.0, 2), -0.2 * room, 0.2 * room)
    return np.asarray(room + sway + jitter, np.float32)


def _visible(boxes_xyxy: Float32Array, size_wh: tuple[int, int]) -> Float32Array:
    """Return the faces that lie at least half inside the frame."""
    return boxes_xyxy[areas(clip(boxes_xyxy, size_wh)) >= 0.5 * areas(boxes_xyxy)]
