# SPDX-License-Identifier: Apache-2.0
"""What a trained network finds: in COCO's result format, and as the pixels of people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch

from anon_ros.audit import rle
from anon_ros.core.regions import Mask
from anon_ros.datasets.categories import is_person
from anon_ros.errors import InputError
from anon_ros.study.job import PixelResult
from anon_ros.study.pictures import load_image
from anon_ros.study.pixels import average_precision, labelled_images
from anon_ros.study.samples import check_size, to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array
    from anon_ros.study.label_store import LabelStore
    from anon_ros.study.study_file import Model, PixelReading

LEAST_SCORE = 0.01
SOLID = 0.5
_BINS = 1000


class Found(NamedTuple):
    """What is found in one image: boxes (N, 4), labels, scores, soft masks or keypoints."""

    boxes_xyxy: Float32Array
    labels: NDArray[np.int64]
    scores: Float32Array
    masks: Float32Array | None
    keypoints: Float32Array | None


class Finder:
    """A trained network that looks at one image at a time."""

    def __init__(self, network: nn.Module, device: torch.device, model: Model) -> None:
        """Bring the network into its state for tests."""
        self._network, self._device, self._model = network.eval(), device, model

    @torch.no_grad()
    def find(self, image_bgr: UInt8Array, shorter_px: int = 0) -> Found:
        """
        Return what is found in an image (h, w, 3).

        shorter_px: of the image when it is looked at, however long its longer side gets; 0 for
        the size of the test.
        """
        transform: Any = self._network.transform
        transform.min_size = (shorter_px or self._model.test_shorter_px,)
        transform.max_size = (
            shorter_px * max(image_bgr.shape) if shorter_px else self._model.longest_px)
        found = self._network([to_tensor(image_bgr).to(self._device)])[0]
        arrays = {key: value.float().cpu().numpy() for key, value in found.items()}
        return Found(
            arrays['boxes'], arrays['labels'].astype(np.int64), arrays['scores'],
            arrays['masks'][:, 0] if 'masks' in arrays else None, arrays.get('keypoints'))


def predict(
    finder: Finder, images: Path, labels: LabelStore,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[dict[str, Any]]:
    """
    Return everything that is found in a split, in COCO's result format.

    image_id is the number of the image in the labels; category_id the label from 1 on.
    """
    results: list[dict[str, Any]] = []
    for number in range(len(labels)):
        known = labels[number]
        image = load_image(images / known.path)
        check_size(image, known)
        found = finder.find(image)
        results += [
            _result(found, i, number, known.size_wh) for i in range(len(found.scores))
            if found.scores[i] >= LEAST_SCORE]
        progress(number + 1, len(labels))
    return results


def read_pixels(
    finder: Finder, reading: PixelReading, classes: Sequence[str]
) -> PixelResult:
    """
    Return how well people's pixels are found in images that are labelled by the pixel.

    A pixel's score is that of the best person who covers it. Raises InputError where there are
    no such images.
    """
    pairs = labelled_images(Path(reading.folder))
    people = [i + 1 for i, name in enumerate(classes) if is_person(name)]
    hits, misses = np.zeros(_BINS + 1), np.zeros(_BINS + 1)
    for image_path, labels_path in pairs:
        values = cv2.imread(str(labels_path), cv2.IMREAD_GRAYSCALE)
        image = load_image(image_path)
        if values is None or values.shape != image.shape[:2]:
            raise InputError(f'{labels_path}: no labels of {image_path.name}')
        scores = person_scores(finder.find(image, reading.shorter_px), people, image.shape[:2])
        counted = ~np.isin(values, reading.ignored)
        is_person_px = np.isin(values, reading.people)
        bins = np.rint(scores * _BINS).astype(np.int64)
        hits += np.bincount(bins[counted & is_person_px], minlength=_BINS + 1)
        misses += np.bincount(bins[counted & ~is_person_px], minlength=_BINS + 1)
    precision = average_precision(hits, misses)
    above = slice(_BINS // 2, None)
    union = hits.sum() + misses[above].sum()
    return PixelResult(
        reading.name, len(pairs), precision, float(hits[above].sum() / max(union, 1)))


def person_scores(
    found: Found, people: Sequence[int], size_hw: tuple[int, ...]
) -> Float32Array:
    """Return (h, w): the score of the best person there, times how surely he covers the pixel."""
    scores = np.zeros(size_hw[:2], np.float32)
    for i, label in enumerate(found.labels):
        if label not in people:
            continue
        if found.masks is not None:
            np.maximum(scores, found.scores[i] * found.masks[i], out=scores)
        else:
            x_min, y_min, x_max, y_max = (round(float(n)) for n in found.boxes_xyxy[i])
            part = scores[max(y_min, 0):y_max, max(x_min, 0):x_max]
            np.maximum(part, found.scores[i], out=part)
    return np.clip(scores, 0, 1)


def _result(
    found: Found, i: int, number: int, size_wh: tuple[int, int]
) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = (round(float(n), 2) for n in found.boxes_xyxy[i])
    result: dict[str, Any] = {
        'image_id': number, 'category_id': int(found.labels[i]),
        'score': round(float(found.scores[i]), 5),
        'bbox': [x_min, y_min, round(x_max - x_min, 2), round(y_max - y_min, 2)]}
    if found.masks is not None:
        inside: BoolArray = found.masks[i] > SOLID
        result['segmentation'] = {
            'size': [size_wh[1], size_wh[0]],
            'counts': rle.encode(Mask(inside, 0, 0), size_wh)}
    if found.keypoints is not None:
        points = found.keypoints[i].copy()
        points[:, 2] = 1
        result['keypoints'] = [round(float(n), 2) for n in points.ravel()]
    return result
