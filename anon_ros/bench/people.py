# SPDX-License-Identifier: Apache-2.0
"""How much of the people in images is hidden, at what price in other pixels and in time."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.detection import people_evidence
from anon_ros.detection.deeplab import DeepLab
from anon_ros.detection.movenet import MoveNet
from anon_ros.detection.people import EFFORTS
from anon_ros.detection.yolox import Yolox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from anon_ros.bench.people_truth import PeopleFrame
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import BoolArray, Float32Array, Regions, UInt8Array
    from anon_ros.models.store import ModelStore

LEAST_COVER = 0.8
"""A person counts as hidden from this share of the silhouette on."""
HEIGHT_EDGES_PX = (0, 20, 80, 100000)
LEAST_IOU = 0.1
"""A region that overlaps less is not of that person; its keypoints are not compared."""
# COCO's keypoint evaluation: per keypoint standard deviations as shares of the person's scale.
_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1e3


@dataclass(frozen=True)
class PeopleGroup:
    """People of a range of heights, how many there are, and the share of them that is hidden."""

    name: str
    people: int
    covered: float


@dataclass(frozen=True)
class PeopleTable:
    """
    One detector's figures on one set of images; shares are 0..1.

    pixels_covered: of all pixels of people. others_touched: of all pixels that show nobody.
    least_covered: the least covered person's share. mask_iou: mean over people of the best
    region's. keypoint_error: median distance over the person's height; oks: COCO's similarity,
    mean over people with keypoints, 0 for the missed ones; both None where nothing was compared.
    """

    name: str
    frames: int
    regions_per_frame: float
    pixels_covered: float
    others_touched: float
    groups: tuple[PeopleGroup, ...]
    least_covered: float
    mask_iou: float
    keypoint_error: float | None
    oks: float | None
    ms_per_frame: float


@dataclass(frozen=True)
class PeoplePart:
    """What one pass of one network, or the rest, takes for a frame in ms."""

    name: str
    ms_per_frame: float


@dataclass
class _Person:
    height_px: int
    pixels: int
    covered_px: int
    iou: float
    keypoint_errors: Float32Array
    oks: float | None


def measure_people(
    detector: RegionDetector, frames: Sequence[PeopleFrame], name: str = ''
) -> PeopleTable:
    """
    Return the detector's figures on frames; regions are counted as they are, without a margin.

    Every size of frame runs once before the clock starts, to let the engines compile.
    """
    for frame in {frame.size_wh: frame for frame in frames}.values():
        detector.detect(frame.image_bgr)
    people: list[_Person] = []
    others = touched = regions = 0
    seconds = 0.0
    for frame in frames:
        start = time.perf_counter()
        found = detector.detect(frame.image_bgr)
        seconds += time.perf_counter() - start
        hidden = to_silhouette(found, frame.size_wh)
        nobody = ~masks.paste(frame.silhouettes, frame.size_wh)
        if frame.ignored is not None:
            nobody &= ~frame.ignored
        others += int(nobody.sum())
        touched += int((hidden & nobody).sum())
        regions += len(found)
        people += _compare(frame, found, hidden)
    return _table(name, len(frames), people, regions, touched / max(1, others), seconds)


def measure_parts(
    store: ModelStore, images_bgr: Sequence[UInt8Array], threads: int = 0
) -> list[PeoplePart]:
    """
    Return what each part of the light detector takes for one image, one image at a time.

    Raises ModelError where weights are missing or an engine does not start.
    """
    boxes = Yolox.load(store.path('yolox-nano'), 'cpu', threads, 1)
    silhouettes = DeepLab.load(store.path('deeplab-cityscapes'), threads, 1)
    poses = MoveNet.load(store.path('movenet'), threads, 1)
    least = people_evidence.LEAST_SCORE
    parts = []
    for side in sorted({side for each in EFFORTS.values() for side in each.boxes_px}):
        search = partial(boxes.candidates, threshold=least, longest_px=side)
        parts.append(_timed(f'boxes, {side} px', search, images_bgr))
    for side in sorted({side for each in EFFORTS.values() for side in each.silhouettes_px}):
        draw = partial(silhouettes.lead, longest_px=side, size_wh=images_bgr[0].shape[1::-1])
        parts.append(_timed(f'silhouettes, {side} px', draw, images_bgr))
    longest, widest = max(EFFORTS['thorough'].boxes_px), max(EFFORTS['thorough'].silhouettes_px)
    seen = {
        id(image): (silhouettes.lead(image, widest, image.shape[1::-1]),
                    *boxes.candidates(image, least, longest))
        for image in images_bgr
    }
    parts.append(_timed(
        'evidence', lambda image: people_evidence.gather(*seen[id(image)], 0.0), images_bgr))
    whole = np.array([[0, 0, 100, 200]], np.float32)
    parts.append(_timed(
        'keypoints, each person', lambda image: poses.keypoints(image, whole), images_bgr))
    return parts


def to_silhouette(regions: Regions, size_wh: tuple[int, int]) -> BoolArray:
    """Return (h, w) bool, True wherever any region hides the image."""
    return masks.paste(
        [_region_mask(regions, i, size_wh) for i in range(len(regions))], size_wh)


def object_similarity(
    found: Float32Array, truth: Float32Array, area_px: float
) -> float | None:
    """
    Return COCO's object keypoint similarity, 0..1, or None where nothing is annotated.

    found, truth: (17, 3), x, y and score or visibility. area_px: of the person.
    """
    is_known = truth[:, 2] > 0
    if not is_known.any():
        return None
    squares = np.square(found[:, :2] - truth[:, :2]).sum(axis=1)
    similar = np.exp(-squares / (2 * max(area_px, 1.0) * np.square(2 * _SIGMAS)))
    return float(np.nan_to_num(similar[is_known]).mean())


def _compare(frame: PeopleFrame, found: Regions, hidden: BoolArray) -> list[_Person]:
    silhouettes = [_region_mask(found, i, frame.size_wh) for i in range(len(found))]
    people = []
    for i, truth in enumerate(frame.silhouettes):
        ious = np.array([_iou(truth, each) for each in silhouettes] or [0.0])
        best = int(ious.argmax())
        rows, columns = truth.inside.shape
        window = hidden[truth.y:truth.y + rows, truth.x:truth.x + columns]
        person = _Person(
            rows, int(truth.inside.sum()), int((window & truth.inside).sum()),
            float(ious[best]), np.zeros(0, np.float32), None)
        if frame.keypoints is not None and found.keypoints is not None:
            _compare_keypoints(person, frame.keypoints[i], found.keypoints[best:best + 1])
        people.append(person)
    return people


def _compare_keypoints(person: _Person, truth: Float32Array, found: Float32Array) -> None:
    is_known = truth[:, 2] > 0
    if not len(found) or person.iou < LEAST_IOU:
        person.oks = 0.0 if is_known.any() else None
        return
    distances = np.linalg.norm(found[0, :, :2] - truth[:, :2], axis=1)[is_known]
    person.keypoint_errors = (distances / person.height_px).astype(np.float32)
    person.oks = object_similarity(found[0], truth, person.pixels)


def _region_mask(regions: Regions, index: int, size_wh: tuple[int, int]) -> Mask:
    mask = regions.masks[index]
    if mask is not None:
        return mask
    width, height = size_wh
    x_min, y_min, x_max, y_max = regions.boxes_xyxy[index]
    left, top = max(0, int(np.floor(x_min))), max(0, int(np.floor(y_min)))
    right, bottom = min(width, int(np.ceil(x_max))), min(height, int(np.ceil(y_max)))
    return Mask(np.ones((max(0, bottom - top), max(0, right - left)), bool), left, top)


def _iou(a: Mask, b: Mask) -> float:
    """Return intersection over union; it looks at the smallest window that holds the first."""
    rows, columns = a.inside.shape
    shifted = Mask(b.inside, b.x - a.x, b.y - a.y)
    shared = int((masks.paste([shifted], (columns, rows)) & a.inside).sum())
    return shared / max(1, int(a.inside.sum()) + int(b.inside.sum()) - shared)


def _table(
    name: str, frame_count: int, people: Sequence[_Person], region_count: int, touched: float,
    seconds: float,
) -> PeopleTable:
    pixels = np.array([person.pixels for person in people], np.float64)
    covered = np.array([person.covered_px for person in people], np.float64)
    shares = covered / np.maximum(pixels, 1)
    errors = np.concatenate(
        [np.zeros(0, np.float32), *(person.keypoint_errors for person in people)])
    similar = [person.oks for person in people if person.oks is not None]
    return PeopleTable(
        name=name, frames=frame_count, regions_per_frame=region_count / max(1, frame_count),
        pixels_covered=float(covered.sum() / max(1.0, pixels.sum())), others_touched=touched,
        groups=_groups(np.array([person.height_px for person in people]), shares),
        least_covered=float(shares.min(initial=1.0)),
        mask_iou=float(np.mean([person.iou for person in people])) if people else 0.0,
        keypoint_error=float(np.nanmedian(errors)) if errors.size else None,
        oks=float(np.mean(similar)) if similar else None,
        ms_per_frame=1e3 * seconds / max(1, frame_count),
    )


def _groups(
    heights_px: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[PeopleGroup, ...]:
    groups = []
    for low, high in itertools.pairwise(HEIGHT_EDGES_PX):
        chosen = (heights_px >= low) & (heights_px < high)
        if chosen.any():
            name = f'{low} to {high - 1} px' if high < HEIGHT_EDGES_PX[-1] else f'from {low} px'
            hidden = float((shares[chosen] >= LEAST_COVER).mean())
            groups.append(PeopleGroup(name, int(chosen.sum()), hidden))
    return tuple(groups)


def _timed(
    name: str, run: Callable[[UInt8Array], object], images_bgr: Sequence[UInt8Array]
) -> PeoplePart:
    for image in {image.shape: image for image in images_bgr}.values():
        run(image)
    start = time.perf_counter()
    for image in images_bgr:
        run(image)
    return PeoplePart(name, 1e3 * (time.perf_counter() - start) / max(1, len(images_bgr)))
