# SPDX-License-Identifier: Apache-2.0
"""A tree of objects behind an fsspec URL: s3://, gs://, memory:// and others."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anon_ros.errors import AnonError, InputError, OutputError, StoreError, UsageError
from anon_ros.fleet.place import FileInfo, check_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAST_NAME = 'metadata.yaml'
"""What makes a folder of files a bag: it gets its place after all others."""
UPLOADS = '.anon-fleet/uploads'
_TAGS = ('ETag', 'etag', 'md5Hash', 'crc32c', 'content_md5')


class RemotePlace:
    """
    A prefix of objects; each object appears whole, a folder of them does not.

    So a result is uploaded under a name of its own first and copied to its place by the store,
    the file that makes it a bag last.
    """

    folder = None

    def __init__(self, url: str) -> None:
        """Raise UsageError where fsspec, or what it needs for this URL, is missing."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise UsageError(f"{url}: needs fsspec: pip install 'anon_ros[fleet]'") from error
        self.url = url.rstrip('/')
        try:
            self._fs, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UsageError(f'{url}: {error}') from error
        self._root = str(root).rstrip('/')

    def __reduce__(self) -> tuple[type[RemotePlace], tuple[str]]:
        """Open it anew in a worker: connections do not travel."""
        return RemotePlace, (self.url,)

    def files(self, prefix: str = '') -> Iterator[FileInfo]:
        """Yield all objects below a name; other programs may have added some meanwhile."""
        self._fs.invalidate_cache()
        with self._errors(prefix):
            found = self._fs.find(self._path(prefix), detail=True)
        for path, info in found.items():
            name = str(path).removeprefix(self._root).lstrip('/')
            tag = next((str(info[key]) for key in _TAGS if info.get(key)), '')
            yield FileInfo(name, int(info.get('size') or 0), tag)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Return an object's bytes, or a stretch of them; None where there is no such object."""
        try:
            with self._errors(name):
                return bytes(self._fs.cat_file(self._path(name), start=start, end=stop))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small object, over one that is there."""
        with self._errors(name):
            self._fs.pipe_file(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small object that is not there yet; return False where it is."""
        try:
            with self._errors(name):
                self._fs.pipe_file(self._path(name), data, mode='create')
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove an object, or all below a name."""
        try:
            with self._errors(name):
                self._fs.invalidate_cache()
                self._fs.rm(self._path(name), recursive=True)
        except FileNotFoundError:
            return

    def fetch(self, name: str, to: Path) -> None:
        """Copy an object into a local file."""
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._errors(name):
                self._fs.get_file(self._path(name), str(to))
        except FileNotFoundError as error:
            raise InputError(f'{self.url}/{name}: there is no such object') from error

    def publish(self, staged: Path, name: str) -> None:
        """Upload a file or folder aside, then let the store copy it to its place."""
        if any(True for _ in self.files(name)):
            raise OutputError(f'{self.url}/{name}: exists already and is never overwritten')
        aside = f'{UPLOADS}/{uuid.uuid4().hex}'
        files = [staged] if staged.is_file() else [
            each for each in sorted(staged.rglob('*')) if each.is_file()]
        files.sort(key=lambda each: each.name == LAST_NAME)
        names = [
            '' if each == staged else f'/{each.relative_to(staged).as_posix()}' for each in files
        ]
        try:
            with self._errors(name):
                for file, tail in zip(files, names, strict=True):
                    self._fs.put_file(str(file), self._path(aside + tail))
                for tail in names:
                    self._fs.cp_file(self._path(aside + tail), self._path(name + tail))
        finally:
            # Where it breaks off, half a bag stays until its next try: see claims.
            self.remove(aside)

    def _path(self, name: str) -> str:
        return f'{self._root}/{check_name(name)}' if name else self._root

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Turn whatever a store's own library raises into one line that names the object."""
        try:
            yield
        except (AnonError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each library raises a tree of its own
            cause = ' '.join(str(error).split()) or type(error).__name__
            raise StoreError(f'{self.url}/{name}: {cause}') from error
