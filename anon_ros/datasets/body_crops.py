# SPDX-License-Identifier: Apache-2.0
"""People of a dataset in COCO's format, as crops for the body generator to learn from."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.crops import body_crop
from anon_ros.datasets.categories import is_person
from anon_ros.datasets.coco_files import CocoReader
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import silhouette
from anon_ros.errors import InputError
from anon_ros.gan.crops import resize
from anon_ros.training.body_composites import cut
from anon_ros.training.body_samples import BodyCrop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from anon_ros.core.boxes import Rect
    from anon_ros.core.regions import BoolArray, Float32Array, Mask, UInt8Array
    from anon_ros.datasets.records import ImageRecord, Instance

LEAST_KEYPOINTS = 6
LEAST_HEIGHT_PX = 40
"""Smaller people would teach the generator to be blurred."""
HELD_EVERY = 20
"""One person in so many is never learnt from but painted on the sheet of pictures."""


class CocoBodies:
    """
    A source of crops: people who were annotated. They lie on the disk, however many they are.

    Use open(): it reads the dataset once.
    """

    def __init__(self, pixels: UInt8Array, keypoints: Sequence[Float32Array]) -> None:
        """pixels: (n, h, w, 4), RGB and the silhouette. keypoints: as in BodyCrop."""
        self._pixels, self._keypoints = pixels, keypoints

    @classmethod
    def open(
        cls, annotations: Path, images: Path, size_hw: tuple[int, int]
    ) -> tuple[CocoBodies, CocoBodies]:
        """
        Return the people to learn from and those held out.

        annotations: a JSON in COCO's format, people with silhouettes and keypoints.
        images: the folder of its images. Raises InputError when less than two
        people can be used.
        """
        stored: list[list[Float32Array]] = [[], []]
        with tempfile.TemporaryFile() as learnt, tempfile.TemporaryFile() as held:
            for count, crop in enumerate(body_crops(annotations, images, size_hw)):
                part = int(count % HELD_EVERY == 0)
                rows = np.dstack([crop.image_rgb, crop.silhouette.astype(np.uint8)])
                (learnt, held)[part].write(rows.tobytes())
                stored[part].append(crop.keypoints)
            if not all(stored):
                raise InputError(
                    f'{annotations}: fewer than two people of {LEAST_HEIGHT_PX} px with a '
                    f'silhouette and {LEAST_KEYPOINTS} keypoints')
            return (cls(_mapped(learnt, len(stored[0]), size_hw), stored[0]),
                    cls(_mapped(held, len(stored[1]), size_hw), stored[1]))

    def __len__(self) -> int:
        return len(self._keypoints)

    def draw(self, random: np.random.Generator) -> BodyCrop:
        """Return a person."""
        index = int(random.integers(len(self)))
        rows = np.array(self._pixels[index])
        return BodyCrop(
            np.ascontiguousarray(rows[..., :3]), rows[..., 3] > 0, self._keypoints[index].copy())


def images_beside(annotations: Path) -> Path:
    """Return the folder of a COCO file's images, by its name: of val.json or of *_val.json."""
    root, split = annotations.parent.parent, annotations.stem.rsplit('_', 1)[-1]
    folders = root / split, root / 'images' / split
    return next((folder for folder in folders if folder.is_dir()), annotations.parent)


def body_crops(annotations: Path, images: Path, size_hw: tuple[int, int]) -> Iterator[BodyCrop]:
    """
    Yield everybody in a dataset who is large enough and has a silhouette and keypoints.

    Images that cannot be read, and annotations that are damaged, are left out.
    Raises InputError where there is no such dataset.
    """
    if not annotations.is_file():
        raise InputError(f"{annotations}: no such file; it lists people in COCO's format")
    for record in CocoReader(images, Problems('skip'), annotations=annotations).records():
        people = [each for each in record.instances if _is_useful(each)]
        if people and not record.problems:
            yield from _crops_of(record, people, images / record.path, size_hw)


def _is_useful(instance: Instance) -> bool:
    return (is_person(instance.category) and instance.has_shape and not instance.is_crowd
            and not instance.is_ignored and instance.labelled_keypoints >= LEAST_KEYPOINTS)


def _crops_of(
    record: ImageRecord, people: list[Instance], path: Path, size_hw: tuple[int, int]
) -> Iterator[BodyCrop]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[1::-1] != record.size_wh:
        return
    rgb = np.ascontiguousarray(image[..., ::-1])
    for instance in people:
        crop = _crop_of(instance, np.asarray(rgb, np.uint8), size_hw)
        if crop is not None:
            yield crop


def _crop_of(
    instance: Instance, image_rgb: UInt8Array, size_hw: tuple[int, int]
) -> BodyCrop | None:
    size_wh = image_rgb.shape[1], image_rgb.shape[0]
    mask = silhouette(instance, size_wh)
    if mask is None or mask.inside.shape[0] < LEAST_HEIGHT_PX:
        return None
    rect = body_crop(mask, size_wh, size_hw[0] / size_hw[1])
    keypoints = np.array(instance.keypoints, np.float32)
    keypoints[:, :2] = (keypoints[:, :2] - (rect.x_min, rect.y_min)) / (rect.width, rect.height)
    keypoints[keypoints[:, 2] == 0] = 0
    pixels = np.rint(cut(image_rgb, rect, size_hw) * 255).astype(np.uint8)
    return BodyCrop(pixels, _shrunk(mask, rect, size_hw), keypoints)


def _shrunk(mask: Mask, rect: Rect, size_hw: tuple[int, int]) -> BoolArray:
    """Return (h, w), True wherever a pixel of the crop shows any of the person."""
    whole = np.zeros((rect.height, rect.width), np.float32)
    rows, columns = mask.inside.shape
    y, x = mask.y - rect.y_min, mask.x - rect.x_min
    whole[y:y + rows, x:x + columns] = mask.inside
    return resize(whole[..., None], size_hw, is_smooth=False)[..., 0] > 0


def _mapped(file: IO[bytes], count: int, size_hw: tuple[int, int]) -> UInt8Array:
    file.flush()
    return np.memmap(file, np.uint8, 'r', shape=(count, *size_hw, 4))
