# SPDX-License-Identifier: Apache-2.0
"""The records of a ROS 1 bag, byte for byte (wiki.ros.org/Bags/Format/2.0)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from anon_ros.bags.storage.piece import NotOfFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anon_ros.bags.storage.piece import Buffer

ANY_MAGIC = b'#ROSBAG V'
MAGIC = b'#ROSBAG V2.0\n'

MESSAGE, BAG_HEADER, INDEX, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 4, 5, 6, 7

U32 = struct.Struct('<I')
U64 = struct.Struct('<Q')
TIME = struct.Struct('<II')
INDEX_ENTRY = struct.Struct('<III')
COUNT_ENTRY = struct.Struct('<II')

Header = dict[bytes, bytes]


def parse_header(data: Buffer) -> Header:
    """
    Return the fields of a record's header, in order.

    Raises NotOfFormatError where they contradict the format.
    """
    fields: Header = {}
    position = 0
    data = bytes(data)
    while position < len(data):
        if position + 4 > len(data):
            raise NotOfFormatError('a header field is cut off')
        size = U32.unpack_from(data, position)[0]
        name, sign, value = data[position + 4:position + 4 + size].partition(b'=')
        position += 4 + size
        if not sign or position > len(data):
            raise NotOfFormatError('a header field is cut off')
        fields[name] = value
    return fields


def pack_header(fields: Header) -> bytes:
    """Return a header with its length before it."""
    data = b''.join(U32.pack(len(name) + 1 + len(value)) + name + b'=' + value
                    for name, value in fields.items())
    return U32.pack(len(data)) + data


def pack(fields: Header, data: Buffer) -> bytes:
    """Return a record."""
    return b''.join((pack_header(fields), U32.pack(len(data)), data))


def number(fields: Header, name: bytes) -> int:
    """Return a field of one, four or eight bytes; raise NotOfFormatError where there is none."""
    value = fields.get(name)
    if value is None or len(value) not in {1, 4, 8}:
        raise NotOfFormatError(f'the field {name.decode()!r} is missing')
    return int.from_bytes(value, 'little')


def text(fields: Header, name: bytes) -> str:
    """Return a field's text; raise NotOfFormatError where there is none."""
    if name not in fields:
        raise NotOfFormatError(f'the field {name.decode()!r} is missing')
    return fields[name].decode('utf-8', 'replace')


def time_ns(fields: Header) -> int:
    """Return the time of a message record in ns."""
    value = fields.get(b'time', b'')
    if len(value) != TIME.size:
        raise NotOfFormatError("the field 'time' is missing")
    seconds, nanoseconds = TIME.unpack(value)
    return int(seconds) * 10**9 + int(nanoseconds)


def pack_time(stamp_ns: int) -> bytes:
    """Return a time as two numbers."""
    return TIME.pack(*divmod(stamp_ns, 10**9))


def records(data: Buffer) -> Iterator[tuple[Header, int, int, int]]:
    """
    Yield header, start, start of the data, and end of each record.

    Raises NotOfFormatError where a record reaches beyond the data.
    """
    position = 0
    while position < len(data):
        try:
            body = position + 4 + U32.unpack_from(data, position)[0]
            end = body + 4 + U32.unpack_from(data, body)[0]
        except struct.error as error:
            raise NotOfFormatError(f'a record is cut off at {position}') from error
        if end > len(data):
            raise NotOfFormatError(f'a record is cut off at {position} of {len(data)} bytes')
        yield parse_header(data[position + 4:body]), position, body + 4, end
        position = end


def pack_index(header: Header, entries: Iterable[tuple[int, int, int]]) -> bytes:
    """
    Return an index record like another one.

    header: the other one's. entries: seconds, nanoseconds, offset in the chunk's records.
    """
    data = [INDEX_ENTRY.pack(*entry) for entry in entries]
    return pack({**header, b'count': U32.pack(len(data))}, b''.join(data))


def index_entries(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """
    Yield seconds, nanoseconds and offset of each entry of an index record.

    Raises NotOfFormatError where the last one is cut off.
    """
    if len(data) % INDEX_ENTRY.size:
        raise NotOfFormatError('an index record is cut off')
    yield from INDEX_ENTRY.iter_unpack(data)
