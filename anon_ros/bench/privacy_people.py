# SPDX-License-Identifier: Apache-2.0
"""
Whole people under attack: their clothes, their pixels, and whether they are found again.

Rendered people are set into street frames as privacy_people_photos says. They are hidden by their
silhouette, as the networks of a run draw it, or by their box.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import cv2
import numpy as np

from anon_ros.attacks.clothes import Clothes
from anon_ros.attacks.interface import Identity, Look, Picture
from anon_ros.attacks.redetection import Redetection
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.render import hide, hole_of
from anon_ros.attacks.summary import Summary, summarize_all
from anon_ros.audit.attack_table import ALL_HEIGHTS
from anon_ros.bench.privacy_methods import RUN_KEY, Degraded, build_once, others
from anon_ros.bench.privacy_people_photos import PeoplePhotos, PersonPhoto
from anon_ros.bench.privacy_rows import plain, rank_rows, ranks_of
from anon_ros.core import masks
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.core.settings import CLASSIC_METHODS, REALISTIC, Settings
from anon_ros.detection.people_masks import GROWTH
from anon_ros.detection.yolox import Yolox
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.attacks.interface import Descriptor, View
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

Part: TypeAlias = Literal['silhouette', 'box']
HEIGHTS_PX = (48, 96, 192)
OURS = tuple(name for name in CLASSIC_METHODS if name != 'mask-out')
THEIRS = ("the paper's blur", 'mosaic of 8 cells', 'mosaic of 16 cells')
GALLERY, QUERIES = 0, 1
YOLOX_PX, YOLOX_SCORE = 416, 0.15
"""What nobody's run uses: the size that YOLOX-nano was trained at, and a low threshold."""


@dataclass(frozen=True)
class PeopleSamples:
    """
    How many are attacked.

    identities: by one look, 0 for all. realistic: of those with the realistic method. patient: of
    those also along a track. frames, gallery_frames: of a track. found_again: searched for.
    """

    identities: int = 120
    realistic: int = 60
    patient: int = 10
    frames: int = 12
    gallery_frames: int = 4
    found_again: int = 60


@dataclass(frozen=True)
class _Job:
    data_dir: Path
    height_px: int
    part: Part
    methods: tuple[str, ...]
    samples: PeopleSamples


class InsidePixels(RegionPixels):
    """Looks at what is in the silhouette alone, and not at the outline that stays visible."""

    name = 'pixels inside'

    def __init__(self) -> None:
        super().__init__(Kind.BODY)

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        """Return (N, D) points; see RegionPixels."""
        return super().describe([_inside_only(each) for each in pictures])


def measure_people(
    data_dir: Path, *, samples: PeopleSamples = PeopleSamples(),
    heights_px: Sequence[int] = HEIGHTS_PX, workers: int = 2,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[dict[str, object]]:
    """
    Return the rows of all methods, heights and strengths of attackers, by what is hidden.

    Raises InputError where the data are not there, ModelError without the weights of YOLOX-nano.
    """
    groups: dict[Part, tuple[tuple[str, ...], ...]] = {
        'silhouette': (('none', *OURS, *THEIRS), (REALISTIC,)), 'box': (('none', *OURS, *THEIRS),),
    }
    jobs = [
        _Job(data_dir, height, part, methods, samples)
        for part in get_args(Part) for methods in groups[part] for height in heights_px
    ]
    found: dict[int, list[AttackRow]] = {}
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(_measure, job): i for i, job in enumerate(jobs)}
        for done, future in enumerate(as_completed(futures), 1):
            found[futures[future]] = future.result()
            progress(done, len(jobs))
    return [
        {'hidden': job.part, **plain(each)} for i, job in enumerate(jobs) for each in found[i]
    ]


def hide_person(
    method: str, photo: PersonPhoto, part: Part, key: int
) -> tuple[UInt8Array, BoolArray]:
    """Return (h, w, 3), the photo as a run writes it, and (h, w) where something is hidden."""
    run, track = divmod(key, RUN_KEY)
    is_ours = method in {*CLASSIC_METHODS, REALISTIC}
    settings = Settings(
        target=('body',), method=(method if is_ours else CLASSIC_METHODS[0],), seed=run + 1)
    mask = _as_found(photo.mask) if part == 'silhouette' else None
    regions = Regions.of(
        photo.box_xyxy[None], Kind.BODY, masks=(mask,), keypoints=photo.keypoints[None],
    ).with_tracks(np.array([track]))
    anonymizer = build_once(settings)
    hole = hole_of(anonymizer, regions, photo.image_bgr.shape[1::-1])
    if is_ours:
        return hide(anonymizer, photo.image_bgr, regions), hole
    if method == 'none':
        return photo.image_bgr, hole
    return _degraded(others()[method], photo.image_bgr, hole), hole


