# SPDX-License-Identifier: Apache-2.0
"""A piece of an mcap or ROS 1 file: a chunk with its indexes, or a run of loose records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anon_ros.bags.storage.interface import Connection, Message

Buffer = bytes | memoryview


class NotOfFormatError(ValueError):
    """A record contradicts its format; whoever knows the file's name makes it a BagError."""


@dataclass(eq=False)
class Piece:
    """
    What is copied or built anew as one.

    start, end: its bytes in the file, indexes included. body_end: where the indexes begin.
    op: the opcode of its wrapping record, 0 for loose records.
    raw: its records, decompressed; None until it is loaded.
    message_count: -1 until known, that is until its messages were read.
    indexes: connection id, offset in the file and length of each index record.
    header: the packed header fields of a ROS 1 chunk.
    """

    start: int
    body_end: int
    end: int
    op: int
    first_ns: int = 0
    last_ns: int = 0
    raw_size: int = 0
    crc: int = 0
    compression: str = ''
    data_offset: int = 0
    data_size: int = 0
    header: bytes = b''
    raw: bytes | None = None
    message_count: int = -1
    indexes: list[tuple[int, int, int]] = field(default_factory=list)


class PieceSource(Protocol):
    """A source file made of pieces."""

    path: Path
    descriptor: int
    data_start: int
    data_end: int

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The topics of this file."""

    def read_piece(self, offset: int) -> Piece:
        """Return the piece that begins there, not yet loaded."""

    def load(self, piece: Piece) -> bytes:
        """Return the piece's decompressed records, and keep them in it."""

    def piece_messages(self, piece: Piece) -> Iterator[Message]:
        """Yield the messages of a piece; its count is known afterwards."""


def spread(total: int, count: int) -> list[int]:
    """Return up to `count` indices spread evenly over 0..total-1, ends included."""
    if total <= count:
        return list(range(total))
    if count == 1:
        return [total // 2]
    return sorted({round(i * (total - 1) / (count - 1)) for i in range(count)})
