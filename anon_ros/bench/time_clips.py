# SPDX-License-Identifier: Apache-2.0
"""
Sequences whose regions are known exactly, for the benchmark of tracking.

Nothing is drawn: a tracker sees boxes, silhouettes and thumbnails, so that is all there is. Faces
walk as people do (5.8 of their own heights a second at 1.4 m/s), come in and go out, cross, and
bob with each step; the rough clips add people who stop and turn and a camera that shakes as on a
bad road.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from anon_ros.core import boxes, masks
from anon_ros.core.regions import Kind, Mask
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, IntArray, UInt8Array

FloatArray: TypeAlias = 'NDArray[np.float64]'

SIZE_WH = (1920, 1080)
THUMBNAIL_WH = (32, 18)
_DURATION_S = 10.0
_PEOPLE = 12
_LEAST_VISIBLE_PX = 4.0
_BACKGROUND_SCALE = 8
# In views side by side, so that a camera that turns for the whole clip never sees the edge.
_BACKGROUND_WIDTH = 7
_CAMVID_PEOPLE = {'pedestrian': 9, 'bicyclist': 10}
_CAMVID_RATE_HZ = 15.0
_LEAST_COMPONENT_PX = 40
_SOLID_ALPHA = 127


@dataclass(frozen=True)
class TrueFrame:
    """
    One frame.

    boxes_xyxy: (N, 4), the visible parts. objects: (N,), who it is; -1 where nobody knows.
    thumbnail: (18, 32) uint8 gray. shapes: (rows, columns) bool for each object, stretched over
    the box that it would have if the image went on; None where only boxes are known.
    whole_xyxy: (N, 4), those boxes.
    """

    stamp_ns: int
    boxes_xyxy: Float32Array
    objects: IntArray
    thumbnail: UInt8Array
    shapes: tuple[BoolArray, ...] | None = None
    whole_xyxy: Float32Array | None = None

    def silhouettes(
        self, size_wh: tuple[int, int], shifts_xyxy: Float32Array | None = None
    ) -> list[Mask] | None:
        """Return what is seen of each object, its box moved by px; None where nobody knows."""
        if self.shapes is None or self.whole_xyxy is None:
            return None
        edges = self.whole_xyxy if shifts_xyxy is None else self.whole_xyxy + shifts_xyxy
        return [
            masks.stretch(cells, (left, top, right, bottom), size_wh)
            for cells, (left, top, right, bottom) in zip(self.shapes, edges.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Clip:
    """A sequence of frames of one size and of regions of one kind."""

    name: str
    size_wh: tuple[int, int]
    kind: Kind
    frames: tuple[TrueFrame, ...]


def faces_clip(seed: int, rate_hz: float, *, is_rough: bool) -> Clip:
    """Return faces of 16 to 160 px that walk past a camera, which shakes if is_rough."""
    random = np.random.default_rng((seed, int(rate_hz), is_rough))
    times_s = np.arange(0, _DURATION_S, 1 / rate_hz)
    camera_xy = _camera(random, times_s, is_rough)
    paths = [_path(random, times_s, is_rough) for _ in range(_PEOPLE)]
    world = np.stack(paths, axis=1) - np.tile(camera_xy, 2)[:, None]
    name = f'faces, {"rough" if is_rough else "smooth"}, {rate_hz:g} Hz'
    return _clip(name, Kind.FACE, times_s, world, camera_xy, random)


def walkers_clip(data_dir: Path, seed: int, rate_hz: float) -> Clip:
    """
    Return walking people whose boxes are those of real silhouettes, on a shaking camera.

    data_dir: holds people_synthetic. Raises InputError where it does not.
    """
    random = np.random.default_rng((seed, int(rate_hz), 2))
    times_s = np.arange(0, _DURATION_S, 1 / rate_hz)
    camera_xy = _camera(random, times_s, is_rough=True)
    cycles = _cycles(data_dir / 'people_synthetic')
    paths, shapes = [], []
    for _ in range(_PEOPLE):
        outline, cells = cycles[random.integers(len(cycles))]
        path = _path(random, times_s, is_rough=False, heights_px=(60, 400))
        height = path[:, 3] - path[:, 1]
        phase = (random.integers(len(outline)) + np.arange(len(times_s)) * 20 / rate_hz).astype(
            int
        )
        shape = outline[phase % len(outline)] * np.repeat(height, 4).reshape(-1, 4)
        paths.append(np.tile(path[:, :2], 2) + shape)
        shapes.append([cells[i] for i in phase % len(outline)])
    world = np.stack(paths, axis=1) - np.tile(camera_xy, 2)[:, None]
    name = f'walkers, rough, {rate_hz:g} Hz'
    return _clip(name, Kind.BODY, times_s, world, camera_xy, random, shapes)


def street_clip(data_dir: Path) -> Clip:
    """
    Return a real drive of 45 frames at 15 Hz: the connected parts of its labels for people.

    Parts of consecutive frames are one person where they overlap each other most, and nobody is
    known where parts merge or split.
    data_dir: holds street/sequence. Raises InputError where it does not.
    """
    images = sorted((data_dir / 'street' / 'sequence').glob('*.jpg'))
    if not images:
        raise InputError(f'no frames under {data_dir / "street" / "sequence"}')
    frames: list[TrueFrame] = []
    for i, path in enumerate(images):
        labels = _read(path.with_name(f'{path.stem}_labels.png'))
        found, shapes = _components(labels)
        objects = _same_objects(frames[-1] if frames else None, found, 1000 * i)
        thumbnail = cv2.resize(_read(path), THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
        frames.append(TrueFrame(
            round(i * 1e9 / _CAMVID_RATE_HZ), found, objects, np.asarray(thumbnail, np.uint8),
            shapes, found,
        ))
    height, width = _read(images[0]).shape
    return Clip('street, 15 Hz', (width, height), Kind.BODY, tuple(frames))


def _camera(random: np.random.Generator, times_s: FloatArray, is_rough: bool) -> FloatArray:
    """Return (T, 2) where the camera looks, in px: it turns, and on a bad road it shakes."""
    turn = np.cumsum(random.normal(0, 1, len(times_s))) * 0.5 + times_s * random.normal(0, 40)
    path = np.stack([turn, np.zeros_like(turn)], axis=1)
    if is_rough:
        for rate_hz in (1.7, 3.1, 5.3):
            phase = random.uniform(0, 2 * np.pi, 2)
            path += 14 * np.sin(2 * np.pi * rate_hz * times_s[:, None] + phase)
        path += random.normal(0, 2, path.shape)
    return path


def _path(
    random: np.random.Generator, times_s: FloatArray, is_rough: bool,
    heights_px: tuple[float, float] = (16, 160),
) -> FloatArray:
    """Return (T, 4) boxes of somebody who walks; in half of the cases from outside the image."""
    step_s = float(times_s[1] - times_s[0])
    height = np.exp(random.uniform(*np.log(heights_px)))
    growth = np.exp(random.normal(0, 0.08) * times_s)
    # A body is seven faces high.
    stride = height if heights_px[1] <= 160 else height / 7
    velocity = np.tile(random.normal(0, (4 * stride, 0.5 * stride)), (len(times_s), 1))
    if is_rough:
        velocity += stride * _wander(random, len(times_s), step_s)
    # Who is farther away is smaller and slower.
    velocity *= growth[:, None]
    offset = np.cumsum(velocity * step_s, axis=0)
    middle = random.integers(len(times_s))
    centre = random.uniform((0, 0.2), (1, 0.8)) * np.array(SIZE_WH) + offset - offset[middle]
    bob = 0.06 * stride * growth * np.sin(2 * np.pi * 2 * times_s + random.uniform(0, 6))
    centre[:, 1] += bob
    half = np.stack([0.38 * height * growth, 0.5 * height * growth], axis=1)
    return np.concatenate([centre - half, centre + half], axis=1)


def _wander(random: np.random.Generator, count: int, step_s: float) -> FloatArray:
    """Return (T, 2) of deviation 1 that forget themselves within half a second."""
    forgotten = step_s / 0.5
    noise = random.normal(0, np.sqrt(2 * forgotten), (count, 2))
    values = np.zeros((count, 2))
    for i in range(1, count):
        values[i] = values[i - 1] * (1 - forgotten) + noise[i]
    return values


def _clip(
    name: str, kind: Kind, times_s: FloatArray, world: FloatArray, camera_xy: FloatArray,
    random: np.random.Generator, shapes: list[list[BoolArray]] | None = None,
) -> Clip:
    background = _background(random)
    frames = []
    for i, time_s in enumerate(times_s):
        visible = boxes.clip(world[i].astype(np.float32), SIZE_WH)
        is_seen = (visible[:, 2:] - visible[:, :2] >= _LEAST_VISIBLE_PX).all(axis=1)
        frames.append(TrueFrame(
            round(float(time_s) * 1e9), visible[is_seen], np.flatnonzero(is_seen),
            _look(background, camera_xy[i]),
            None if shapes is None else tuple(shapes[k][i] for k in np.flatnonzero(is_seen)),
            world[i][is_seen].astype(np.float32),
        ))
    return Clip(name, SIZE_WH, kind, tuple(frames))


def _background(random: np.random.Generator) -> UInt8Array:
    """Return a picture with detail of every size, a thumbnail's pixel eight of its own wide."""
    width, height = (side * _BACKGROUND_SCALE for side in THUMBNAIL_WH)
    size_wh = width * _BACKGROUND_WIDTH, height * 2
    total = np.zeros(size_wh[::-1])
    for cells in (4, 8, 16, 64, 256):
        noise = random.normal(0, 1, (cells, _BACKGROUND_WIDTH * cells)).astype(np.float32)
        total += cv2.resize(noise, size_wh, interpolation=cv2.INTER_CUBIC) * 8 / np.sqrt(cells)
    return np.asarray(np.clip(120 + 12 * total, 0, 255), np.uint8)


