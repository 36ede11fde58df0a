# SPDX-License-Identifier: Apache-2.0
"""Datasets by the name of their format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from anon_ros.datasets.bdd100k_files import BddReader, BddWriter
from anon_ros.datasets.cityscapes_files import CityscapesReader, CityscapesWriter
from anon_ros.datasets.coco_files import CocoReader, CocoWriter
from anon_ros.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anon_ros.datasets.problems import Problems
    from anon_ros.datasets.records import ImageRecord


class DatasetReader(Protocol):
    """The images of a dataset, one after the other."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are read."""

    @property
    def label_files(self) -> Iterable[Path]:
        """The files that hold annotations and whatever belongs to them, but no photos."""

    def records(self) -> Iterator[ImageRecord]:
        """Yield every annotated image."""


class DatasetWriter(Protocol):
    """A dataset that grows image by image."""

    def add(self, record: ImageRecord, image: bytes | Path | None = None) -> str:
        """Write a record; image: its bytes, or a file to copy. Returns the image's new path."""

    def close(self) -> None:
        """Complete the files that hold all images' annotations."""


WRITERS: Mapping[str, Callable[[Path, Problems], DatasetWriter]] = {
    'coco': CocoWriter, 'cityscapes': CityscapesWriter, 'bdd100k': BddWriter,
}
FORMATS = tuple(WRITERS)


def open_dataset(
    root: Path, name: str, problems: Problems, *, splits: Sequence[str] = (),
    annotations: Path | None = None,
) -> DatasetReader:
    """
    Open a dataset of a format for reading.

    splits: as the format calls them, () for all. annotations: a COCO file beside the tree.
    Raises UsageError for an unknown format, InputError where there is no such dataset.
    """
    check_format(name)
    if not root.is_dir():
        raise InputError(f'{root}: there is no such folder')
    if name == 'coco':
        return CocoReader(root, problems, splits, annotations)
    if annotations is not None:
        raise UsageError(f'--annotations names a COCO file; {name} keeps its own in its tree')
    if name == 'cityscapes':
        return CityscapesReader(root, problems, splits)
    return BddReader(root, problems, splits)


def create_dataset(root: Path, name: str, problems: Problems) -> DatasetWriter:
    """Return a writer of a format. Raises UsageError for an unknown one."""
    check_format(name)
    return WRITERS[name](root, problems)


def check_format(name: str) -> None:
    """Raise UsageError for a format that nobody here knows."""
    if name not in WRITERS:
        raise UsageError(f"format '{name}' is unknown; there are {', '.join(FORMATS)}")
