# SPDX-License-Identifier: Apache-2.0
"""A folder of this machine's file system, or of one that it mounts."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.errors import InputError, OutputError
from anon_ros.fleet.place import FileInfo, check_name

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        beside = self._write_beside(path, data)
        try:
            beside.replace(path)
        except OSError as error:
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file that is not there yet; return False where it is."""
        path = self._path(name)
        beside = self._write_beside(path, data)
        try:
            # Unlike an exclusive open, a link shows the file with its content.
            os.link(beside, path)
        except (FileExistsError, FileNotFoundError):
            # Somebody else has made it, and may have swept what this one was about to show.
            return False
        except OSError as error:
            raise OutputError(f'{path}: cannot be made: {error.strerror}') from error
        finally:
            beside.unlink(missing_ok=True)
        return True

    def _write_beside(self, path: Path, data: bytes) -> Path:
        make_folder(path.parent)
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
        make_folder(to.parent)
        try:
            shutil.copyfile(self._path(name), to)
        except OSError as error:
            raise InputError(f'{self._path(name)}: cannot be copied: {error}') from error

    def publish(self, staged: Path, name: str) -> None:
        """Give a file or folder of the same file system its place, by one rename."""
        path = self._path(name)
        make_folder(path.parent)
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


def make_folder(folder: Path) -> None:
    """Make a folder and all above it; raise OutputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'{folder}: cannot be made: {error.strerror}') from error
