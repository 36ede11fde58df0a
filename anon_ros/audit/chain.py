# SPDX-License-Identifier: Apache-2.0
"""
The chain: for each message of a recording a hash of what came in, of what went out, and its fate.

It is written as anon/chain.bin while the bag is written: a line of JSON that names the topics, and
then a record of RECORD_BYTES for each message of the source, in its order, those that were left
out included. So record i tells of message i, and a run that goes on cuts the file to what is
done. Nothing in it depends on when or how fast a run was.

A message's hash is the sha256 of its log time, publish time and sequence number (little-endian,
8 bytes each) and its payload. A topic's digest is the sha256 of its name, its type and all of its
records, in order: sha256 carries its state from record to record, which makes it a chain.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from anon_ros.audit import typed_json
from anon_ros.audit.growing_file import GrowingFile
from anon_ros.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA = 'anon_ros/chain'
SCHEMA_VERSION = 1
HASH_BYTES = 32
NOTHING = bytes(HASH_BYTES)
"""In place of the hash of a message that was left out."""
_RECORD = struct.Struct('<IBq32s32s')
RECORD_BYTES = _RECORD.size
_STAMPS = struct.Struct('<qqq')
_COLUMNS = np.dtype([('topic', '<u4'), ('rest', f'V{RECORD_BYTES - 4}')])
_BUFFER_BYTES = 1 << 16
_BLOCK_RECORDS = 1 << 14
_SMALL_BYTES = 1 << 12
_LONGEST_HEADER_BYTES = 1 << 24


class Fate(enum.IntEnum):
    """What became of a message."""

    COPIED = 0
    """Nobody looks into it; it kept its bytes."""
    UNCHANGED = 1
    """A camera's frame in which nothing was hidden; it kept its bytes."""
    ANONYMIZED = 2
    MASKED = 3
    """Gray all over."""
    DROPPED = 4
    """Its topic is left out."""
    WITHHELD = 5
    """Left out, since it may show somebody."""

    @property
    def is_kept(self) -> bool:
        """Whether the result has a message in its place."""
        return self < Fate.DROPPED


class Link(NamedTuple):
    """What became of a message, and its hashes before and after."""

    fate: Fate
    before: bytes
    after: bytes


class Record(NamedTuple):
    """
    One message of the source.

    topic: its number in the header. before, after: sha256 of what came in and of what went out.
    """

    topic: int
    fate: int
    log_ns: int
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Header:
    """The first line; topics: name and type of each, in the order of their numbers."""

    topics: tuple[tuple[str, ...], ...]
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check schema and topics; raise ValueError."""
        if (self.schema, self.schema_version) != (SCHEMA, SCHEMA_VERSION):
            raise ValueError(f'schema is not {SCHEMA} {SCHEMA_VERSION}')
        if any(len(topic) != 2 for topic in self.topics):
            raise ValueError('a topic is not a name and a type')


def message_hash(
    log_ns: int, publish_ns: int, sequence: int, data: bytes | memoryview
) -> bytes:
    """Return the sha256 of a message: its stamps and its payload."""
    stamps = _STAMPS.pack(log_ns, publish_ns, sequence)
    if len(data) <= _SMALL_BYTES:
        return hashlib.sha256(stamps + data).digest()
    digest = hashlib.sha256(stamps)
    digest.update(data)
    return digest.digest()


class ChainWriter(GrowingFile):
    """
    Writes a chain while its bag is written; a context manager.

    A record of a copied message may wait in memory: a run that goes on finds it anew from the
    source. What was made of a frame is in the file before the frame itself is written.
    """

    def __init__(self, path: Path, topics: Sequence[tuple[str, str]], done: int = 0) -> None:
        """
        Begin a chain, or go on with one.

        topics: name and type of each, in any order. done: messages that the bag has already.
        Raises OutputError where the file cannot be written or is of another recording.
        """
        self._path = path
        header = Header(tuple(sorted(set(topics))))
        self._numbers = {(name, kind): i for i, (name, kind) in enumerate(header.topics)}
        self._buffer = bytearray()
        line = json.dumps(typed_json.to_plain(header)).encode() + b'\n'
        try:
            self.count = _kept(path, line, done)
            self._file = path.open('ab' if self.count else 'wb', buffering=0)
            if not self.count:
                self._file.write(line)
        except OSError as error:
            raise OutputError(f'{path}: {error.strerror}') from error

    def write(self, topic: tuple[str, str], log_ns: int, link: Link) -> None:
        """Append the next message's record; topic: its name and type."""
        self._buffer += _RECORD.pack(self._numbers[topic], link.fate, log_ns, *link[1:])
        self.count += 1
        if link.fate != Fate.COPIED or len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def number(self, topic: tuple[str, str]) -> int:
        """Return a topic's number, for copied()."""
        return self._numbers[topic]

    def copied(
        self, number: int, log_ns: int, publish_ns: int, sequence: int, data: bytes | memoryview
    ) -> None:
        """Append the record of a message that kept its bytes: most messages of most bags."""
        found = message_hash(log_ns, publish_ns, sequence, data)
        self._buffer += _RECORD.pack(number, 0, log_ns, found, found)
        self.count += 1
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._file.closed:
            return
        self._flush()
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise OutputError(f'{self._path}: {error.strerror}') from error

    def _flush(self) -> None:
        try:
            self._file.write(self._buffer)
        except OSError as error:
            raise OutputError(f'{self._path}: {error.strerror}') from error
        self._buffer.clear()


