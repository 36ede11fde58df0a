# SPDX-License-Identifier: Apache-2.0
"""
The journal of a review: anon/review.jsonl, a line of JSON for each event, only ever appended to.

The first line names the recording, so that a journal is never taken for another one's.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anon_ros import __version__
from anon_ros.audit import typed_json
from anon_ros.audit.regions_file import Source  # noqa: TC001 - typed_json reads annotations
from anon_ros.core.file_lock import open_locked
from anon_ros.errors import InputError, OutputError
from anon_ros.review.edits import Applied, Edit, Event, Path, State, Turn, as_box, state_of

if TYPE_CHECKING:
    import pathlib
    from types import TracebackType

JOURNAL_NAME = 'review.jsonl'
SCHEMA, SCHEMA_VERSION = 'anon_ros/review', 1
MAX_BYTES = 256 * 2**20
_KINDS: dict[str, type[Event]] = {
    'edit': Edit, 'turn': Turn, 'path': Path, 'applied': Applied,
}


@dataclass(frozen=True)
class JournalHeader:
    """The first line; source: the recording, as in the regions file."""

    tool_version: str
    source: Source
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION


class Journal:
    """
    The events of a review, in memory and on disk; one process at a time writes.

    Raises InputError for a file that is no journal, or another recording's, OutputError where it
    cannot be written or somebody else is writing to it.
    """

    def __init__(self, path: pathlib.Path, source: Source) -> None:
        self.path = path
        self.events: list[Event] = []
        self._state: State | None = None
        try:
            self._file = open_locked(path, os.O_APPEND)
        except BlockingIOError:
            raise OutputError(
                f'{path}: another review of this result is open; close that one first') from None
        except OSError as error:
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
        try:
            self._load(source)
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> State:
        """What all events come to."""
        if self._state is None:
            self._state = state_of(self.events)
        return self._state

    @property
    def edits(self) -> list[Edit]:
        """All edits, also those that were undone or applied."""
        return [each for each in self.events if isinstance(each, Edit)]

    @property
    def next_id(self) -> int:
        """The id of the next edit."""
        return 1 + max((each.id for each in self.edits), default=0)

    def append(self, event: Event) -> None:
        """Take an event; it is on the disk when this returns."""
        self._write(_plain(event))
        self.events.append(event)
        self._state = None

    def copy_to(self, path: pathlib.Path, last: Event) -> None:
        """Write a journal that has one event more to another place."""
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        try:
            path.write_bytes(content + _line(_plain(last)))
        except OSError as error:
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self, source: Source) -> None:
        size = os.fstat(self._file).st_size
        if size > MAX_BYTES:
            raise InputError(f'{self.path}: larger than {MAX_BYTES >> 20} MiB; it is no journal')
        content = os.pread(self._file, size, 0)
        whole, end, _ = content.rpartition(b'\n')
        if not end:
            os.ftruncate(self._file, 0)
            self._write(typed_json.to_plain(JournalHeader(__version__, source)))
            return
        # A line that a kill cut short says nothing.
        os.ftruncate(self._file, len(whole) + 1)
        lines = whole.split(b'\n')
        self._check(lines[0], source)
        for number, line in enumerate(lines[1:], 2):
            self.events.append(self._event(number, line))

    def _check(self, line: bytes, source: Source) -> None:
        value = self._parsed(1, line)
        if value.get('schema') != SCHEMA or value.get('schema_version') != SCHEMA_VERSION:
            raise InputError(
                f'{self.path}: no journal of version {SCHEMA_VERSION} of {SCHEMA}'
            )
        try:
            header = typed_json.from_plain(JournalHeader, value)
        except ValueError as error:
            raise InputError(f'{self.path} line 1: {error}') from error
        differences = source.differences(header.source)
        if differences:
            raise InputError(
                f'{self.path}: of the review of another recording: {differences[0]}; remove it'
            )

    def _event(self, number: int, line: bytes) -> Event:
        value = self._parsed(number, line)
        kind = _KINDS.get(str(value.get('event')))
        if kind is None:
            raise InputError(f'{self.path} line {number}: the event is unknown')
        try:
            event = typed_json.from_plain(kind, value)
            if isinstance(event, Edit) and (event.box or event.action in {'draw', 'move'}):
                as_box(event.box)
        except ValueError as error:
            raise InputError(f'{self.path} line {number}: {error}') from error
        return event

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            value = typed_json.parse(line.decode())
        except ValueError as error:
            raise InputError(f'{self.path} line {number}: {error}') from error
        if not isinstance(value, dict):
            raise InputError(f'{self.path} line {number}: it is no object')
        return value

    def _write(self, value: dict[str, Any]) -> None:
        data = _line(value)
        try:
            while data:
                data = data[os.write(self._file, data):]
            os.fsync(self._file)
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be written: {error.strerror}') from error


def _plain(event: Event) -> dict[str, Any]:
    name = next(name for name, kind in _KINDS.items() if isinstance(event, kind))
    return {'event': name, **typed_json.to_plain(event)}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode() + b'\n'
