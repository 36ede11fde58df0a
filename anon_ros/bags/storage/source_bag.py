# SPDX-License-Identifier: Apache-2.0
"""Opens a bag, whatever it is: a folder or a lone file, sqlite3, mcap or ROS 1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.bags.storage import bag_metadata
from anon_ros.bags.storage import mcap_records as mcap
from anon_ros.bags.storage import ros1_records as ros1
from anon_ros.bags.storage.compression import FILE_SUFFIX, ZSTD_MAGIC, open_decompressed
from anon_ros.bags.storage.mcap_source import McapSource
from anon_ros.bags.storage.ros1_source import Ros1Source
from anon_ros.bags.storage.sqlite_source import MAGIC as SQLITE_MAGIC
from anon_ros.bags.storage.sqlite_source import SqliteSource
from anon_ros.errors import BagError, InputError

if TYPE_CHECKING:
    from types import TracebackType

    from anon_ros.bags.storage.interface import Attachment, Connection

_SUFFIXES = ('.db3', '.mcap', '.bag')

AnySource = McapSource | SqliteSource | Ros1Source


class SourceBag:
    """
    A bag open for reading; a context manager.

    path: as given. files: in the order of the recording. notes: what a user should know about
    what was found, one line each. information: the contents of metadata.yaml, None without one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.information: bag_metadata.Information | None = None
        self.is_folder = path.is_dir()
        self.files: list[AnySource] = []
        try:
            for each in self._find_files():
                self.files.append(_open_file(each))
            if len({type(file) for file in self.files}) > 1:
                raise BagError(f'{path}: holds bags of several kinds; name one of its files')
        except BaseException:
            self.close()
            raise

    @property
    def kind(self) -> str:
        """'sqlite3', 'mcap' or 'ros1'."""
        kinds = {McapSource: 'mcap', SqliteSource: 'sqlite3', Ros1Source: 'ros1'}
        return kinds[type(self.files[0])]

    @property
    def connections(self) -> list[Connection]:
        """The connections of all files; a topic appears once for each file it is in."""
        return [each for file in self.files for each in file.connections]

    @property
    def attachments(self) -> list[Attachment]:
        """What is in the files beside messages."""
        return [each for file in self.files for each in file.attachments]

    @property
    def message_count(self) -> int:
        """Messages in all files, -1 where only a full pass would tell."""
        counts = [file.message_count for file in self.files]
        return -1 if -1 in counts else sum(counts)

    def _find_files(self) -> list[Path]:
        if not self.path.exists():
            raise InputError(f'{self.path}: there is no such file or folder')
        if not self.is_folder:
            return [self.path]
        found = sorted((each for each in self.path.iterdir() if _has_suffix(each.name)),
                       key=lambda each: bag_metadata.natural_order(each.name))
        metadata = self.path / bag_metadata.NAME
        if metadata.exists():
            self.information = bag_metadata.load(metadata)
            found = self._match(found, bag_metadata.file_names(self.information))
        if not found:
            raise BagError(f'{self.path}: not a bag: it holds no {", ".join(_SUFFIXES)} file')
        return found

    def _match(self, found: list[Path], named: list[str]) -> list[Path]:
        """Return the files that the metadata names, or what is there where some are missing."""
        by_name = {each.name: each for each in found}
        for each in found:
            by_name.setdefault(each.name.removesuffix(FILE_SUFFIX), each)
        matched = [by_name[name] for name in named if name in by_name]
        if len(matched) == len(named):
            return matched
        others = [each for each in found if each not in matched]
        self.notes.append(
            f'{self.path}: {len(named) - len(matched)} of {len(named)} files that '
            f'{bag_metadata.NAME} names are not there; what is there is used')
        return matched + others

    @property
    def lacks_files(self) -> bool:
        """Whether the metadata names other files than those that are there."""
        if self.information is None:
            return False
        named = [each.removesuffix(FILE_SUFFIX)
                 for each in bag_metadata.file_names(self.information)]
        return named != [file.name.removesuffix(FILE_SUFFIX) for file in self.files]

    def close(self) -> None:
        """Let go of all files."""
        for file in self.files:
            file.close()

    def __enter__(self) -> SourceBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_bag(path: Path | str) -> SourceBag:
    """
    Open a bag for reading.

    Raises InputError when there is none, BagError when it is damaged or of an unknown kind; the
    message is one line that names the file, the cause and a remedy.
    """
    return SourceBag(Path(path))


def _has_suffix(name: str) -> bool:
    return name.removesuffix(FILE_SUFFIX).endswith(_SUFFIXES)


def _open_file(path: Path) -> AnySource:
    """Return a source of the kind that the file's first bytes tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if os.pread(descriptor, 4, 0) == ZSTD_MAGIC:
            os.close(descriptor)
            descriptor = open_decompressed(path)
    except OSError as error:
        raise InputError(f'{path}: cannot be read ({error.strerror})') from error
    try:
        return _source_class(path, os.pread(descriptor, 16, 0))(path, path.name, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _source_class(path: Path, head: bytes) -> type[AnySource]:
    if head.startswith(mcap.MAGIC):
        return McapSource
    if head == SQLITE_MAGIC:
        return SqliteSource
    if head.startswith(ros1.ANY_MAGIC):
        return Ros1Source
    if not head:
        raise BagError(f'{path}: is empty: the recording never wrote to it')
    raise BagError(f'{path}: not a bag: neither sqlite3 nor mcap nor ROS 1')
