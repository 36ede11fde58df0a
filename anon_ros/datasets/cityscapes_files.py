# SPDX-License-Identifier: Apache-2.0
"""Cityscapes' trees: leftImg8bit, gtFine, camera and vehicle, each by split and city."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.datasets.cityscapes import (
    CORE,
    city_name,
    core_name,
    draw_ids,
    format_polygons,
    parse_calibration,
    parse_ids,
    parse_polygons,
    with_visible,
)
from anon_ros.datasets.files import (
    as_png,
    chosen_splits,
    get_json,
    get_png,
    put_image,
    put_json,
    put_png,
)
from anon_ros.datasets.records import ImageRecord
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from anon_ros.datasets.problems import Problems
    from anon_ros.datasets.records import Instance

IMAGES, LABELS, CAMERA, VEHICLE = 'leftImg8bit', 'gtFine', 'camera', 'vehicle'
_SUFFIX = f'_{IMAGES}.png'
_UNLABELLED_SPLITS = frozenset({'test', 'demoVideo'})
"""gtFine/test holds the ego vehicle only: its people are annotated for nobody to see."""


class CityscapesReader:
    """Reads the splits of a Cityscapes dataset. Raises InputError where there is none."""

    def __init__(self, root: Path, problems: Problems, splits: Sequence[str] = ()) -> None:
        self._root, self._problems = root, problems
        folder = root / IMAGES
        found = sorted(each.name for each in folder.iterdir() if each.is_dir()) \
            if folder.is_dir() else []
        if not found:
            raise InputError(f'{root}: no Cityscapes dataset: no {IMAGES}/SPLIT/CITY in it')
        self.splits = chosen_splits(root, found, splits)

    @property
    def label_files(self) -> Iterator[Path]:
        """All files that hold annotations, calibration or ego motion of these splits."""
        for kind in (LABELS, CAMERA, VEHICLE):
            for split in self.splits:
                yield from sorted((self._root / kind / split).glob(f'*/*_{kind}*'))

    def records(self) -> Iterator[ImageRecord]:
        """Yield all images by split, city and name."""
        for split in self.splits:
            cities = {
                each.name for kind in (IMAGES, LABELS)
                for each in (self._root / kind / split).glob('*') if each.is_dir()
            }
            for city in sorted(cities):
                yield from self._city(split, city)

    def _city(self, split: str, city: str) -> Iterator[ImageRecord]:
        images = sorted((self._root / IMAGES / split / city).glob('*.png'))
        seen = set()
        for image in images:
            path = image.relative_to(self._root).as_posix()
            core = image.name.removesuffix(_SUFFIX)
            match = CORE.fullmatch(core)
            if match is None or core == image.name or match['city'] != city:
                kind = 'a city name with an underscore' if '_' in city else \
                    'a file name that is none of Cityscapes'
                problem = self._problems.report(kind, path, city)
                yield ImageRecord(core, split, path, None, problems=(problem,))
                continue
            seen.add(core)
            yield self._record(split, city, core, path)
        for label in sorted((self._root / LABELS / split / city).glob('*_polygons.json')):
            core = label.name.removesuffix(f'_{LABELS}_polygons.json')
            if core not in seen:
                self._problems.report(
                    'annotation for an image that is not there',
                    label.relative_to(self._root).as_posix(), core)

    def _record(self, split: str, city: str, core: str, path: str) -> ImageRecord:
        problems: list[str] = []
        size_wh, instances = self._labels(split, city, core, problems)
        return ImageRecord(
            core, split, path, size_wh, tuple(instances),
            camera=self._calibration(CAMERA, split, city, core, problems),
            vehicle=self._calibration(VEHICLE, split, city, core, problems),
            is_labelled=size_wh is not None and split not in _UNLABELLED_SPLITS,
            problems=tuple(problems))

    def _labels(
        self, split: str, city: str, core: str, problems: list[str]
    ) -> tuple[tuple[int, int] | None, Sequence[Instance]]:
        base = self._root / LABELS / split / city
        polygons = base / f'{core}_{LABELS}_polygons.json'
        picture = base / f'{core}_{LABELS}_instanceIds.png'
        file = polygons.relative_to(self._root).as_posix()
        with self._problems.caught(problems, file, core):
            ids = get_png(picture) if picture.is_file() else None
            if polygons.is_file():
                size_wh, instances = parse_polygons(get_json(polygons))
                return size_wh, with_visible(instances, size_wh, ids)
            if ids is not None:
                return (ids.shape[1], ids.shape[0]), parse_ids(ids)
        return None, ()

    def _calibration(
        self, kind: str, split: str, city: str, core: str, problems: list[str]
    ) -> Mapping[str, object] | None:
        path = self._root / kind / split / city / f'{core}_{kind}.json'
        if not path.is_file():
            return None
        found: list[Mapping[str, object]] = []
        with self._problems.caught(problems, path.relative_to(self._root).as_posix(), core):
            found.append(parse_calibration(get_json(path)))
        return found[0] if found else None


class CityscapesWriter:
    """
    Writes a Cityscapes dataset, image by image.

    An image that has no name of Cityscapes gets one: its split or recording as city, and frames
    counted from 0. Images become PNG. Categories that Cityscapes has no word for are left out.
    """

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root, self._problems = root, problems
        self._counts: dict[str, int] = {}

    def add(self, record: ImageRecord, image: bytes | Path | None = None) -> str:
        """Write a record; image: its bytes, or a file to copy. Returns the image's new path."""
        city, core = self._name(record)
        split = record.split.rsplit('/', 1)[-1]
        path = f'{IMAGES}/{split}/{city}/{core}{_SUFFIX}'
        put_image(self._root / path, None if image is None else as_png(image))
        if record.is_labelled and record.size_wh is not None:
            self._labels(record, self._root / LABELS / split / city / f'{core}_{LABELS}')
        for kind, value in ((CAMERA, record.camera), (VEHICLE, record.vehicle)):
            if value is not None:
                put_json(self._root / kind / split / city / f'{core}_{kind}.json', value)
        return path

    def close(self) -> None:
        """Nothing is left to complete."""

    def _labels(self, record: ImageRecord, base: Path) -> None:
        size_wh = record.size_wh or (0, 0)
        label_ids, instance_ids = draw_ids(record.instances, size_wh)
        put_json(base.with_name(base.name + '_polygons.json'),
                 format_polygons(record.instances, size_wh))
        put_png(base.with_name(base.name + '_labelIds.png'), label_ids)
        put_png(base.with_name(base.name + '_instanceIds.png'), instance_ids)

    def _name(self, record: ImageRecord) -> tuple[str, str]:
        match = CORE.fullmatch(record.id)
        if match is not None:
            return match['city'], record.id
        city = city_name(record.video or record.split)
        number = self._counts.get(city, 0)
        self._counts[city] = number + 1
        return city, core_name(city, 0, number)
