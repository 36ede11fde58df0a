# SPDX-License-Identifier: Apache-2.0
"""
What is asked of the place where bags lie: a folder here, or a tree of objects elsewhere.

Names are relative to the place, with '/' between their parts. What is needed of a place is little:
a small file appears whole, and of several who create one of a name only one succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


def check_name(name: str) -> str:
    """Return a name inside a place; raise InputError for one that leads out of it."""
    parts = name.split('/')
    if any(part in {'', '.', '..'} or '\\' in part or '\0' in part for part in parts):
        raise InputError(f'{name!r}: not a name inside a folder; it is not touched')
    return name
