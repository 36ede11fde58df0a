# SPDX-License-Identifier: Apache-2.0
"""COCO's trees: annotations/{instances,person_keypoints}_SPLIT.json beside SPLIT/*.jpg."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from anon_ros.datasets.categories import COCO_FIRST_FREE_ID, COCO_IDS, PERSON, is_person
from anon_ros.datasets.coco import (
    FORMAT,
    KEYPOINT_NAMES,
    SKELETON,
    format_annotation,
    parse_annotation,
)
from anon_ros.datasets.coco_index import CocoIndex, Place
from anon_ros.datasets.disk_set import DiskSet
from anon_ros.datasets.files import below, chosen_splits, put_image
from anon_ros.datasets.json_stream import read_item
from anon_ros.datasets.records import ImageRecord, Instance, extra_of, own_extra
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from anon_ros.datasets.problems import Problems

_FILE = re.compile(r'(instances|person_keypoints)_(?P<split>[A-Za-z0-9-]+)\.json')
_READ = frozenset({
    'id', 'file_name', 'width', 'height', 'attributes', 'timestamp', 'video', 'frame_index',
})
_SHARED = ('segmentation', 'bbox', 'category_id', 'iscrowd')
_LABELS = 'annotations'
_LARGEST_ID = 1 << 62


class CocoReader:
    """
    Reads the splits of a COCO dataset.

    annotations: a file to take instead of those in the tree. Raises InputError where none is.
    """

    def __init__(
        self, root: Path, problems: Problems, splits: Sequence[str] = (),
        annotations: Path | None = None,
    ) -> None:
        self._root, self._problems = root, problems
        found = find_files(root) if annotations is None else {annotations.stem: [annotations]}
        if not found:
            raise InputError(
                f'{root}: no COCO dataset: no {_LABELS}/instances_SPLIT.json or '
                'person_keypoints_SPLIT.json; name a file with --annotations')
        self._files = {split: found[split] for split in chosen_splits(root, found, splits)}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are read."""
        return tuple(self._files)

    @property
    def label_files(self) -> list[Path]:
        """All files that hold annotations of these splits."""
        beside = (self._root / _LABELS).glob('*.json')
        named = {path for files in self._files.values() for path in files}
        return sorted(named | {
            path for path in beside if path.stem.rsplit('_', 1)[-1] in self._files})

    def records(self) -> Iterator[ImageRecord]:
        """Yield all images, split by split, in the order of the files."""
        for split, files in self._files.items():
            index = CocoIndex(files, self._problems)
            try:
                yield from self._split(split, files, index)
            finally:
                index.close()

    def _split(
        self, split: str, files: Sequence[Path], index: CocoIndex
    ) -> Iterator[ImageRecord]:
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open('rb')) for path in files]
            folder: str | None = None
            # Where no category means a person, nobody annotated people, who may be there.
            knows_people = any(map(is_person, index.categories.values()))
            for identity, place, damage in index.images():
                value = read_item(opened[place.file], place.offset, place.length)
                name = value.get('file_name')
                if folder is None and isinstance(name, str):
                    folder = self._folder(split, name)
                record = self._record(
                    split, folder or '', identity, value, damage,
                    self._instances(opened, index, identity, value, files))
                yield replace(record, is_labelled=knows_people)

    def _record(
        self, split: str, folder: str, identity: int, value: Mapping[str, Any],
        damage: str | None, found: tuple[list[Instance], list[str]],
    ) -> ImageRecord:
        instances, problems = found
        name = value.get('file_name')
        if not isinstance(name, str) or not below(name):
            problems.append(self._problems.report(
                'image without a file name of its own folder', split, identity, repr(name)[:60]))
            name = f'{identity}'
        size_wh = _size(value)
        if size_wh is None:
            problems.append(self._problems.report('image without a size', name, identity))
        path = f'{folder}{name}'
        if not (self._root / path).is_file():
            problems.append(self._problems.report('missing image', path, identity))
        if damage is not None:
            problems.append(damage)
        return ImageRecord(
            str(identity), split, path, size_wh, tuple(instances),
            value.get('attributes') or {}, value.get('timestamp'), value.get('video'),
            value.get('frame_index'), problems=tuple(problems),
            extra=own_extra(FORMAT, value, _READ))

    def _instances(
        self, opened: Sequence[IO[bytes]], index: CocoIndex, image: int,
        value: Mapping[str, Any], files: Sequence[Path],
    ) -> tuple[list[Instance], list[str]]:
        """Return what is annotated, the keypoints merged into the instances, and problems."""
        merged: dict[int, dict[str, Any]] = {}
        places: dict[int, Place] = {}
        differing: set[int] = set()
        for identity, place in index.annotations(image):
            file = opened[place.file]
            annotation = read_item(file, place.offset, place.length)  # type: ignore[arg-type]
            before = merged.get(identity, {})
            differing |= {identity for key in _SHARED if before.get(key, annotation.get(key))
                          != annotation.get(key)}
            merged[identity] = {**annotation, **before}
            places.setdefault(identity, place)
        instances: list[Instance] = []
        problems: list[str] = []
        for identity, annotation in merged.items():
            with self._problems.caught(problems, files[places[identity].file], identity):
                instances.append(
                    parse_annotation(annotation, index.categories, _size(value) or (1, 1)))
                if identity in differing:
                    raise ValueError('two files say different things of an annotation')
        return instances, problems

    def _folder(self, split: str, name: str) -> str:
        """Return where a split's images lie, with the last '/'."""
        for folder in (f'{split}/', f'images/{split}/', 'images/', ''):
            if (self._root / folder / name).is_file():
                return folder
        return f'{split}/'