def _look(background: UInt8Array, camera_xy: FloatArray) -> UInt8Array:
    """Return what a camera sees of the background, as a thumbnail."""
    scale = _BACKGROUND_SCALE * THUMBNAIL_WH[0] / SIZE_WH[0]
    x, y = (float(value) * scale for value in camera_xy)
    width, height = (side * _BACKGROUND_SCALE for side in THUMBNAIL_WH)
    x, y = x + (_BACKGROUND_WIDTH - 1) / 2 * width, y + height / 2
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    view = cv2.warpAffine(
        background, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(cv2.resize(view, THUMBNAIL_WH, interpolation=cv2.INTER_AREA), np.uint8)


def _cycles(folder: Path) -> list[tuple[FloatArray, list[BoolArray]]]:
    """
    Return cycles of 20 silhouettes: their boxes, and the cells in them.

    The boxes are (20, 4), in heights of the first one.
    """
    try:
        sprites = json.loads((folder / 'people.json').read_text())['sprites']
    except OSError as error:
        raise InputError(f'{folder / "people.json"}: {error.strerror}') from error
    rows: dict[int, list[list[int]]] = {}
    cells: dict[int, list[BoolArray]] = {}
    for sprite in sprites:
        if 'sequence' in sprite:
            inside = _read(folder / sprite['file'], cv2.IMREAD_UNCHANGED)[..., 3] > _SOLID_ALPHA
            shape = masks.trim(Mask(np.asarray(inside, bool), 0, 0))
            height, width = shape.inside.shape
            box = [shape.x, shape.y, shape.x + width, shape.y + height]
            rows.setdefault(sprite['sequence'], []).append(box)
            cells.setdefault(sprite['sequence'], []).append(shape.inside)
    return [(np.array(rows[i]) / (rows[i][0][3] - rows[i][0][1]), cells[i]) for i in rows]


def _components(labels: UInt8Array) -> tuple[Float32Array, tuple[BoolArray, ...]]:
    """Return (N, 4) boxes of what hangs together, and what of them is inside."""
    parts = [
        part for value in _CAMVID_PEOPLE.values()
        for part in masks.components(np.asarray(labels == value))
        if np.count_nonzero(part.inside) >= _LEAST_COMPONENT_PX
    ]
    boxes_xyxy = np.array([masks.mask_to_box(part) for part in parts], np.float32)
    return boxes_xyxy.reshape(-1, 4), tuple(part.inside for part in parts)


def _same_objects(before: TrueFrame | None, found: Float32Array, first: int) -> IntArray:
    objects = first + np.arange(len(found))
    if before is None or not len(found) or not len(before.objects):
        return objects
    overlap = boxes.iou(before.boxes_xyxy, found)
    for i, j in enumerate(overlap.argmax(axis=1).tolist()):
        if overlap[i, j] > 0.5 and overlap[:, j].argmax() == i:
            objects[j] = before.objects[i]
    return objects


def _read(path: Path, how: int = cv2.IMREAD_GRAYSCALE) -> UInt8Array:
    image = cv2.imread(str(path), how)
    if image is None:
        raise InputError(f'{path} is missing or no image')
    return np.asarray(image, np.uint8)
