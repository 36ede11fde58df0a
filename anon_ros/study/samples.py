# SPDX-License-Identifier: Apache-2.0
"""
What a training sees, as a function of the seed and the iteration alone.

So a training that was killed goes on with the image that it would have seen, and any number of
processes share a batch without speaking to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch

from anon_ros.errors import InputError
from anon_ros.study.pictures import load_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.core.regions import UInt8Array
    from anon_ros.study.label_store import Labels, LabelStore, Thing
    from anon_ros.study.study_file import Schedule

Target: TypeAlias = 'dict[str, torch.Tensor]'
_FLIPPED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
_LEAST_SIDE_PX = 1.0


class Sample(NamedTuple):
    """An image (3, h, w) float32 in 0..1 RGB, and what torchvision's networks want to know."""

    image: torch.Tensor
    target: Target


@dataclass(frozen=True)
class Order:
    """Which image stands where: each once in an epoch, in a new order."""

    chosen: Sequence[int]
    batch: int
    seed: int

    def at(self, iteration: int, slot: int) -> int:
        """Return the number of the image in a slot of a batch."""
        epoch, place = divmod(iteration * self.batch + slot, len(self.chosen))
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.chosen))
        return int(self.chosen[order[place]])


class Samples(torch.utils.data.Dataset[Sample]):
    """Samples by place: iteration times batch, plus slot."""

    def __init__(
        self, images: Path, labels: LabelStore, task: str, schedule: Schedule, order: Order
    ) -> None:
        """Take a variant's folder of images, the labels, and in which order they come."""
        self._images, self._labels, self._task = images, labels, task
        self._flip, self._order = schedule.flip, order

    def __getitem__(self, place: int) -> Sample:
        """Return a sample, mirrored by the toss of a coin that belongs to its place."""
        iteration, slot = divmod(place, self._order.batch)
        labels = self._labels[self._order.at(iteration, slot)]
        image = load_image(self._images / labels.path)
        check_size(image, labels)
        target = to_target(labels, self._task)
        random = np.random.default_rng((self._order.seed, iteration, slot, 1))
        if random.random() < self._flip:
            image, target = _mirror(image, target)
        return Sample(to_tensor(image), target)


class Places(torch.utils.data.Sampler[list[int]]):
    """The places of one process' part of each batch, from an iteration on."""

    def __init__(
        self, start: int, schedule: Schedule, process: int = 0, process_count: int = 1
    ) -> None:
        """Take the first iteration, and which of how many processes this is."""
        self._iterations = range(start, schedule.iterations)
        self._batch = schedule.batch
        self._slots = range(process, schedule.batch, process_count)

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in self._iterations:
            yield [iteration * self._batch + slot for slot in self._slots]

    def __len__(self) -> int:
        return len(self._iterations)


def usable(labels: LabelStore, images: Path, task: str) -> list[int]:
    """Return the numbers of the images that are there and have something to learn in them."""
    return [
        number for number in range(len(labels))
        if any(is_learned(each, task) for each in labels[number].things)
        and (images / labels[number].path).is_file()]


def is_learned(thing: Thing, task: str) -> bool:
    """Return whether a training learns from it."""
    x_min, y_min, x_max, y_max = thing.box_xyxy
    if thing.is_ignored or min(x_max - x_min, y_max - y_min) < _LEAST_SIDE_PX:
        return False
    if task == 'keypoints':
        return any(point[2] > 0 for point in thing.keypoints)
    return task == 'detection' or bool(thing.rle)


def check_size(image: UInt8Array, labels: Labels) -> None:
    """Raise InputError where an image has another size than its labels say."""
    size_wh = (image.shape[1], image.shape[0])
    if size_wh != labels.size_wh:
        raise InputError(f'{labels.path}: {size_wh} px, annotated as {labels.size_wh}')


def to_tensor(image_bgr: UInt8Array) -> torch.Tensor:
    """Return (3, h, w) float32 RGB in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(
        image_bgr[..., ::-1].transpose(2, 0, 1))).float() / 255


def to_target(labels: Labels, task: str) -> Target:
    """Return what is learned of an image: boxes, labels and, by task, masks or keypoints."""
    things = [each for each in labels.things if is_learned(each, task)]
    target: Target = {
        'boxes': torch.tensor([each.box_xyxy for each in things], dtype=torch.float32)
        .reshape(-1, 4),
        'labels': torch.tensor([each.label for each in things], dtype=torch.int64),
    }
    if task == 'instances':
        target['masks'] = torch.from_numpy(_silhouettes(things, labels.size_wh))
    if task == 'keypoints':
        target['keypoints'] = torch.tensor(
            [each.keypoints for each in things], dtype=torch.float32).reshape(-1, 17, 3)
    return target


def collate(samples: list[Sample]) -> list[Sample]:
    """Return the samples as they are: torchvision's networks take images of any size."""
    return samples


def _silhouettes(things: Sequence[Thing], size_wh: tuple[int, int]) -> UInt8Array:
    """Return (N, h, w) uint8, 1 inside."""
    found = np.zeros((len(things), size_wh[1], size_wh[0]), np.uint8)
    for canvas, thing in zip(found, things, strict=True):
        mask = thing.mask(size_wh)
        if mask is not None:
            rows, columns = mask.inside.shape
            canvas[mask.y:mask.y + rows, mask.x:mask.x + columns] = mask.inside
    return found


def _mirror(image: UInt8Array, target: Target) -> tuple[UInt8Array, Target]:
    width = image.shape[1]
    mirrored = dict(target)
    boxes = target['boxes']
    mirrored['boxes'] = torch.stack(
        [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1)
    if 'masks' in target:
        mirrored['masks'] = target['masks'].flip(-1)
    if 'keypoints' in target:
        points = target['keypoints'][:, list(_FLIPPED)].clone()
        is_known = points[..., 2] > 0
        points[..., 0] = torch.where(is_known, width - points[..., 0], points[..., 0])
        mirrored['keypoints'] = points
    return np.ascontiguousarray(image[:, ::-1]), mirrored