class CocoWriter:
    """
    Writes a COCO dataset, image by image; annotations go through a temporary file.

    Instances go into instances_SPLIT.json, people with keypoints into person_keypoints_SPLIT.json
    as well. Ids are kept where they are numbers that nobody has used yet.
    """

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root, self._problems = root, problems
        self._splits: dict[str, _Split] = {}

    def add(self, record: ImageRecord, image: bytes | Path | None = None) -> str:
        """Write a record; image: its bytes, or a file to copy. Returns the image's new path."""
        name = _split_name(record.split)
        if name not in self._splits:
            self._splits[name] = _Split()
        path = f'{name}/{record.name}'
        put_image(self._root / path, image)
        self._splits[name].add(record, record.name)
        return path

    def close(self) -> None:
        """Complete the JSON files."""
        folder = self._root / _LABELS
        folder.mkdir(parents=True, exist_ok=True)
        for name, split in self._splits.items():
            split.write(folder, name)


class _Split:
    def __init__(self) -> None:
        self._files = ExitStack()
        self._images, self._annotations, self._people = (_spool(self._files) for _ in range(3))
        self._categories: dict[str, int] = {}
        self._used = {'image': DiskSet(), 'annotation': DiskSet()}
        self._next = {'image': 1, 'annotation': 1}

    def add(self, record: ImageRecord, name: str) -> None:
        identity = self._identity('image', record.id)
        width, height = record.size_wh or (0, 0)
        image = {**extra_of(record, FORMAT), 'id': identity, 'file_name': name, 'width': width,
                 'height': height}
        known = {'attributes': dict(record.attributes) or None, 'timestamp': record.stamp_ms,
                 'video': record.video, 'frame_index': record.frame_index}
        image |= {key: item for key, item in known.items() if item is not None}
        _append(self._images, image)
        for instance in record.instances:
            annotation = format_annotation(
                instance, record, self._identity('annotation', instance.id), identity,
                self._category(instance.category))
            _append(self._annotations, {
                key: item for key, item in annotation.items()
                if key not in {'keypoints', 'num_keypoints'}})
            if instance.keypoints is not None:
                _append(self._people, annotation)

    def write(self, folder: Path, name: str) -> None:
        self._write(folder / f'instances_{name}.json', self._annotations, [
            {'id': number, 'name': category, 'supercategory': category}
            for category, number in sorted(self._categories.items(), key=lambda item: item[1])])
        if self._people.tell():
            self._write(folder / f'person_keypoints_{name}.json', self._people, [{
                'id': COCO_IDS[PERSON], 'name': PERSON, 'supercategory': PERSON,
                'keypoints': KEYPOINT_NAMES, 'skeleton': SKELETON}])
        self._files.close()
        for used in self._used.values():
            used.close()

    def _write(
        self, path: Path, annotations: IO[str], categories: Sequence[Mapping[str, object]]
    ) -> None:
        with path.open('w', encoding='utf-8') as file:
            file.write('{"info": {}, "licenses": [], "images": [')
            _copy(self._images, file)
            file.write('], "annotations": [')
            _copy(annotations, file)
            file.write('], "categories": ' + json.dumps(categories) + '}\n')

    def _identity(self, kind: str, text: str) -> int:
        """Return a number for an id: its own where it is one and free, else the next free one."""
        used = self._used[kind]
        number = int(text) if text.isdecimal() and text.isascii() else 0
        if 0 < number < _LARGEST_ID and used.add(number):
            return number
        while not used.add(self._next[kind]):
            self._next[kind] += 1
        return self._next[kind]

    def _category(self, name: str) -> int:
        if name not in self._categories:
            free = COCO_FIRST_FREE_ID + sum(each not in COCO_IDS for each in self._categories)
            self._categories[name] = COCO_IDS.get(name, free)
        return self._categories[name]


def find_files(root: Path) -> dict[str, list[Path]]:
    """Return the annotation files of each split, instances first."""
    found: dict[str, list[Path]] = {}
    for folder in (root / _LABELS, root):
        for path in sorted(folder.glob('*.json')) if folder.is_dir() else ():
            match = _FILE.fullmatch(path.name)
            if match:
                found.setdefault(match['split'], []).append(path)
        if found:
            break
    return found


def _size(value: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = value.get('width'), value.get('height')
    if type(width) is int and type(height) is int and 0 < min(width, height) < 1 << 16:
        return width, height
    return None


def _spool(files: ExitStack) -> IO[str]:
    return files.enter_context(tempfile.TemporaryFile('w+', encoding='utf-8'))


def _split_name(split: str) -> str:
    return split.replace('/', '-').replace('_', '-')


def _append(file: IO[str], value: Mapping[str, object]) -> None:
    file.write((',\n' if file.tell() else '\n') + json.dumps(value, ensure_ascii=False))


def _copy(source: IO[str], target: IO[str]) -> None:
    source.flush()
    end = source.tell()
    source.seek(0)
    while block := source.read(1 << 20):
        target.write(block)
    source.seek(end)
