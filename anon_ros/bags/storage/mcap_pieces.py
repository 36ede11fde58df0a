# SPDX-License-Identifier: Apache-2.0
"""The data section of an mcap file, piece by piece: for sources, and for resumed targets."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from anon_ros.bags.storage import mcap_records as mcap
from anon_ros.bags.storage.compression import decompress, read_exact
from anon_ros.bags.storage.piece import NotOfFormatError, Piece
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOSE_BYTES = 4 << 20
"""Messages outside chunks are handled in runs of about this size."""

_LONGEST_COMPRESSION_NAME = 64
_ALONE = (mcap.CHUNK, mcap.ATTACHMENT, mcap.MESSAGE_INDEX)


def is_alone(op: int) -> bool:
    """Tell whether such a record is a piece of its own, never part of a loose run."""
    return op in _ALONE or op > mcap.DATA_END


class McapPieces:
    """
    Finds and loads the pieces between two offsets of an open file.

    Raises BagError for whatever contradicts the format; messages name file, byte and cause.
    """

    def __init__(self, path: Path, descriptor: int, data_start: int, data_end: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.data_start = data_start
        self.data_end = data_end

    def damaged(self, offset: int, cause: object) -> BagError:
        """Return the error for damage at an offset."""
        return BagError(
            f'{self.path}: damaged at byte {offset}: {cause}; try `mcap recover` on it first',
        )

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the data section."""
        return read_exact(self.descriptor, offset, size, self.path)

    def record_head(self, offset: int) -> tuple[int, int]:
        """Return opcode and end of the record at an offset."""
        if offset + mcap.RECORD_HEAD.size > self.data_end:
            raise self.damaged(offset, 'a record is cut off')
        op, length = mcap.RECORD_HEAD.unpack(self.read(offset, mcap.RECORD_HEAD.size))
        end = offset + mcap.RECORD_HEAD.size + int(length)
        if end > self.data_end or op == 0:
            raise self.damaged(offset, 'a record that cannot be, or reaches too far')
        return op, end

    def read_piece(self, offset: int) -> Piece:
        """Return the piece that begins there, not yet loaded."""
        op, end = self.record_head(offset)
        if op == mcap.CHUNK:
            return self._chunk(offset, end)
        if is_alone(op):
            return Piece(offset, end, end, op, message_count=0)
        return self._loose(offset, end)

    def _chunk(self, offset: int, end: int) -> Piece:
        fixed = offset + mcap.RECORD_HEAD.size
        head = self.read(fixed, min(end - fixed, mcap.CHUNK_HEAD.size + 12
                                    + _LONGEST_COMPRESSION_NAME))
        try:
            fields = mcap.Fields(head)
            first, last, size, crc = mcap.CHUNK_HEAD.unpack(fields.take(mcap.CHUNK_HEAD.size))
            compression = fields.text()
            data_size = fields.u64()
        except NotOfFormatError as error:
            raise self.damaged(offset, error) from error
        data_offset = fixed + fields.position
        if data_offset + data_size > end:
            raise self.damaged(offset, 'a chunk reaches beyond its record')
        piece = Piece(offset, end, end, mcap.CHUNK, first, last, size, crc, compression,
                      data_offset, data_size)
        self._find_indexes(piece)
        return piece

    def _find_indexes(self, piece: Piece) -> None:
        size = mcap.RECORD_HEAD.size + 6
        while piece.end + size <= self.data_end:
            head = self.read(piece.end, size)
            op, length, channel, entries = struct.unpack('<BQHI', head)
            if op != mcap.MESSAGE_INDEX:
                return
            end = piece.end + mcap.RECORD_HEAD.size + length
            if end > self.data_end or entries + 6 > length:
                raise self.damaged(piece.end, 'a message index is cut off')
            piece.indexes.append((channel, piece.end, end - piece.end))
            piece.end = end

    def _loose(self, offset: int, end: int) -> Piece:
        while end < self.data_end and end - offset < LOOSE_BYTES:
            op, record_end = self.record_head(end)
            if is_alone(op):
                break
            end = record_end
        return Piece(offset, end, end, 0, data_offset=offset, data_size=end - offset,
                     raw_size=end - offset)

    def load(self, piece: Piece) -> bytes:
        """Return a chunk's or loose run's records, checked, and keep them in the piece."""
        if piece.raw is None:
            data = self.read(piece.data_offset, piece.data_size)
            try:
                raw = data if not piece.compression else decompress(
                    data, piece.compression, piece.raw_size)
            except ValueError as error:
                raise self.damaged(piece.start, error) from error
            if len(raw) != piece.raw_size:
                raise self.damaged(piece.start, 'a chunk has another size than announced')
            if piece.crc and zlib.crc32(raw) != piece.crc:
                raise self.damaged(piece.start, 'the checksum of a chunk is wrong')
            piece.raw = raw
        return piece.raw

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces, in order, not yet loaded."""
        offset = self.data_start
        while offset < self.data_end:
            piece = self.read_piece(offset)
            yield piece
            offset = piece.end