def _as_found(mask: Mask) -> Mask:
    """Return a silhouette as the networks draw it: a little larger than the person."""
    radius = int(np.ceil(GROWTH * min(mask.inside.shape)))
    grown = masks.dilate(np.pad(mask.inside, radius), radius)
    return Mask(grown, mask.x - radius, mask.y - radius)


def _degraded(method: object, image_bgr: UInt8Array, hole: BoolArray) -> UInt8Array:
    """Return the image with the bounds of the hole changed as others do, inside of it."""
    if not isinstance(method, Degraded):
        raise TypeError(f'{method} does not change what it hides')
    rect = masks.bounds(hole)
    changed = image_bgr.copy()
    part = np.s_[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    changed[part] = method.change(image_bgr[part], rect)
    return np.where(hole[..., None], changed, image_bgr)


def _measure(job: _Job) -> list[AttackRow]:
    """Run a job; in a process of its own."""
    cv2.setNumThreads(1)
    samples = job.samples
    wanted = samples.realistic if job.methods == (REALISTIC,) else samples.identities
    photos = PeoplePhotos(job.data_dir, job.height_px, wanted)
    patient = min(samples.patient, len(photos))
    descriptors: list[Descriptor] = [Clothes(), RegionPixels(Kind.BODY)]
    if job.part == 'silhouette':
        descriptors.append(InsidePixels())

    def points(method: str, number: int, view: View, frames: int) -> list[Summary]:
        tracks = _tracks(photos, method, job.part, number, patient, frames)
        return summarize_all(
            descriptors, ([look.picture(view) for look in looks] for looks in tracks))

    # Nobody sees in the clear or in gray what a generator takes its time for.
    first = CLASSIC_METHODS[0] if job.methods[0] == REALISTIC else job.methods[0]
    clear = points(first, GALLERY, 'clear', 1)
    gray = [
        points(first, GALLERY, 'gray', samples.gallery_frames),
        points(first, QUERIES, 'gray', samples.frames),
    ]
    rows: list[AttackRow] = []
    for name in job.methods:
        known = points(name, GALLERY, 'hidden', samples.gallery_frames)
        asked = points(name, QUERIES, 'hidden', samples.frames)
        for i, descriptor in enumerate(descriptors):
            ours = ranks_of(clear[i], known[i], asked[i], patient)
            yardstick = ranks_of(clear[i], gray[0][i], gray[1][i], patient)
            rows += rank_rows(descriptor, name, job.height_px, ours, yardstick)
        rows += _found_again(job, photos, name)
    return rows


def _tracks(
    photos: PeoplePhotos, method: str, part: Part, number: int, patient: int, frames: int
) -> Iterator[list[Look]]:
    """Yield one track of everybody: several frames of the first ones, one of the others."""
    for person in range(len(photos)):
        key = (number + 1) * RUN_KEY + person
        track = photos.track(person, number, frames if person < patient else 1)
        yield [_look(photo, method, part, key) for photo in track]


def _look(photo: PersonPhoto, method: str, part: Part, key: int) -> Look:
    hidden, hole = hide_person(method, photo, part, key)
    return Look(photo.image_bgr, hidden, photo.box_xyxy, hole)


def _found_again(job: _Job, photos: PeoplePhotos, method: str) -> list[AttackRow]:
    count = min(job.samples.found_again, len(photos))
    people = [
        Identity(str(person), Kind.BODY, (_look(
            photos.track(person, QUERIES, 1)[0], method, job.part, RUN_KEY + person),))
        for person in range(count)
    ]
    finder = Redetection(_OtherEffort(), Kind.BODY, f'YOLOX-nano, {YOLOX_PX} px', method)
    rows = finder.attack(people)
    return [
        replace(each, height=str(job.height_px)) for each in rows if each.height == ALL_HEIGHTS
    ]


class _OtherEffort:
    """Looks for people by boxes alone, at a size and a threshold that no run uses."""

    def __init__(self) -> None:
        self._network = Yolox.load(ModelStore().path('yolox-nano'), 'cpu', threads=1)

    def detect(self, image_bgr: UInt8Array) -> Regions:
        boxes_xyxy, scores = self._network.candidates(image_bgr, YOLOX_SCORE, YOLOX_PX)
        return Regions.of(boxes_xyxy, Kind.BODY, scores)


def _inside_only(picture: Picture) -> Picture:
    """Return the picture with everything beside the hole in the hole's mean colour."""
    if not picture.hole.any():
        return picture
    mean = np.rint(picture.image_bgr[picture.hole].mean(axis=0)).astype(np.uint8)
    return picture._replace(
        image_bgr=np.where(picture.hole[..., None], picture.image_bgr, mean))
