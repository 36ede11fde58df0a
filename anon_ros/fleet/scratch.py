# SPDX-License-Identifier: Apache-2.0
"""Bags that lie elsewhere, here for a while: in a folder that no kill leaves behind for long."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anon_ros.errors import OutputError
from anon_ros.fleet.place import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.fleet.bags import Bag
    from anon_ros.fleet.place import FileInfo, Place


@contextmanager
def local_bag(
    place: Place, bag: Bag, files: Sequence[FileInfo], work: Path
) -> Iterator[Path]:
    """Yield the path of a bag with some of its files, fetched where it lies elsewhere."""
    if place.folder is not None:
        yield place.folder / check_name(bag.name)
        return
    with scratch(work) as folder:
        base = bag.name.rpartition('/')[0]
        for file in files:
            place.fetch(file.name, folder / check_name(file.name.removeprefix(f'{base}/')))
        yield folder / bag.name.rpartition('/')[2]


@contextmanager
def scratch(work: Path) -> Iterator[Path]:
    """
    Yield an empty folder of one's own; it goes with the block.

    What others left who are no more is removed first: it may be clear pictures.
    Raises OutputError where none can be made.
    """
    folder, lock = _new(work / 'scratch')
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new(base: Path) -> tuple[Path, int]:
    """Return a new folder and the descriptor that keeps it from being swept."""
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        guard = os.open(base, os.O_RDONLY)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            _sweep(base)
            folder = base / uuid.uuid4().hex
            folder.mkdir(mode=0o700)
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        finally:
            os.close(guard)
    except OSError as error:
        raise OutputError(f'{base}: cannot be made: {error.strerror}') from error
    return folder, lock


def _sweep(base: Path) -> None:
    """Remove the folders that no living process holds."""
    for folder in base.iterdir():
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # its owner has just removed it
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
