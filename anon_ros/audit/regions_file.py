# SPDX-License-Identifier: Apache-2.0
"""
The regions file: what was found in a recording, a line of JSON per frame.

The first line is the header, the last one counts the frames; docs/regions-file.md describes both.
A run that was killed leaves a file without its last line: it can be gone on with, not read.
"""

from __future__ import annotations

import json
import os
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from anon_ros.audit import typed_json
from anon_ros.audit.frame_regions import FrameRegions, from_plain, short, to_line
from anon_ros.audit.growing_file import GrowingFile
from anon_ros.errors import OutputError, RegionsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMA = 'anon_ros/regions'
SCHEMA_VERSION = 1
_LONGEST_LINE_BYTES = 1 << 26


@dataclass(frozen=True)
class Source:
    """
    The recording that was searched.

    name: for people. fingerprint: the same for the same recording wherever it lies.
    topics: messages of each topic that was searched.
    """

    name: str
    fingerprint: str
    start_ns: int = 0
    topics: dict[str, int] = field(default_factory=dict)

    def differences(self, other: Source) -> list[str]:
        """Return what tells another recording from this one, a phrase each; names do not."""
        found = []
        if self.start_ns != other.start_ns:
            found.append(f'starts at {other.start_ns} ns instead of {self.start_ns} ns')
        for topic in sorted(self.topics.keys() | other.topics.keys()):
            mine, others = self.topics.get(topic), other.topics.get(topic)
            if mine != others:
                found.append(f'{topic} has {_count(others)} instead of {_count(mine)}')
        if not found and self.fingerprint != other.fingerprint:
            found.append(
                f'its fingerprint is {other.fingerprint[:16]} instead of {self.fingerprint[:16]}'
            )
        return found


@dataclass(frozen=True)
class Header:
    """
    The first line: what made the file, from which recording and how.

    settings: core.settings.to_mapping. strike_tracks: in a file of corrections, the tracks of
    each topic that are to be left out wherever they are.
    """

    tool_version: str
    source: Source
    settings: dict[str, object] = field(default_factory=dict)
    strike_tracks: dict[str, tuple[int, ...]] = field(default_factory=dict)
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION


class Line(NamedTuple):
    """A line after the header: where it begins in the file, its number from 1, parsed JSON."""

    offset: int
    number: int
    value: dict[str, Any]


class RegionsWriter(GrowingFile):
    """
    Writes a regions file, frame by frame.

    Without append_after a new file is made. With it, a run goes on that was stopped: frames whose
    index is larger are cut from the file, so are a half-written line and the last line.
    Leaving the context by an exception leaves the file without its last line.

    Raises OutputError where the file exists already or cannot be written, RegionsError where the
    file to go on with is of another recording or of other settings.
    """

    def __init__(self, path: Path, header: Header, append_after: int | None = None) -> None:
        self._path = path
        self._frames = 0
        self._next_track_id = 0
        if append_after is not None and _has_header(path):
            self._cut(header, append_after)
            self._file = self._open('ab')
        else:
            self._file = self._open('xb' if append_after is None else 'wb')
            self._put(json.dumps(typed_json.to_plain(header)))
            self.flush()

    @property
    def next_track_id(self) -> int:
        """An id above all that stand in the file."""
        return self._next_track_id

    def write(self, frame: FrameRegions) -> None:
        """Append what was found in a frame."""
        self._put(to_line(frame))
        self._count(frame)

    def flush(self) -> None:
        """Bring everything written so far to the disk."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f'{self._path}: {error.strerror}') from error

    def close(self) -> None:
        """Write the last line: the file is whole."""
        if self._file.closed:
            return
        self._put(json.dumps({'end': self._frames}))
        self.flush()
        self._file.close()

    def _cut(self, header: Header, append_after: int) -> None:
        """Rewrite the file up to the message that a run goes on after."""
        reader = RegionsReader(self._path)
        _check_same_run(self._path, header, reader.header)
        kept = self._path.with_name(self._path.name + '.partial')
        try:
            with self._path.open('rb') as old, kept.open('wb') as new:
                new.write(old.readline())
                for line in reader.lines(is_whole=False):
                    frame = _frame(self._path, line)
                    if frame.index <= append_after:
                        new.write(to_line(frame).encode() + b'\n')
                        self._count(frame)
            kept.replace(self._path)
        except OSError as error:
            raise OutputError(f'{kept}: {error.strerror}') from error

    def _count(self, frame: FrameRegions) -> None:
        self._frames += 1
        highest = int(frame.regions.track_ids.max(initial=-1))
        self._next_track_id = max(self._next_track_id, highest + 1)

    def _open(self, mode: str) -> BinaryIO:
        try:
            # Unbuffered: a line that was written outlives a kill of this process.
            return self._path.open(mode, buffering=0)  # type: ignore[return-value]  # binary
        except FileExistsError:
            raise OutputError(f'{self._path} exists already; move it or name another') from None
        except OSError as error:
            raise OutputError(f'{self._path}: {error.strerror}') from error

    def _put(self, line: str) -> None:
        try:
            self._file.write(line.encode() + b'\n')
        except OSError as error:
            raise OutputError(f'{self._path}: {error.strerror}') from error


class RegionsReader:
    """
    Reads a regions file, frame by frame; a frame's line is checked when it is reached.

    Raises RegionsError, one line, for a file that cannot be read, of another version, truncated
    or with nonsense in it; the line's number is named.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.header = _header(path)

    def __iter__(self) -> Iterator[FrameRegions]:
        for line in self.lines():
            yield _frame(self._path, line)

    def check_source(self, source: Source) -> None:
        """Raise RegionsError that says what differs if the file is of another recording."""
        differences = source.differences(self.header.source)
        if differences:
            raise RegionsError(
                f"{self._path} was made from another recording, '{self.header.source.name}': "
                f'{_first_of(differences)}'
            )

    def lines(self, *, is_whole: bool = True) -> Iterator[Line]:
        """
        Yield the lines between the first and the last.

        is_whole: whether the last line has to be there; without it a half-written one is left out.
        """
        count = 0
        for offset, number, raw in _raw_lines(self._path):
            if number == 1:
                continue
            if not raw.endswith(b'\n'):
                break
            value = _parsed(self._path, number, raw)
            if set(value) == {'end'}:
                if is_whole and value['end'] != count:
                    raise RegionsError(
                        f'{self._path} line {number}: it counts {short(value["end"])} frames, '
                        f'but there are {count}: lines were lost'
                    )
                return
            count += 1
            yield Line(offset, number, value)
        if is_whole:
            raise RegionsError(
                f'{self._path} is truncated after {count} frames: its last line is missing; '
                'finish the run that wrote it with --resume'
            )


