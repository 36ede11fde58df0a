# SPDX-License-Identifier: Apache-2.0
"""The records of an mcap file, byte for byte (mcap.dev/spec)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.bags.storage.piece import NotOfFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anon_ros.bags.storage.piece import Buffer

MAGIC = b'\x89MCAP0\r\n'

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
ATTACHMENT, ATTACHMENT_INDEX, STATISTICS, METADATA, METADATA_INDEX = range(9, 14)
SUMMARY_OFFSET, DATA_END = 14, 15
"""The last opcode that this version of the format knows."""

RECORD_HEAD = struct.Struct('<BQ')
MESSAGE_HEAD = struct.Struct('<BQHIQQ')
"""Opcode, length, channel, sequence, log time, publish time: all that precedes a payload."""
CHUNK_HEAD = struct.Struct('<QQQI')
"""First and last log time, size and CRC-32 of the records; then compression and data."""
INDEX_ENTRY = struct.Struct('<QQ')
FOOTER_BYTES = RECORD_HEAD.size + 20
DATA_END_BYTES = RECORD_HEAD.size + 4
TAIL_BYTES = FOOTER_BYTES + len(MAGIC)

_U16 = struct.Struct('<H')
_U32 = struct.Struct('<I')
_U64 = struct.Struct('<Q')
_STATISTICS = struct.Struct('<QHIIIIQQ')
_COUNT = struct.Struct('<HQ')


@dataclass(frozen=True)
class Channel:
    """A channel record; schema_id 0 means that there is no schema."""

    id: int
    schema_id: int
    topic: str
    encoding: str


@dataclass(frozen=True)
class Schema:
    """A schema record."""

    id: int
    name: str
    encoding: str
    data: bytes


@dataclass(frozen=True)
class Statistics:
    """
    A statistics record.

    counts: messages by channel id.
    """

    message_count: int
    schema_count: int
    channel_count: int
    attachment_count: int
    metadata_count: int
    chunk_count: int
    first_ns: int
    last_ns: int
    counts: dict[int, int]


@dataclass(frozen=True)
class ChunkIndex:
    """A chunk index record: where a chunk and its message indexes lie."""

    first_ns: int
    last_ns: int
    offset: int
    length: int
    index_offsets: dict[int, int]
    index_length: int
    compression: str
    data_size: int
    raw_size: int


class Fields:
    """Reads the fields of one record, in order."""

    def __init__(self, data: Buffer) -> None:
        self.data = memoryview(data)
        self.position = 0

    def take(self, size: int) -> memoryview:
        """Return the next bytes."""
        end = self.position + size
        if end > len(self.data):
            raise NotOfFormatError('a field reaches beyond its record')
        part = self.data[self.position:end]
        self.position = end
        return part

    def u16(self) -> int:
        """Return the next two bytes' number."""
        return int(_U16.unpack(self.take(2))[0])

    def u32(self) -> int:
        """Return the next four bytes' number."""
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """Return the next eight bytes' number."""
        return int(_U64.unpack(self.take(8))[0])

    def blob(self) -> bytes:
        """Return bytes preceded by their length."""
        return bytes(self.take(self.u32()))

    def text(self) -> str:
        """Return a string preceded by its length."""
        return self.blob().decode('utf-8', 'replace')

    def pairs(self) -> dict[str, str]:
        """Return a map of strings."""
        inner = Fields(self.take(self.u32()))
        found = {}
        while inner.position < len(inner.data):
            key = inner.text()
            found[key] = inner.text()
        return found

    def numbers(self) -> dict[int, int]:
        """Return a map of u16 to u64."""
        data = self.take(self.u32())
        if len(data) % _COUNT.size:
            raise NotOfFormatError('a map ends inside an entry')
        return {int(key): int(value) for key, value in _COUNT.iter_unpack(data)}


def records(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """
    Yield opcode, start and end of each record; the end is the next one's start.

    Raises NotOfFormatError where a record reaches beyond the data.
    """
    position = 0
    while position < len(data):
        if position + RECORD_HEAD.size > len(data):
            raise NotOfFormatError(f'a record is cut off at {position} of {len(data)} bytes')
        op, length = RECORD_HEAD.unpack_from(data, position)
        end = position + RECORD_HEAD.size + length
        if end > len(data):
            raise NotOfFormatError(f'a record is cut off at {position} of {len(data)} bytes')
        yield op, position, end
        position = end


def pack(op: int, *parts: Buffer) -> bytes:
    """Return a record of that opcode."""
    return b''.join((RECORD_HEAD.pack(op, sum(map(len, parts))), *parts))


def pack_text(text: str) -> bytes:
    """Return a string preceded by its length."""
    data = text.encode()
    return _U32.pack(len(data)) + data


def pack_pairs(pairs: dict[str, str]) -> bytes:
    """Return a map of strings."""
    data = b''.join(pack_text(key) + pack_text(value) for key, value in pairs.items())
    return _U32.pack(len(data)) + data


def pack_numbers(numbers: dict[int, int]) -> bytes:
    """Return a map of u16 to u64."""
    data = b''.join(_COUNT.pack(key, value) for key, value in numbers.items())
    return _U32.pack(len(data)) + data


def parse_channel(body: Buffer) -> Channel:
    """Read a channel record."""
    fields = Fields(body)
    return Channel(fields.u16(), fields.u16(), fields.text(), fields.text())


def parse_schema(body: Buffer) -> Schema:
    """Read a schema record."""
    fields = Fields(body)
    return Schema(fields.u16(), fields.text(), fields.text(), fields.blob())


def parse_statistics(body: Buffer) -> Statistics:
    """Read a statistics record."""
    fields = Fields(body)
    return Statistics(
        fields.u64(), fields.u16(), fields.u32(), fields.u32(), fields.u32(), fields.u32(),
        fields.u64(), fields.u64(), fields.numbers())


def pack_statistics(statistics: Statistics) -> bytes:
    """Return a statistics record."""
    s = statistics
    head = _STATISTICS.pack(s.message_count, s.schema_count, s.channel_count, s.attachment_count,
                            s.metadata_count, s.chunk_count, s.first_ns, s.last_ns)
    return pack(STATISTICS, head, pack_numbers(s.counts))


def parse_chunk_index(body: Buffer) -> ChunkIndex:
    """Read a chunk index record."""
    fields = Fields(body)
    return ChunkIndex(
        fields.u64(), fields.u64(), fields.u64(), fields.u64(), fields.numbers(), fields.u64(),
        fields.text(), fields.u64(), fields.u64(),
    )


def pack_chunk_index(index: ChunkIndex) -> bytes:
    """Return a chunk index record."""
    return pack(
        CHUNK_INDEX, struct.pack('<QQQQ', index.first_ns, index.last_ns, index.offset,
                                 index.length),
        pack_numbers(index.index_offsets), _U64.pack(index.index_length),
        pack_text(index.compression), struct.pack('<QQ', index.data_size, index.raw_size),
    )


def pack_message_index(channel: int, entries: Iterable[tuple[int, int]]) -> bytes:
    """
    Return a message index record.

    entries: log time and offset in the chunk's records.
    """
    data = b''.join(INDEX_ENTRY.pack(*entry) for entry in entries)
    return pack(MESSAGE_INDEX, _U16.pack(channel), _U32.pack(len(data)), data)
