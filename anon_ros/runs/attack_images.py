# SPDX-License-Identifier: Apache-2.0
"""Who is to be attacked in a folder of images: a folder for each person, or everybody seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros import factory
from anon_ros.attacks.cut import cut_look, views_of
from anon_ros.attacks.interface import Identity, Look
from anon_ros.audit.manifest import REGIONS_NAME, SIDECAR, sidecar_path
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.core.regions import Kind
from anon_ros.errors import FrameError, InputError
from anon_ros.media.compressed import open_compressed
from anon_ros.models.store import ModelStore
from anon_ros.runs.attack_bag import LEAST_HEIGHT_PX, rekeyed
from anon_ros.runs.images import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Regions, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.runs.attack_sample import Sample, Skipped


def read_folders(
    source: Path, target: Path, settings: Settings, sample: Sample,
    progress: Callable[[int, int], None], detector: RegionDetector | None = None, *,
    is_dataset: bool = False, has_key: bool = True,
) -> tuple[list[Identity], Skipped]:
    """
    Return who is to be attacked, and what was left out and why.

    Regions are those of the result's regions file, or found again with the run's settings.
    Images in subfolders show the person that the subfolder is named after: the largest face in
    each. Everybody else is seen once, and so is everybody in a dataset, whose folders are splits.
    has_key: whether another key hides otherwise, which it does not in the paper's methods.
    Raises InputError where the two do not belong together.
    """
    known = known_regions(target)
    names = shown_images(source, target, known) if is_dataset else matching_images(source, target)
    if not known and detector is None:
        detector = factory.build_detector(settings, ModelStore())
    rekeyed_by = factory.build_anonymizer(rekeyed(settings)) if has_key else None
    reader = _Reader(source, target, settings, known, detector, rekeyed_by, not is_dataset)
    for done, name in enumerate(names):
        reader.read(name)
        progress(done + 1, len(names))
    identities = []
    for (person, kind), looks in reader.looks.items():
        chosen = looks[:sample.looks]
        identities.append(Identity(person, kind, tuple(chosen)))
    return _at_most(identities, sample.identities, reader.skipped), reader.skipped


def matching_images(source: Path, target: Path) -> list[str]:
    """Return the images' names; raise InputError that names one which only one folder has."""
    ours, theirs = _images(source), _images(target)
    for folder, missing in ((target, ours - theirs), (source, theirs - ours)):
        if missing:
            raise InputError(
                f'{source} and {target} do not belong together: {folder} lacks '
                f'{len(missing)} images, the first is {min(missing)}'
            )
    if not ours:
        raise InputError(f'{source}: no images in it; there are {", ".join(IMAGE_SUFFIXES)}')
    return sorted(ours)


def shown_images(source: Path, target: Path, known: Mapping[str, FrameRegions]) -> list[str]:
    """Return the images of a dataset's copy; raise InputError that names one which is missing."""
    names = sorted(name for name, frame in known.items() if frame.outcome != 'masked')
    for folder in (source, target):
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f'{source} and {target} do not belong together: {folder} lacks '
                f'{len(missing)} images, the first is {missing[0]}'
            )
    if not names:
        raise InputError(f'{target}: no image in it was written by a run')
    return names


def known_regions(target: Path) -> dict[str, FrameRegions]:
    """Return what a result's regions file says of each image, by name; empty without one."""
    path = sidecar_path(target) / REGIONS_NAME
    return {frame.topic: frame for frame in RegionsReader(path)} if path.is_file() else {}


class _Reader:
    """Reads pairs of images. rekeyed_by: hides with another key, None where nothing does."""

    def __init__(
        self, source: Path, target: Path, settings: Settings, known: Mapping[str, FrameRegions],
        detector: RegionDetector | None, rekeyed_by: FrameAnonymizer | None,
        folders_are_people: bool,
    ) -> None:
        self._source, self._target = source, target
        self._known, self._detector = known, detector
        self._anonymizer = factory.build_anonymizer(settings)
        self._rekeyed_by, self._folders_are_people = rekeyed_by, folders_are_people
        self.looks: dict[tuple[str, Kind], list[Look]] = {}
        self.skipped: Skipped = {}

    def read(self, name: str) -> None:
        try:
            clear, hidden = _view(self._source / name), _view(self._target / name)
        except FrameError as error:
            self._skip(f'image not readable: {error}')
            return
        if clear.shape != hidden.shape:
            raise InputError(
                f'{name}: the source has {clear.shape[1]}x{clear.shape[0]} px, the result '
                f'{hidden.shape[1]}x{hidden.shape[0]}: they do not belong together'
            )
        regions = self._regions(name, clear)
        if regions is None:
            self._skip('image withheld, or not in the regions file')
            return
        views = views_of(clear, hidden, regions, self._rekeyed_by)
        person = name.rpartition('/')[0] if self._folders_are_people else ''
        for number in range(len(regions)):
            kind = Kind(int(regions.kinds[number]))
            is_person = bool(person) and kind is Kind.FACE
            if is_person and number != _largest(regions):
                continue
            if _height(regions, number) < LEAST_HEIGHT_PX:
                self._skip(f'region below {LEAST_HEIGHT_PX:g} px')
                continue
            look = cut_look(views, regions, number, self._anonymizer)
            if look is not None:
                who = person if is_person else f'{name} region {number}'
                self.looks.setdefault((who, kind), []).append(look)
        if person and not len(regions.of_kind(Kind.FACE)):
            self._skip('image without a usable face')

    def _regions(self, name: str, clear_bgr: UInt8Array) -> Regions | None:
        if not self._known:
            return None if self._detector is None else self._detector.detect(clear_bgr)
        found = self._known.get(name)
        return None if found is None or found.outcome == 'masked' else found.regions

    def _skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def _at_most(identities: list[Identity], count: int, skipped: Skipped) -> list[Identity]:
    chosen: list[Identity] = []
    for kind in Kind:
        everybody = [each for each in identities if each.kind is kind]
        chosen += everybody[:count]
        if len(everybody) > count:
            skipped[f'{kind.label}: not in the sample'] = len(everybody) - count
    return chosen


def _images(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise InputError(f'{folder}: there is no such folder of images')
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob('*')
        if path.suffix.lower() in IMAGE_SUFFIXES
        and SIDECAR not in path.relative_to(folder).parts[:1]
    }


def _view(path: Path) -> UInt8Array:
    try:
        return open_compressed(path.read_bytes()).view_bgr()
    except OSError as error:
        raise InputError(f'{path}: cannot read: {error.strerror}') from error


def _largest(regions: Regions) -> int:
    heights = [
        _height(regions, i) if regions.kinds[i] == Kind.FACE else -1.0
        for i in range(len(regions))
    ]
    return int(np.argmax(heights))


def _height(regions: Regions, number: int) -> float:
    return float(regions.boxes_xyxy[number, 3] - regions.boxes_xyxy[number, 1])
