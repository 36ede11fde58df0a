# SPDX-License-Identifier: Apache-2.0
"""From what a user calls a place to the place."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from anon_ros.errors import InputError, UsageError
from anon_ros.fleet.local_place import LocalPlace, make_folder
from anon_ros.fleet.remote_place import RemotePlace

if TYPE_CHECKING:
    from anon_ros.fleet.place import Place


def open_place(url: str, *, make: bool = False) -> Place:
    """
    Return the place of a folder or of an fsspec URL.

    make: make the folder where it is missing. Raises InputError for a folder that is none,
    UsageError for a URL that nobody here opens.
    """
    if is_remote(url):
        return RemotePlace(url)
    folder = _folder(url)
    if make:
        make_folder(folder)
    if not folder.is_dir():
        raise InputError(f'{folder}: there is no such folder')
    return LocalPlace(folder)


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
