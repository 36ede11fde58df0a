# SPDX-License-Identifier: Apache-2.0
"""
Our methods and those of others under attack: faces at four heights, plates, cost, margin.

Everybody is seen in two tracks made of one picture (privacy_photos): the first is what an attacker
knows, the second what he is to assign. What counts is the excess over the same frames with the
regions in gray, because what surrounds a region stays visible whatever hides it.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.attacks.dlib_faces import DlibFaces
from anon_ros.attacks.interface import Look, Picture
from anon_ros.attacks.intervals import wilson
from anon_ros.attacks.ranks import fair_ranks, hits
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.summary import summarize
from anon_ros.bench.privacy_methods import RUN_KEY, Ours, others, untouched
from anon_ros.bench.privacy_photos import FacePhotos
from anon_ros.bench.privacy_rows import plain, rank_rows, ranks_of
from anon_ros.core.regions import Kind
from anon_ros.core.settings import CLASSIC_METHODS, METHODS, REALISTIC, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anon_ros.attacks.interface import Descriptor, Hiding, View
    from anon_ros.attacks.summary import Summary
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.regions import Float32Array

HEIGHTS_PX = (16, 32, 64, 128)
DEFAULT = CLASSIC_METHODS[0]
GALLERY, QUERIES = 0, 1
MARGINS = (0.0, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6)
_MARGIN_HEIGHT_PX = 64
_GRAY_FRAMES = 3


RECOGNIZER, PIXELS = DlibFaces.name, RegionPixels.name
_ATTACKERS: Mapping[str, Callable[[], Descriptor]] = {
    RECOGNIZER: DlibFaces, PIXELS: partial(RegionPixels, Kind.FACE),
}
KEY_KNOWN = f'{DEFAULT}, key known'
GROUPS = (
    (DEFAULT, *(name for name in CLASSIC_METHODS if name not in {DEFAULT, 'mask-out'}),
     KEY_KNOWN, REALISTIC),
    ('none', 'mosaic of 8 cells', 'mosaic of 16 cells'),
    ('autoware blur', "the paper's blur"), ('deface',), ('deface, ellipse of scale 1.0',),
)
"""Methods that hide the same pixels: they share the gray yardstick."""


@dataclass(frozen=True)
class Samples:
    """
    How many are attacked.

    identities, patient: of the default, by one look and along a track, by the recognizer.
    pixels: of the default, along a track, by the pixels alone: they are quick, and a few hits by
    chance among few people would say nothing. others, others_patient: of all other methods.
    frames, gallery_frames: of a track that is asked for, and of a known one.
    """

    identities: int = 500
    patient: int = 300
    pixels: int = 800
    others: int = 100
    others_patient: int = 10
    frames: int = 30
    gallery_frames: int = 8

    def of(self, attacker: str, method: str) -> tuple[int, int]:
        """Return how many are seen once at least, and how many of them along a track."""
        if method == DEFAULT and attacker == PIXELS:
            return self.pixels, self.pixels
        if method == DEFAULT:
            return self.identities, self.patient
        # A known key differs by the first look alone.
        return (self.identities, 0) if method == KEY_KNOWN else (self.others, self.others_patient)


@dataclass(frozen=True)
class _Job:
    """Methods that hide the same pixels, at one height, under one attacker."""

    data_dir: Path
    height_px: int
    names: tuple[str, ...]
    attacker: str
    samples: Samples


def measure_faces(
    data_dir: Path, *, samples: Samples = Samples(), heights_px: Sequence[int] = HEIGHTS_PX,
    methods: Sequence[str] = (), workers: int = 2,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[dict[str, object]]:
    """
    Return the rows of all methods, heights and strengths of attackers.

    methods: those that are measured; none for all.
    Raises InputError where the data are not there, ModelError without the extra `attack`.
    """
    wanted = [[name for name in names if not methods or name in methods] for names in GROUPS]
    groups = [tuple(names) for names in wanted if names]
    jobs = [
        _Job(data_dir, height, names, attacker, samples)
        for names in groups for attacker in _ATTACKERS for height in heights_px
    ]
    found: dict[int, list[AttackRow]] = {}
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(_measure, job): i for i, job in enumerate(jobs)}
        for done, future in enumerate(as_completed(futures), 1):
            found[futures[future]] = future.result()
            progress(done, len(jobs))
    return [plain(each) for i in range(len(jobs)) for each in found[i]]


def measure_margins(
    data_dir: Path, *, identities: int = 150, margins: Sequence[float] = MARGINS
) -> list[dict[str, object]]:
    """
    Return how well people are told apart by what surrounds a gray region, by its margin.

    The crops end 0.28 to 0.35 of a face beyond it: wider margins leave nothing of them.
    """
    photos = FacePhotos(data_dir, identities, _MARGIN_HEIGHT_PX)
    rows = []
    for margin in margins:
        method = Ours(Settings(margin=margin, method=('mask-out',)))
        for descriptor in (DlibFaces(), _Surroundings()):
            known, asked = (
                summarize(descriptor, _tracks(photos, method, number, identities, 0, 1, 'hidden'))
                for number in (GALLERY, QUERIES)
            )
            share = wilson(hits(fair_ranks(known.first, asked.first), 1).sum(), identities)
            rows.append({
                'margin': margin, 'attacker': descriptor.name, 'rank_1': round(share.value, 4),
                'low': round(share.low, 4), 'high': round(share.high, 4),
                'chance': round(1 / identities, 4), 'identities': identities,
            })
    return rows


class _Surroundings(RegionPixels):
    """Looks at everything that can be seen, not at the region alone."""

    name = 'surroundings'

    def __init__(self) -> None:
        super().__init__(Kind.FACE)

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        return super().describe([
            each._replace(hole=np.ones(each.hole.shape, bool)) for each in pictures
        ])


def _measure(job: _Job) -> list[AttackRow]:
    """Run a job; in a process of its own."""
    cv2.setNumThreads(1)
    descriptor = _ATTACKERS[job.attacker]()
    samples = job.samples
    counts = {name: samples.of(job.attacker, name) for name in job.names}
    most = (
        max(seen for seen, _ in counts.values()), max(patient for _, patient in counts.values()))
    photos = FacePhotos(job.data_dir, most[0], job.height_px)

    def points(
        method: Hiding, number: int, view: View, people: tuple[int, int], frames: int
    ) -> Summary:
        return summarize(descriptor, _tracks(photos, method, number, *people, frames, view))

    # In the clear and in gray nobody sees what a method does: the quickest of the group serves.
    first = _method(next(names[0] for names in GROUPS if job.names[0] in names))
    gray_frames = min(_GRAY_FRAMES, samples.frames)
    clear = points(first, GALLERY, 'clear', (most[0], 0), 1)
    gray = [points(first, number, 'gray', most, gray_frames) for number in (GALLERY, QUERIES)]
    rows = []
    for name, people in counts.items():
        method = _method(name)
        known = points(method, GALLERY, 'hidden', people, samples.gallery_frames)
        asked = points(method, QUERIES, 'hidden', people, samples.frames)
        nearest, *grays = (each.first_people(people[0]) for each in (clear, *gray))
        ours = ranks_of(nearest, known, asked, people[1])
        yardstick = ranks_of(nearest, grays[0], grays[1], people[1])
        rows += rank_rows(descriptor, name, job.height_px, ours, yardstick)
    return rows


def _method(name: str) -> Hiding:
    if name == 'none':
        return untouched
    if name in METHODS:
        return Ours(Settings(method=(name,)))
    if name == KEY_KNOWN:
        ours = Ours(Settings(method=(DEFAULT,)))
        # The key of a track is all that keeps its colour: what if it is lost for everybody?
        return lambda image_bgr, box_xyxy, _: ours(image_bgr, box_xyxy, 0)
    return others()[name]


def _tracks(
    photos: FacePhotos, method: Hiding, number: int, identities: int, patient: int, frames: int,
    view: View,
) -> Iterator[list[Picture]]:
    """Yield one track of everybody: several frames of the first ones, one of the others."""
    for person in range(identities):
        track = photos.track(person, number, frames if person < patient else 1)
        yield [
            _look(photo.image_bgr, photo.box_xyxy, method, (number + 1) * RUN_KEY + person)
            .picture(view) for photo in track
        ]


def _look(image_bgr: np.ndarray, box_xyxy: Float32Array, method: Hiding, key: int) -> Look:
    hidden, hole = method(image_bgr, box_xyxy, key)
    return Look(image_bgr, hidden, box_xyxy, hole)
