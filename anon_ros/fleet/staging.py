# SPDX-License-Identifier: Apache-2.0
"""
Where a bag grows until it is whole, and what is left of it when its worker dies.

In a folder here, results grow in its own file system, so that one rename shows them:

    .anon-fleet/growing/<bag>.work/
        lock         held by the worker
        begun.json   source, settings and secret: only with the same ones is it gone on with
        <bag>        as runs.bag writes it, <bag>.partial until it is complete

For a store elsewhere they grow in the worker's own scratch folder and are uploaded.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anon_ros import __version__
from anon_ros.bags.storage.partial import sidecar_beside, write_atomically
from anon_ros.core.file_lock import open_locked
from anon_ros.errors import BusyError, OutputError
from anon_ros.fleet.bags import SIDECAR_SUFFIX, STATE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anon_ros.fleet.place import Place
    from anon_ros.fleet.tasks import RewriteTask

_LOCK, _BEGUN = 'lock', 'begun.json'


def staging_name(bag: str) -> str:
    """Return the folder in which a bag's result grows, by its name in the target."""
    return f'{STATE_FOLDER}/growing/{bag}.work'


@contextmanager
def staging(task: RewriteTask, settings_hash: str, folder: Path) -> Iterator[Path]:
    """
    Yield the path at which to write a bag; remove the folder when the block ends.

    What a killed worker left there stays where it was begun alike, and is removed otherwise.
    Raises BusyError where another worker is at it.
    """
    lock = _lock(folder)
    try:
        path = folder / task.bag.name.rpartition('/')[2]
        begun = json.dumps([task.fingerprint, settings_hash, task.secret_id, __version__])
        if path.exists() or _text(folder / _BEGUN) != begun:
            _clear(folder)
            write_atomically(folder / _BEGUN, begun)
        yield path
    finally:
        # Also after an error: what is unfinished may be what fills the disk.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def files_of(staged: Path, name: str) -> dict[str, int]:
    """Return the files of a complete result: names in the target, sizes in bytes."""
    sidecar = sidecar_beside(staged)
    roots = {name: staged, f'{name}{SIDECAR_SUFFIX}': sidecar}
    return {
        f'{root_name}/{file.relative_to(root).as_posix()}' if file != root else root_name:
            file.stat().st_size
        for root_name, root in roots.items() if root.exists()
        for file in (sorted(root.rglob('*')) if root.is_dir() else [root]) if file.is_file()
    }


def publish(staged: Path, target: Place, name: str) -> None:
    """Show a complete result: what lies beside a lone file first, then the bag itself."""
    sidecar = sidecar_beside(staged)
    if sidecar.exists():
        target.publish(sidecar, f'{name}{SIDECAR_SUFFIX}')
    target.publish(staged, name)


def withdraw(target: Place, name: str) -> None:
    """Remove a result, the bag itself first: what is left of it opens as none."""
    target.remove(name)
    target.remove(f'{name}{SIDECAR_SUFFIX}')


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # On a file system without locks the lease has to do.
        return open_locked(folder / _LOCK)
    except BlockingIOError as error:
        raise BusyError(f'{folder}: another worker is at it') from error
    except OSError as error:
        raise OutputError(f'{folder}: cannot be made: {error.strerror}') from error


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != _LOCK:
            each.unlink()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError:
        return ''
