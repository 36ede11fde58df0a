# SPDX-License-Identifier: Apache-2.0
"""BDD100K's trees: images/{100k,10k}/SPLIT, labels/det_20 and labels/ins_seg."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from anon_ros.datasets.bdd100k import (
    FORMAT,
    FRAME_READ,
    IMAGE_SIZE_WH,
    decode_bitmask,
    encode_bitmask,
    format_frame,
    format_label,
    is_shaped,
    parse_label,
    parse_size,
    with_outline,
)
from anon_ros.datasets.disk_set import DiskSet
from anon_ros.datasets.files import (
    as_jpeg,
    below,
    chosen_splits,
    get_png,
    put_image,
    put_png,
    walk,
)
from anon_ros.datasets.json_stream import items
from anon_ros.datasets.records import ImageRecord, own_extra
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.datasets.problems import Problems
    from anon_ros.datasets.records import Instance

DETECTION, SEGMENTATION = '100k', '10k'
_INS_SEG = 'labels/ins_seg'
_BITMASKS = f'{_INS_SEG}/bitmasks'
_SHAPE_FILES = (f'{_INS_SEG}/rles/ins_seg_{{}}.json', f'{_INS_SEG}/polygons/ins_seg_{{}}.json')


class BddReader:
    """
    Reads the splits of BDD100K: '100k/train' with its boxes, '10k/train' with its silhouettes.

    Silhouettes come from the run lengths, else from the bitmasks, else from the polygons.
    Raises InputError where there is no dataset.
    """

    def __init__(self, root: Path, problems: Problems, splits: Sequence[str] = ()) -> None:
        self._root, self._problems = root, problems
        found = [
            f'{subset}/{each.name}' for subset in (DETECTION, SEGMENTATION)
            for each in sorted((root / 'images' / subset).glob('*')) if each.is_dir()
        ]
        if not found:
            raise InputError(f'{root}: no BDD100K dataset: no images/100k or images/10k in it')
        self.splits = chosen_splits(root, found, splits)

    @property
    def label_files(self) -> Iterator[Path]:
        """All files that hold annotations."""
        for path in walk(self._root / 'labels'):
            if path.suffix in {'.json', '.png'}:
                yield path

    def records(self) -> Iterator[ImageRecord]:
        """Yield all images with annotations, split by split, in the order of the label files."""
        for split in self.splits:
            subset, name = split.split('/')
            if subset == DETECTION:
                path = self._root / f'labels/det_20/det_{name}.json'
                if path.is_file():
                    yield from self._frames(path, split)
                continue
            rles, polygons = (self._root / each.format(name) for each in _SHAPE_FILES)
            if rles.is_file():
                yield from self._frames(rles, split)
            elif (self._root / _BITMASKS / name).is_dir():
                yield from self._bitmasks(split, name)
            elif polygons.is_file():
                yield from self._frames(polygons, split)

    def _frames(self, path: Path, split: str) -> Iterator[ImageRecord]:
        names = DiskSet()
        for item in items(path):
            if not item.is_element or item.key not in {'', 'frames'}:
                continue
            name = item.value.get('name') if isinstance(item.value, dict) else None
            if not isinstance(name, str) or not below(name):
                self._problems.report('frame without a name', path, detail=str(item.value)[:60])
                continue
            problems = [] if names.add(name) else [
                self._problems.report('duplicate id', path, name, 'frame')]
            yield self._record(item.value, name, split, path, problems)
        names.close()

    def _record(
        self, frame: dict[str, Any], name: str, split: str, path: Path, problems: list[str]
    ) -> ImageRecord:
        image = f'images/{split}/{name}'
        if not (self._root / image).is_file():
            problems.append(self._problems.report('missing image', image, name))
        size_wh = parse_size(frame)
        labels = frame.get('labels') or ()
        instances: list[Instance] = []
        used: set[str] = set()
        for number, label in enumerate(labels, 1):
            identity = label.get('id', '') if isinstance(label, dict) else ''
            with self._problems.caught(problems, path, f'{name} {identity}'):
                instance = parse_label(label, number, size_wh or IMAGE_SIZE_WH)
                if instance.id in used:
                    raise ValueError('duplicate id: label')
                used.add(instance.id)
                instances.append(instance)
        attributes = {
            key: value for key, value in (frame.get('attributes') or {}).items()
            if value != 'undefined'}
        return ImageRecord(
            name.rsplit('.', 1)[0], split, image, size_wh, tuple(instances), attributes,
            frame.get('timestamp'), frame.get('videoName'), frame.get('frameIndex'),
            is_labelled=frame.get('labels') is not None,
            problems=tuple(problems), extra=own_extra(
                FORMAT, {k: v for k, v in frame.items() if v is not None}, FRAME_READ))

    def _bitmasks(self, split: str, name: str) -> Iterator[ImageRecord]:
        folder = self._root / _BITMASKS / name
        for path in sorted(folder.glob('*.png')):
            image = f'images/{split}/{path.stem}.jpg'
            problems: list[str] = []
            size_wh = None
            instances: list[Instance] = []
            if not (self._root / image).is_file():
                problems.append(self._problems.report(
                    'annotation for an image that is not there', path, path.stem))
            with self._problems.caught(problems, path, path.stem):
                pixels = get_png(path)
                size_wh = (pixels.shape[1], pixels.shape[0])
                instances = decode_bitmask(pixels)
            yield ImageRecord(
                path.stem, split, image, size_wh, tuple(instances), problems=tuple(problems))


class BddWriter:
    """
    Writes BDD100K, image by image.

    An image with silhouettes goes to 10k, with its bitmask, run lengths and outlines; one with
    boxes only to 100k, and one with nothing in it where the others of its split go. Images become
    JPEG.
    """

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root, self._problems = root, problems
        self._lists: dict[str, IO[str]] = {}
        self._subsets: dict[str, str] = {}

    def add(self, record: ImageRecord, image: bytes | Path | None = None) -> str:
        """Write a record; image: its bytes, or a file to copy. Returns the image's new path."""
        subset, split = self._place(record)
        name = f'{record.id}.jpg'.replace('/', '-')
        path = f'images/{subset}/{split}/{name}'
        put_image(self._root / path, None if image is None else as_jpeg(image))
        size_wh = record.size_wh or IMAGE_SIZE_WH
        if subset == SEGMENTATION and record.is_labelled:
            self._shapes(record, name, split, size_wh)
        else:
            boxes = [format_label(each, size_wh, box=True) for each in record.instances]
            found = [label for label in boxes if label and 'box2d' in label]
            self._append(f'det_20/det_{split}.json', format_frame(record, name, found))
        return path

    def close(self) -> None:
        """Complete the JSON files."""
        for file in self._lists.values():
            file.write('\n]\n')
            file.close()

    def _shapes(
        self, record: ImageRecord, name: str, split: str, size_wh: tuple[int, int]
    ) -> None:
        shaped = [each for each in record.instances if is_shaped(each)]
        bitmask = encode_bitmask(shaped, size_wh)
        put_png(self._root / _BITMASKS / split / f'{name.rsplit(".", 1)[0]}.png', bitmask)
        exact = [
            format_label(each, size_wh, mask=True, poly2d=True, box=each.box_xyxy is not None)
            for each in shaped]
        self._append(f'ins_seg/rles/ins_seg_{split}.json', format_frame(record, name, exact))
        outlined = [format_label(with_outline(each, size_wh), size_wh, poly2d=True)
                    for each in shaped]
        self._append(
            f'ins_seg/polygons/ins_seg_{split}.json', format_frame(record, name, outlined))

    def _place(self, record: ImageRecord) -> tuple[str, str]:
        subset, _, split = record.split.rpartition('/')
        if subset in {DETECTION, SEGMENTATION}:
            return subset, split
        if record.instances:
            is_shape = any(each.has_shape for each in record.instances)
            self._subsets[record.split] = SEGMENTATION if is_shape else DETECTION
        return self._subsets.get(record.split, SEGMENTATION), record.split.replace('/', '-')

    def _append(self, name: str, frame: dict[str, Any]) -> None:
        file = self._lists.get(name)
        if file is None:
            path = self._root / 'labels' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            file = self._lists[name] = path.open('w', encoding='utf-8')
            file.write('[\n')
        else:
            file.write(',\n')
        json.dump(frame, file, ensure_ascii=False)
