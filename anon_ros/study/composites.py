# SPDX-License-Identifier: Apache-2.0
"""
A training set of people who were put there: masks, keypoints and faces are exact.

Pictures of people with an alpha channel and known keypoints are set into real frames, the far
ones first, so that near ones hide them. Training and validation share neither people nor frames.
A network that learns here has seen no real person.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.datasets.files import IMAGE_SUFFIXES, encode_jpeg
from anon_ros.datasets.formats import create_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.errors import InputError, OutputError
from anon_ros.study.pictures import load_image
from anon_ros.study.sprites import LEAST_ALPHA, Sprite, SpriteBox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anon_ros.core.regions import BoolArray, UInt8Array
    from anon_ros.datasets.formats import DatasetWriter

SPLITS = ('train', 'val')
IDENTITY = 'identity'
"""The attribute that says who it is: the same text, the same person."""
_LEAST_VISIBLE = 0.35
_LEAST_PX = 40


@dataclass(frozen=True)
class Composition:
    """
    What to make.

    people: a folder with people.json. backgrounds: frames of the training and of the validation
    split, in its folders train and valid. counts: images of the two. people_per_image: the most;
    one at least. heights_px: of whole people, from the even logarithmic range.
    """

    people: Path
    backgrounds: Path
    counts: tuple[int, int] = (400, 100)
    size_wh: tuple[int, int] = (320, 180)
    people_per_image: int = 5
    heights_px: tuple[float, float] = (24.0, 150.0)
    seed: int = 0


def compose(
    plan: Composition, target: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> None:
    """
    Write a COCO dataset of composites; the same plan, the same bytes.

    Raises InputError where people or frames are missing, OutputError where the target exists.
    """
    if target.exists():
        raise OutputError(f'{target} exists already; name another target, or move it')
    makers = [_Maker.of(plan, split) for split in SPLITS]
    partial = target.with_name(target.name + '.partial')
    shutil.rmtree(partial, ignore_errors=True)
    writer = create_dataset(partial, 'coco', Problems())
    try:
        _fill(writer, makers, plan.counts, progress)
    finally:
        writer.close()
    try:
        partial.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error.strerror}') from error


def _fill(
    writer: DatasetWriter, makers: Sequence[_Maker], counts: Sequence[int],
    progress: Callable[[int, int], None],
) -> None:
    done = 0
    for maker, count in zip(makers, counts, strict=True):
        for number in range(count):
            image, record = maker.make(number)
            writer.add(record, encode_jpeg(image))
            done += 1
            progress(done, sum(counts))


@dataclass
class _Placed:
    """A person in an image: (h, w) visible pixels, cut as others come before him."""

    sprite: Sprite
    corner_xy: tuple[int, int]
    whole_px: int
    visible: BoolArray


@dataclass(frozen=True)
class _Maker:
    plan: Composition
    split: str
    people: SpriteBox
    frames: Sequence[Path]

    @classmethod
    def of(cls, plan: Composition, split: str) -> _Maker:
        folder = plan.backgrounds / ('train' if split == 'train' else 'valid')
        frames = sorted(
            path for path in folder.glob('*') if path.suffix.lower() in IMAGE_SUFFIXES)
        if not frames:
            raise InputError(f'{folder}: no frames in it; there are {", ".join(IMAGE_SUFFIXES)}')
        parity = SPLITS.index(split)
        return cls(plan, split, SpriteBox.load(plan.people, parity), frames)

    def make(self, number: int) -> tuple[UInt8Array, ImageRecord]:
        """Return an image (h, w, 3) and what is in it."""
        random = np.random.default_rng((self.plan.seed, SPLITS.index(self.split), number))
        image = self._background(random)
        low, high = np.log(self.plan.heights_px)
        count = int(random.integers(1, self.plan.people_per_image + 1))
        placed: list[_Placed] = []
        for height in np.sort(np.exp(random.uniform(low, high, count))):
            self._place(image, placed, self.people.draw(random, float(height)), random)
        record = ImageRecord(
            str(number + 1), self.split, f'{self.split}/{number + 1:06d}.jpg', self.plan.size_wh,
            tuple(each for each in map(self._to_instance, placed) if each is not None))
        numbered = tuple(
            replace(each, id=str(100 * (number + 1) + i))
            for i, each in enumerate(record.instances))
        return image, replace(record, instances=numbered)

    def _background(self, random: np.random.Generator) -> UInt8Array:
        path = self.frames[int(random.integers(len(self.frames)))]
        frame = load_image(path)
        width, height = self.plan.size_wh
        share = random.uniform(0.6, 1.0)
        fit = min(frame.shape[1] / width, frame.shape[0] / height) * share
        size_wh = (int(width * fit), int(height * fit))
        x = int(random.integers(0, frame.shape[1] - size_wh[0] + 1))
        y = int(random.integers(0, frame.shape[0] - size_wh[1] + 1))
        part = frame[y:y + size_wh[1], x:x + size_wh[0]]
        if random.random() < 0.5:
            part = part[:, ::-1]
        return np.array(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def _place(
        self, image: UInt8Array, placed: list[_Placed], sprite: Sprite,
        random: np.random.Generator,
    ) -> None:
        """Draw a person over those who stand farther away; his feet are below the horizon."""
        rows, columns = sprite.bgra.shape[:2]
        width, height = self.plan.size_wh
        bottom = int(random.integers(min(max(height // 2, rows), height), height + 1))
        x = int(random.integers(-columns // 4, max(1, width - columns + columns // 4)))
        corner = (x, bottom - rows)
        canvas = np.zeros((height, width, 4), np.float32)
        left, top = max(0, x), max(0, corner[1])
        right, low = min(width, x + columns), min(height, bottom)
        canvas[top:low, left:right] = sprite.bgra[
            top - corner[1]:low - corner[1], left - x:right - x]
        alpha = canvas[..., 3:] / 255
        image[:] = np.rint(canvas[..., :3] * alpha + image * (1 - alpha))
        inside = canvas[..., 3] > LEAST_ALPHA
        for before in placed:
            before.visible &= ~inside
        whole = int((sprite.bgra[..., 3] > LEAST_ALPHA).sum())
        placed.append(_Placed(sprite, corner, whole, inside))

    def _to_instance(self, person: _Placed) -> Instance | None:
        """Return what is annotated; of somebody who is all but hidden nothing is."""
        pixels = int(person.visible.sum())
        if pixels < _LEAST_PX or pixels < _LEAST_VISIBLE * person.whole_px:
            return self._hidden(person) if pixels else None
        keypoints = tuple(
            self._keypoint(point, person) for point in person.sprite.keypoints.tolist())
        x, y = person.corner_xy
        extra: dict[str, Any] = {}
        if person.sprite.face_xyxy is not None:
            x_min, y_min, x_max, y_max = person.sprite.face_xyxy
            extra = {'coco': {
                'face_box': [round(n, 1) for n in (
                    x + x_min, y + y_min, x_max - x_min, y_max - y_min)],
                'face_valid': self._shows_face(person, person.sprite.face_xyxy)}}
        return Instance(
            '', 'person', rle=self._rle(person), keypoints=keypoints,
            box_xyxy=_box(person.visible),
            attributes={IDENTITY: person.sprite.identity}, extra=extra)

    def _hidden(self, person: _Placed) -> Instance:
        """Return somebody too hidden to be learned or to be counted as missed."""
        return Instance(
            '', 'person', rle=self._rle(person), box_xyxy=_box(person.visible), is_crowd=True)

    def _rle(self, person: _Placed) -> str:
        return rle.encode(Mask(person.visible, 0, 0), self.plan.size_wh)

    def _keypoint(
        self, point: Sequence[float], person: _Placed
    ) -> tuple[float, float, float]:
        x, y = point[0] + person.corner_xy[0], point[1] + person.corner_xy[1]
        width, height = self.plan.size_wh
        if not (0 <= x < width and 0 <= y < height) or point[2] == 0:
            return 0.0, 0.0, 0.0
        is_covered = not person.visible[int(y), int(x)]
        return round(x, 1), round(y, 1), 1.0 if is_covered else float(point[2])

    def _shows_face(self, person: _Placed, face_xyxy: Sequence[float]) -> bool:
        x_min, y_min, x_max, y_max = face_xyxy
        x, y = int(person.corner_xy[0] + (x_min + x_max) / 2), int(
            person.corner_xy[1] + (y_min + y_max) / 2)
        width, height = self.plan.size_wh
        return 0 <= x < width and 0 <= y < height and bool(person.visible[y, x])


def _box(visible: BoolArray) -> tuple[float, float, float, float]:
    rect = masks.bounds(visible)
    return float(rect.x_min), float(rect.y_min), float(rect.x_max), float(rect.y_max)

