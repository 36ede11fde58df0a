# SPDX-License-Identifier: Apache-2.0
"""
The labels of a split as one file: a line an image, read in any order, by several processes.

A large dataset's annotations do not fit into the memory of each of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.datasets.files import put_json
from anon_ros.datasets.formats import open_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import silhouette, to_rle
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, Mask
    from anon_ros.datasets.records import ImageRecord, Instance

INDEX_SUFFIX = '.index.npy'


@dataclass(frozen=True)
class Thing:
    """
    One annotated thing that is learned or tested.

    label: from 1 on, in the order of the study's classes. box_xyxy: in px. rle: its silhouette.
    keypoints: 17 of x, y, visibility, or (). is_ignored: crowds and what the dataset ignores.
    attributes: what else is said of it, such as who it is. face_xyxy: where a face is annotated.
    """

    label: int
    box_xyxy: tuple[float, float, float, float]
    rle: str
    keypoints: tuple[tuple[float, float, float], ...] = ()
    is_ignored: bool = False
    attributes: Mapping[str, object] | None = None
    face_xyxy: tuple[float, float, float, float] | None = None

    def mask(self, size_wh: tuple[int, int]) -> Mask | None:
        """Return its silhouette; None where nothing of it is seen."""
        return rle.decode(self.rle, size_wh)


@dataclass(frozen=True)
class Labels:
    """One image's labels. id: of the dataset. path: below its root."""

    id: str
    path: str
    size_wh: tuple[int, int]
    things: tuple[Thing, ...]


class LabelStore:
    """The labels of a split; a line is read when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Open a file that write_labels wrote; raises InputError where it is not to be read."""
        self.path = path
        try:
            self._offsets = np.load(path.with_suffix(INDEX_SUFFIX))
        except (OSError, ValueError) as error:
            raise InputError(f'{path}: no labels of a study: {error}') from error

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Labels:
        with self.path.open('rb') as file:
            file.seek(int(self._offsets[index]))
            return _parse(json.loads(file.readline()))


def write_labels(
    records: Iterable[ImageRecord], classes: Sequence[str], path: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """
    Write the labels of images; return how many images were left out for a problem.

    Raises ValueError for an instance whose outline is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    offsets: list[int] = []
    left_out = 0
    with partial.open('wb') as file:
        for record in records:
            if record.problems or record.size_wh is None or not record.is_labelled:
                left_out += 1
                continue
            offsets.append(file.tell())
            file.write(json.dumps(_format(record, record.size_wh, classes)).encode() + b'\n')
            progress(len(offsets))
    np.save(path.with_suffix(INDEX_SUFFIX), np.array(offsets, np.int64))
    partial.rename(path)
    return left_out


def store_split(
    root: Path, format_name: str, split: str, classes: Sequence[str], path: Path,
    annotations: Path | None = None, progress: Callable[[int], None] = lambda _: None,
) -> LabelStore:
    """
    Return the labels of a dataset's split, read once and kept while the label files are the same.

    Raises InputError for a split without usable images, or a damaged dataset.
    """
    problems = Problems('stop')
    reader = open_dataset(root, format_name, problems, splits=(split,), annotations=annotations)
    state = {'files': _sizes(reader.label_files, root), 'classes': list(classes), 'split': split}
    note = path.with_suffix('.json')
    if not _is_same(note, state) or not path.is_file():
        note.unlink(missing_ok=True)
        write_labels(reader.records(), classes, path, progress)
        put_json(note, state)
    store = LabelStore(path)
    if not len(store):
        raise InputError(f'{root}: no usable image in the split {split}')
    return store


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    found = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _sizes(files: Iterable[Path], root: Path) -> dict[str, list[int]]:
    found = {}
    for path in files:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        stat = path.stat()
        found[name] = [stat.st_size, stat.st_mtime_ns]
    return found


def _is_same(note: Path, state: object) -> bool:
    try:
        return bool(json.loads(note.read_text()) == state)
    except (OSError, ValueError):
        return False


def _format(
    record: ImageRecord, size_wh: tuple[int, int], classes: Sequence[str]
) -> dict[str, Any]:
    things = []
    for each in record.instances:
        if each.category in classes:
            thing = _thing(each, size_wh, classes.index(each.category) + 1)
            if thing is not None:
                things.append(thing)
    return {'id': record.id, 'path': record.path, 'size_wh': size_wh, 'things': things}


def _thing(
    instance: Instance, size_wh: tuple[int, int], label: int
) -> dict[str, Any] | None:
    mask = silhouette(instance, size_wh) if instance.has_shape else None
    box = instance.box_xyxy
    if box is None:
        if mask is None:
            return None
        x_min, y_min, x_max, y_max = (float(edge) for edge in masks.mask_to_box(mask))
        box = (x_min, y_min, x_max, y_max)
    said = instance.extra.get('coco', {})
    face = said.get('face_box') if isinstance(said, dict) and said.get('face_valid') else None
    result = {
        'label': label, 'box': box, 'rle': to_rle(instance, size_wh) or '',
        'keypoints': instance.keypoints or (),
        'ignored': instance.is_crowd or instance.is_ignored,
        'attributes': {
            key: value for key, value in instance.attributes.items() if isinstance(value, str)},
        'face': face,
    }
    return {key: value for key, value in result.items() if value}


def _parse(value: Mapping[str, Any]) -> Labels:
    width, height = value['size_wh']
    return Labels(
        value['id'], value['path'], (width, height), tuple(
            Thing(
                each['label'], tuple(each['box']), each.get('rle', ''),
                tuple(map(tuple, each.get('keypoints', ()))), bool(each.get('ignored')),
                each.get('attributes'), _face(each.get('face')))
            for each in value['things']))


def _face(value: Sequence[float] | None) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    x, y, width, height = value
    return x, y, x + width, y + height


def boxes_of(things: Sequence[Thing]) -> Float32Array:
    """Return (N, 4) float32 boxes."""
    return np.array([each.box_xyxy for each in things], np.float32).reshape(-1, 4)
