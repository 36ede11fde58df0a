# SPDX-License-Identifier: Apache-2.0
"""Find the bags of a place by the names of its files, and tell whether one has changed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.errors import UsageError
from anon_ros.fleet.place import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anon_ros.fleet.place import FileInfo, Place

METADATA = 'metadata.yaml'
STATE_FOLDER = '.anon-fleet'
SIDECAR_SUFFIX = '.anon'
_LEFT_OUT = ('.partial', SIDECAR_SUFFIX)
_BAG_FILE = re.compile(r'.+\.(?:db3|mcap|bag)(?:\.zstd)?')
_END_BYTES = 1 << 16


@dataclass(frozen=True)
class Bag:
    """
    A recording of a place.

    name: of its folder or lone file, in the place. files: what belongs to it, by the names in
    the place. is_folder: whether its files are what recorders split one recording into.
    """

    name: str
    files: tuple[FileInfo, ...]
    is_folder: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def recording_files(self) -> tuple[FileInfo, ...]:
        """The files that hold messages."""
        return tuple(file for file in self.files if is_bag_file(file.name))


@dataclass(frozen=True)
class Found:
    """The bags of a place by name, and how many files belong to none."""

    bags: tuple[Bag, ...]
    other_files: int


def is_bag_file(name: str) -> bool:
    """Return whether a file's name is that of a recording."""
    return _BAG_FILE.fullmatch(name.rpartition('/')[2]) is not None


def find_bags(files: Iterable[FileInfo]) -> Found:
    """
    Return the bags among the files of a place.

    A folder is a bag where it holds a metadata.yaml, or nothing but files of recordings that are
    numbered under the folder's own name, as recorders split one; whatever lies below belongs to
    it. Everywhere else each file of a recording is a bag of its own. Hidden folders, unfinished
    results and what lies beside results are left out.
    Raises UsageError where the place itself is a bag, InputError for names that lead out of it.
    """
    folders: dict[str, list[FileInfo]] = {}
    for file in files:
        check_name(file.name)
        folder = file.name.rpartition('/')[0]
        if not _is_left_out(folder):
            folders.setdefault(folder, []).append(file)
    found: list[Bag] = []
    other_files = 0
    for folder in sorted(folders, key=lambda each: each.split('/')):
        # Folders come before what lies below them.
        if found and found[-1].is_folder and folder.startswith(f'{found[-1].name}/'):
            continue
        bags = _bags_of(folder, sorted(folders[folder], key=lambda each: each.name))
        found += bags
        other_files += len(folders[folder]) - sum(len(bag.files) for bag in bags)
    return Found(tuple(found), other_files)


def _is_left_out(folder: str) -> bool:
    return any(part.startswith('.') or part.endswith(_LEFT_OUT) for part in folder.split('/'))


def _bags_of(folder: str, files: Sequence[FileInfo]) -> list[Bag]:
    recordings = [file for file in files if is_bag_file(file.name)]
    has_metadata = any(file.name.rpartition('/')[2] == METADATA for file in files)
    if has_metadata and not folder:
        raise UsageError('the source is a bag itself: name the folder around it, or use '
                         '`anon-ros bag`')
    if folder and (has_metadata or _are_splits(folder, recordings)):
        own = [file for file in files
               if is_bag_file(file.name) or file.name.rpartition('/')[2] == METADATA]
        return [Bag(folder, tuple(own), is_folder=True)]
    return [Bag(file.name, (file,), is_folder=False) for file in recordings]


def _are_splits(folder: str, files: Sequence[FileInfo]) -> bool:
    pattern = re.compile(re.escape(folder.rpartition('/')[2]) + r'_\d+\.')
    return bool(files) and all(
        pattern.match(file.name.rpartition('/')[2]) for file in files)


def fingerprint(bag: Bag, place: Place) -> str:
    """
    Return a hash that changes with a bag: of its files' names and sizes, and of their content.

    Of the content it takes the store's own tag or, without one, the first and last 64 KiB of each
    file, where every format keeps its index. It is no proof against a forger.
    """
    content = [(file.name, file.size_bytes, file.tag or _ends(file, place)) for file in bag.files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _ends(file: FileInfo, place: Place) -> str:
    head = place.read(file.name, 0, _END_BYTES)
    tail = place.read(file.name, max(file.size_bytes - _END_BYTES, 0), file.size_bytes)
    return hashlib.sha256((head or b'') + (tail or b'')).hexdigest()
