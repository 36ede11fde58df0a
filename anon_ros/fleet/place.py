# SPDX-License-Identifier: Apache-2.0
"""
Where bags lie: a folder here, or a tree of objects elsewhere.

Names are relative to the place, with '/' between their parts. What is needed of a place is little:
a small file appears whole, and of several who create one of a name only one succeeds.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from anon_ros.errors import InputError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class FileInfo:
    """A file of a place; tag: what the place itself tells its content by, '' where it does not."""

    name: str
    size_bytes: int
    tag: str = ''


class Place(Protocol):
    """
    A folder or a prefix of objects, read and written by name.

    Its methods raise InputError, OutputError or StoreError that name the file and the cause.
    """

    @property
    def url(self) -> str:
        """What a user calls it."""

    @property
    def folder(self) -> Path | None:
        """The folder, where it is one of this machine's file system; else None."""

    def files(self, prefix: str = '') -> Iterator[FileInfo]:
        """Yield a file, or all below a name, in any order; nothing where there is none."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Return a file's bytes, or a stretch of them; None where there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one step, over one that is there."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file that is not there yet; return False where it is."""

    def remove(self, name: str) -> None:
        """Remove a file, or all below a name; nothing happens where there is none."""

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file of the place into a local one."""

    def publish(self, staged: Path, name: str) -> None:
        """
        Give a local file or folder its place; a bag there is whole or opens as none.

        Raises OutputError where something of that name is there.
        """


def open_place(url: str, *, make: bool = False) -> Place:
    """
    Return the place of a folder or of an fsspec URL.

    make: make the folder where it is missing. Raises InputError for a folder that is none,
    UsageError for a URL that nobody here opens.
    """
    if is_remote(url):
        from anon_ros.fleet.remote_place import RemotePlace

        return RemotePlace(url)
    folder = _folder(url)
    if make:
        _make(folder)
    if not folder.is_dir():
        raise InputError(f'{folder}: there is no such folder')
    return LocalPlace(folder)


class LocalPlace:
    """A folder of this machine's file system, or of one that it mounts."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self._root = folder

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._root)

    def files(self, prefix: str = '') -> Iterator[FileInfo]:
        """Yield all files below a name; links to folders are not followed."""
        start = self._path(prefix) if prefix else self._root
        paths = [start] if start.is_file() else (
            Path(folder) / name for folder, _, names in os.walk(start) for name in names)
        for path in paths:
            try:
                size_bytes = path.stat().st_size
            except OSError:  # gone meanwhile, or a link to nothing
                continue
            yield FileInfo(path.relative_to(self._root).as_posix(), size_bytes)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Return a file's bytes, or a stretch of them; None where there is no such file."""
        path = self._path(name)
        try:
            with path.open('rb') as file:
                file.seek(start)
                return file.read(-1 if stop is None else stop - start)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f'{path}: cannot be read: {error.strerror}') from error

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one step, over one that is there."""
        path = self._path(name)
        self._write_beside(path, data).replace(path)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file that is not there yet; return False where it is."""
        path = self._path(name)
        beside = self._write_beside(path, data)
        try:
            # Unlike an exclusive open, a link shows the file with its content.
            os.link(beside, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputError(f'{path}: cannot be made: {error.strerror}') from error
        finally:
            beside.unlink(missing_ok=True)
        return True

    def _write_beside(self, path: Path, data: bytes) -> Path:
        _make(path.parent)
        beside = path.with_name(f'.{path.name}.{uuid.uuid4().hex}')
        try:
            with beside.open('wb') as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
        return beside

    def remove(self, name: str) -> None:
        """Remove a file, or a folder and all below it."""
        path = self._path(name)
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f'{path}: cannot be removed: {error.strerror}') from error

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file of the place into a local one."""
        _make(to.parent)
        try:
            shutil.copyfile(self._path(name), to)
        except OSError as error:
            raise InputError(f'{self._path(name)}: cannot be copied: {error}') from error

    def publish(self, staged: Path, name: str) -> None:
        """Give a file or folder of the same file system its place, by one rename."""
        path = self._path(name)
        _make(path.parent)
        if path.exists() or path.is_symlink():
            raise OutputError(f'{path}: exists already and is never overwritten')
        try:
            staged.rename(path)
            descriptor = os.open(path.parent, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        except OSError as error:
            raise OutputError(f'{path}: cannot be made: {error.strerror}') from error

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)


def check_name(name: str) -> str:
    """Return a name inside a place; raise InputError for one that leads out of it."""
    parts = name.split('/')
    if any(part in {'', '.', '..'} or '\\' in part or '\0' in part for part in parts):
        raise InputError(f'{name!r}: not a name inside a folder; it is not touched')
    return name


def check_apart(source: str, target: str) -> None:
    """Raise UsageError where one address lies in the other: results would become sources."""
    first, second = _parts(source), _parts(target)
    shared = min(len(first), len(second))
    if first[:shared] == second[:shared]:
        raise UsageError(
            f'{source} and {target} lie one in the other: name a target apart from it')


def is_remote(url: str) -> bool:
    """Return whether an address is not of this machine's file system."""
    return '://' in url and not url.startswith(('file://', 'local://'))


def _folder(url: str) -> Path:
    return Path(url.split('://', 1)[-1]).absolute()


def _parts(url: str) -> tuple[str, ...]:
    if not is_remote(url):
        return _folder(url).resolve().parts
    scheme, _, rest = url.partition('://')
    return (scheme, *PurePosixPath(rest).parts)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'{folder}: cannot be made: {error.strerror}') from error
