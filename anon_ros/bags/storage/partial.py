# SPDX-License-Identifier: Apache-2.0
"""
The folder in which a bag grows, out of sight until it is whole.

    <target>.partial/
        lock           held by the run that writes
        source.json    which bag is being rewritten
        state/         how far each file has come
        bag/           <file>.part, and the sidecar folder anon/
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from anon_ros.core.file_lock import open_locked
from anon_ros.core.whole_file import write_whole
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PART_SUFFIX = '.part'
SIDECAR = 'anon'


@dataclass
class State:
    """
    How far one target file has come; survives a kill.

    source_offset, size: bytes of the source accounted for, bytes of the target that hold them.
    crc: running checksum of those, where the format wants one.
    counts, dropped: messages by connection id.
    """

    messages_done: int = 0
    source_offset: int = 0
    size: int = 0
    crc: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    counts: dict[int, int] = field(default_factory=dict)
    dropped: dict[int, int] = field(default_factory=dict)
    finished: bool = False

    @classmethod
    def load(cls, path: Path) -> State:
        """Return the stored state, a new one where there is none; raise OutputError if broken."""
        if not path.exists():
            return cls()
        try:
            values = json.loads(path.read_text())
            for name in ('counts', 'dropped'):
                values[name] = {int(key): int(count) for key, count in values[name].items()}
            return cls(**values)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise OutputError(
                f'{path}: cannot be resumed from ({error}); remove the .partial folder',
            ) from error

    def save(self, path: Path) -> None:
        """Store the state in one step."""
        write_atomically(path, json.dumps(asdict(self)))


def write_atomically(path: Path, text: str) -> None:
    """
    Write a small file in one step.

    Raises OutputError when it cannot be written.
    """
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise OutputError(f'{path}: cannot be written ({error.strerror})') from error


class Partial:
    """
    The partial folder of one target.

    names: the bag's files as they will be called.
    Raises OutputError when the target exists, when another run writes to it, when there is
    something to resume and nobody asked for it, or when it is of another source.
    """

    def __init__(
        self, target: Path, names: Sequence[str], identity: dict[str, Any], *, is_folder: bool,
        resume: bool,
    ) -> None:
        self.target = target
        self.path = target.with_name(target.name + '.partial')
        self.bag = self.path / 'bag'
        self.sidecar = self.bag / SIDECAR
        refuse_existing(target)
        if not is_folder and not self._marker.exists():
            refuse_existing(sidecar_beside(target))
        if self.path.exists() and not resume:
            raise OutputError(
                f'{self.path}: left by a run that did not end; resume it, or remove the folder',
            )
        self._lock = self._make_folders()
        try:
            self._check_identity(identity)
            self._undo_publishing(names)
        except BaseException:
            self.close()
            raise

    def _make_folders(self) -> int:
        try:
            for folder in (self.bag, self.path / 'state'):
                folder.mkdir(parents=True, exist_ok=True)
            return open_locked(self.path / 'lock')
        except BlockingIOError as error:
            raise OutputError(f'{self.path}: another run is writing there') from error
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be made ({error.strerror})') from error

    def _check_identity(self, identity: dict[str, Any]) -> None:
        path = self.path / 'source.json'
        if not path.exists():
            write_atomically(path, json.dumps(identity))
            return
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise OutputError(f'{path}: cannot be read ({error}); remove the folder') from error
        differing = [name for name in identity if known.get(name) != identity[name]]
        if differing:
            raise OutputError(f'{self.path}: begun with another {" and ".join(differing)}; '
                              'finish it with the same, or remove the folder')

    def _undo_publishing(self, names: Sequence[str]) -> None:
        """Take back what a run had shown when it was killed before the last rename."""
        sidecar = sidecar_beside(self.target)
        try:
            if self._marker.exists() and sidecar.exists() and not self.sidecar.exists():
                sidecar.rename(self.sidecar)
            for name in names:
                if (self.bag / name).exists():
                    (self.bag / name).rename(self.part_path(name))
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be written ({error.strerror})') from error

    @property
    def _marker(self) -> Path:
        """A file that says that the sidecar beside the target is this run's own."""
        return self.path / 'publishing'

    def state_path(self, name: str) -> Path:
        """Return where the state of a file is kept."""
        return self.path / 'state' / f'{name}.json'

    def part_path(self, name: str) -> Path:
        """Return where a file grows."""
        return self.bag / (name + PART_SUFFIX)

    def close(self) -> None:
        """Let go of the folder; it stays as it is."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def publish_folder(self, names: Sequence[str]) -> None:
        """Give the files their names and the folder its place: one rename shows all."""
        try:
            for name in names:
                _reveal(self.part_path(name), self.bag / name)
            refuse_existing(self.target)
            self.bag.rename(self.target)
            _sync_folder(self.target.parent)
        except OSError as error:
            raise OutputError(f'{self.target}: cannot be made ({error.strerror})') from error
        self._remove()

    def publish_file(self, name: str) -> None:
        """Put the sidecar folder in its place, then the bag file."""
        sidecar = sidecar_beside(self.target)
        try:
            if self.sidecar.exists():
                refuse_existing(sidecar)
                self._marker.touch()
                self.sidecar.rename(sidecar)
            _reveal(self.part_path(name), self.target)
            _sync_folder(self.target.parent)
        except OSError as error:
            raise OutputError(f'{self.target}: cannot be made ({error.strerror})') from error
        self._remove()

    def _remove(self) -> None:
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)


def sidecar_beside(target: Path) -> Path:
    """Return where the sidecar folder of a lone file lies."""
    return target.with_name(f'{target.name}.{SIDECAR}')


def refuse_existing(target: Path) -> None:
    """Raise OutputError where something exists already."""
    if target.exists() or target.is_symlink():
        raise OutputError(f'{target}: exists already and is never overwritten; name another')


def _reveal(part: Path, final: Path) -> None:
    """Rename without overwriting."""
    try:
        os.link(part, final)
    except FileExistsError as error:
        raise OutputError(f'{final}: exists already and is never overwritten') from error
    except OSError:  # a file system without hard links
        refuse_existing(final)
        part.rename(final)
        return
    part.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
