# SPDX-License-Identifier: Apache-2.0
"""
A cursor over one serialized message: CDR as ROS 2 writes it, or ROS 1's serialization.

It reads a few fields and finds the payload between them without copying it. Sources: CDR is
OMG's formal/02-06-51, chapter 15.3, with the encapsulation header of RTPS 2.5, chapter 10;
ROS 1's is https://wiki.ros.org/msg.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeAlias

from anon_ros.bags.definitions import PRIMITIVE_SIZES
from anon_ros.errors import EncodingError

Value: TypeAlias = 'int | float | str | memoryview'

ENCAPSULATION_SIZE = 4
_ENCAPSULATIONS = {(0, 0): '>', (0, 1): '<'}
_CODES = {
    'bool': '?', 'byte': 'B', 'char': 'B', 'octet': 'B', 'uint8': 'B', 'int8': 'b',
    'uint16': 'H', 'int16': 'h', 'uint32': 'I', 'int32': 'i', 'uint64': 'Q', 'int64': 'q',
    'float32': 'f', 'float64': 'd',
}
_STRUCTS = {
    (order, name): struct.Struct(order + code)
    for order in '<>' for name, code in _CODES.items()
}


@dataclass
class Cursor:
    """
    A place in a message; it moves forward and never past the end.

    data: the whole message. position: bytes from its start. order: '<' or '>'.
    is_aligned: whether values lie at multiples of their size, counted from origin.
    pieces: (alignment, start, stop) of everything read since it was last cleared.
    """

    data: memoryview
    order: str
    position: int
    origin: int
    is_aligned: bool
    pieces: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def align(self, position: int, size: int) -> int:
        """Return the first place from position on where a value of that size may lie."""
        if not self.is_aligned:
            return position
        return position + (self.origin - position) % size

    def span(self, length: int, alignment: int = 1) -> tuple[int, int]:
        """Pass over that many bytes; return where they lie. Raises EncodingError at the end."""
        start = self.align(self.position, alignment)
        if length > len(self.data) - start:
            raise EncodingError(
                f'the message ends after {len(self.data)} bytes, '
                f'{length} more are announced at byte {start}'
            )
        self.position = start + length
        self.pieces.append((alignment, start, self.position))
        return start, self.position

    def number(self, type_name: str) -> int | float:
        """Read one number. Raises EncodingError at the end or for a type without a fixed size."""
        codec = _STRUCTS.get((self.order, type_name))
        if codec is None:
            raise EncodingError(f'a field of type {type_name} cannot be read')
        start, _ = self.span(codec.size, codec.size)
        value: int | float = codec.unpack_from(self.data, start)[0]
        return value

    def text(self) -> str:
        """Read a string; bytes that are no UTF-8 become replacement characters."""
        start, stop = self.span(int(self.number('uint32')))
        return bytes(self.data[start:stop]).rstrip(b'\0').decode('utf-8', 'replace')

    def sequence(self, type_name: str, count: int) -> memoryview:
        """
        Pass over an array of numbers; return its bytes, uncopied.

        count: its length, 0 for a sequence that tells its own.
        """
        size = PRIMITIVE_SIZES.get(type_name)
        if size is None:
            raise EncodingError(f'an array of {type_name} cannot be read')
        count = count or int(self.number('uint32'))
        # An empty sequence is not aligned: nothing lies there.
        start, stop = self.span(count * size, size if count else 1)
        return self.data[start:stop]

    def read(self, type_name: str, count: int | None) -> Value:
        """Read whatever a field holds. Raises EncodingError where it cannot be there."""
        if count is not None:
            return self.sequence(type_name, count)
        return self.text() if type_name == 'string' else self.number(type_name)


def open_message(data: bytes | memoryview, serialization: str) -> Cursor:
    """
    Return a cursor at the message's first field.

    serialization: 'cdr' or 'ros1'. Raises EncodingError for another one, and for an
    encapsulation that is not plain CDR.
    """
    view = memoryview(data).cast('B')
    if serialization == 'ros1':
        return Cursor(view, '<', 0, 0, is_aligned=False)
    if serialization != 'cdr':
        raise EncodingError(f'serialization {serialization!r} is not read, only cdr and ros1')
    if len(view) < ENCAPSULATION_SIZE:
        raise EncodingError(f'the message has {len(view)} bytes, no encapsulation header')
    order = _ENCAPSULATIONS.get((view[0], view[1]))
    if order is None:
        raise EncodingError(f'encapsulation {view[0]:02x} {view[1]:02x} is not plain CDR')
    return Cursor(view, order, ENCAPSULATION_SIZE, ENCAPSULATION_SIZE, is_aligned=True)