class ChainReader:
    """
    Reads a chain.

    Raises InputError, one line, for a file that cannot be read, or that is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open('rb') as file:
                line = file.readline(_LONGEST_HEADER_BYTES)
            self.header = typed_json.from_plain(Header, typed_json.parse(line.decode()))
            self._start = len(line)
            self.count, rest = divmod(path.stat().st_size - self._start, RECORD_BYTES)
        except OSError as error:
            raise InputError(f'{path}: cannot be read: {error.strerror}') from error
        except ValueError as error:
            raise InputError(f'{path}: no chain of anon_ros: {error}') from error
        if rest:
            raise InputError(f'{path}: its last record is cut off')

    def __iter__(self) -> Iterator[Record]:
        """Yield all records, in the order of the source's messages."""
        for block in self._blocks():
            for values in _RECORD.iter_unpack(block):
                yield Record(*values)

    def record(self, index: int) -> Record:
        """Return what is said of one message; raise InputError where nothing is."""
        if not 0 <= index < self.count:
            raise InputError(f'{self._path}: has no record of message {index}')
        try:
            with self._path.open('rb') as file:
                file.seek(self._start + index * RECORD_BYTES)
                return Record(*_RECORD.unpack(file.read(RECORD_BYTES)))
        except (OSError, struct.error) as error:
            raise InputError(f'{self._path}: cannot be read: {error}') from error

    def name(self, record: Record) -> tuple[str, str]:
        """Return a record's topic and type; raise InputError for a number that has none."""
        if record.topic >= len(self.header.topics):
            raise InputError(f'{self._path}: there is no topic of number {record.topic}')
        name, kind = self.header.topics[record.topic]
        return name, kind

    def digests(self) -> dict[str, str]:
        """Return the digest of each topic in hex; of a topic of two types, of both in order."""
        found: dict[str, list[hashlib._Hash]] = {}
        by_number = []
        for name, kind in self.header.topics:
            by_number.append(hashlib.sha256(json.dumps([name, kind]).encode()))
            found.setdefault(name, []).append(by_number[-1])
        for block in self._blocks():
            records = np.frombuffer(block, _COLUMNS)
            for number in np.unique(records['topic']).tolist():
                if number >= len(by_number):
                    raise InputError(f'{self._path}: there is no topic of number {number}')
                by_number[number].update(records['rest'][records['topic'] == number].tobytes())
        return {name: ''.join(each.hexdigest() for each in all_) for name, all_ in found.items()}

    def _blocks(self) -> Iterator[bytes]:
        try:
            with self._path.open('rb') as file:
                file.seek(self._start)
                while block := file.read(_BLOCK_RECORDS * RECORD_BYTES):
                    yield block[:len(block) // RECORD_BYTES * RECORD_BYTES]
        except OSError as error:
            raise InputError(f'{self._path}: cannot be read: {error.strerror}') from error


def _kept(path: Path, line: bytes, done: int) -> int:
    """Cut a chain to the messages that are done; return how many of them it has."""
    if not done or not path.exists():
        return 0
    with path.open('r+b') as file:
        if file.readline(_LONGEST_HEADER_BYTES) != line:
            raise OutputError(
                f'{path}: is of another recording; remove the .partial folder and start anew')
        size = path.stat().st_size - len(line)
        count = min(done, size // RECORD_BYTES)
        file.truncate(len(line) + count * RECORD_BYTES)
    return count