class RegionsIndex:
    """
    Finds the regions of a frame in a regions file; holds 16 bytes per frame.

    The whole file is checked at once, so that a run does not stop at its end.
    Raises RegionsError like the reader, and for a frame that stands there twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reader = RegionsReader(path)
        self._places: dict[str, tuple[array[int], array[int]]] = {}
        for line in self.reader.lines():
            frame = _frame(path, line)
            indices, offsets = self._places.setdefault(frame.topic, (array('q'), array('q')))
            at = len(indices)
            if indices and frame.index <= indices[-1]:
                at = bisect_left(indices, frame.index)
                if indices[at] == frame.index:
                    raise RegionsError(
                        f'{path} line {line.number}: message {frame.index} of {frame.topic} '
                        'stands there twice'
                    )
            indices.insert(at, frame.index)
            offsets.insert(at, line.offset)

    def __len__(self) -> int:
        return sum(len(indices) for indices, _ in self._places.values())

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that have frames in the file."""
        return tuple(self._places)

    def find(self, topic: str, index: int) -> FrameRegions | None:
        """
        Return what was found in a message, by its index; None where the file does not name it.

        Safe to call from several threads at once.
        """
        indices, offsets = self._places.get(topic, (array('q'), array('q')))
        at = bisect_left(indices, index)
        if at == len(indices) or indices[at] != index:
            return None
        try:
            with self._path.open('rb') as file:
                file.seek(offsets[at])
                raw = file.readline(_LONGEST_LINE_BYTES)
        except OSError as error:
            raise RegionsError(f'{self._path}: {error.strerror}') from error
        frame = from_plain(_parsed(self._path, 0, raw))
        if (frame.topic, frame.index) != (topic, index):
            raise RegionsError(f'{self._path} has changed while it was read')
        return frame


def _has_header(path: Path) -> bool:
    """Return whether the first line is whole; it is not where a run was killed at its start."""
    return path.exists() and any(raw.endswith(b'\n') for _, _, raw in _raw_lines(path))


def _header(path: Path) -> Header:
    raw = next((raw for _, _, raw in _raw_lines(path)), b'')
    if not raw:
        raise RegionsError(f'{path} is empty')
    value = _parsed(path, 1, raw)
    if value.get('schema') != SCHEMA:
        raise RegionsError(f'{path} is no regions file: schema is {short(value.get("schema"))}')
    if value.get('schema_version') != SCHEMA_VERSION:
        raise RegionsError(
            f'{path} is of version {short(value.get("schema_version"))}; this version of '
            f'anon_ros reads {SCHEMA_VERSION}'
        )
    try:
        return typed_json.from_plain(Header, value)
    except ValueError as error:
        raise RegionsError(f'{path} line 1: {error}') from error


def _raw_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield offset, number from 1 and bytes of each line."""
    offset = number = 0
    try:
        with path.open('rb') as file:
            while raw := file.readline(_LONGEST_LINE_BYTES):
                number += 1
                if len(raw) == _LONGEST_LINE_BYTES:
                    raise RegionsError(f'{path} line {number} is too long')
                yield offset, number, raw
                offset += len(raw)
    except OSError as error:
        raise RegionsError(f'{path}: {error.strerror}') from error


def _parsed(path: Path, number: int, raw: bytes) -> dict[str, Any]:
    try:
        value = typed_json.parse(raw.decode())
    except ValueError as error:
        raise RegionsError(f'{path} line {number}: {error}') from error
    if not isinstance(value, dict):
        raise RegionsError(f'{path} line {number}: it is {short(value)}, expected an object')
    return value


def _frame(path: Path, line: Line) -> FrameRegions:
    try:
        return from_plain(line.value)
    except ValueError as error:
        raise RegionsError(f'{path} line {line.number}: {error}') from error


def _check_same_run(path: Path, now: Header, before: Header) -> None:
    differences = now.source.differences(before.source) + _changes(now.settings, before.settings)
    if differences:
        raise RegionsError(
            f'{path} is of another run: {_first_of(differences)}; start anew instead of resuming'
        )


def _changes(now: Mapping[str, object], before: Mapping[str, object]) -> list[str]:
    now, before = typed_json.to_plain(now), typed_json.to_plain(before)
    return [
        f'{name} was {short(before.get(name))} and is {short(now.get(name))}'
        for name in sorted(now.keys() | before.keys()) if now.get(name) != before.get(name)
    ]


def _count(messages: int | None) -> str:
    return 'no messages' if messages is None else f'{messages} messages'


def _first_of(differences: list[str]) -> str:
    rest = len(differences) - 3
    return '; '.join(differences[:3]) + (f'; and {rest} more' if rest > 0 else '')
