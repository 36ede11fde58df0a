# SPDX-License-Identifier: Apache-2.0
"""
Put a corrected result in the place of the one it was made from.

The new one is whole, beside the old one, before anything is moved; every step can be done again,
so that whoever was killed in the middle finishes at the next start.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from anon_ros.audit import attack_table, signature, verification
from anon_ros.audit.manifest import SIDECAR
from anon_ros.errors import OutputError
from anon_ros.review.corrections import CORRECTIONS_NAME
from anon_ros.review.journal import JOURNAL_NAME

if TYPE_CHECKING:
    from pathlib import Path

_OUTDATED = frozenset({
    attack_table.FILE_NAME, signature.FILE_NAME, verification.FILE_NAME, CORRECTIONS_NAME,
    JOURNAL_NAME,
})
"""In a sidecar: what tells of the old result, or has been carried over already."""


def corrected_path(target: Path) -> Path:
    """Return where the corrected result grows."""
    return target.with_name(f'{target.stem}.corrected{target.suffix}')


def finish_swap(target: Path) -> bool:
    """
    Put the corrected result in its place, if there is one; return whether there was.

    Raises OutputError where that fails; it can be tried again.
    """
    new = corrected_path(target)
    if not new.exists():
        return False
    try:
        if new.is_dir():
            _swap_folders(new, target)
        else:
            _swap_files(new, target)
    except OSError as error:
        raise OutputError(
            f'{target}: the corrected result cannot take its place: {error.strerror}; it is '
            f'whole, in {new}; run the same command again'
        ) from error
    return True


def _swap_folders(new: Path, target: Path) -> None:
    old = target.with_name(f'{target.name}.replaced')
    if target.exists():
        _carry_over(target, new)
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _swap_files(new: Path, target: Path) -> None:
    new_sidecar, sidecar = _beside(new), _beside(target)
    if new_sidecar.exists():
        if sidecar.exists():
            _carry_over(sidecar, new_sidecar)
            shutil.rmtree(sidecar)
        new_sidecar.rename(sidecar)
    new.replace(target)


def _carry_over(old: Path, new: Path) -> None:
    """Move what somebody else put into a result's folder, or below."""
    for path in old.iterdir() if old.is_dir() else ():
        place = new / path.name
        if not place.exists() and path.name not in _OUTDATED:
            path.rename(place)
        elif path.is_dir() and place.is_dir():
            _carry_over(path, place)


def _beside(file: Path) -> Path:
    return file.with_name(f'{file.name}.{SIDECAR}')
