# SPDX-License-Identifier: Apache-2.0
"""The chunks of a ROS 1 bag, one by one: for sources, and for targets when they are indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.bags.storage import ros1_records as ros1
from anon_ros.bags.storage.compression import decompress, read_exact
from anon_ros.bags.storage.piece import NotOfFormatError, Piece
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_HEADER = 1 << 20


class Ros1Pieces:
    """
    Finds and loads the chunks between two offsets of an open file.

    size: bytes of the whole file. Raises BagError for whatever contradicts the format.
    """

    def __init__(self, path: Path, descriptor: int, data_start: int, size: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.data_start = data_start
        self.data_end = size
        self.size = size

    def damaged(self, offset: int, cause: object) -> BagError:
        """Return the error for damage at an offset."""
        where = f' at byte {offset}' if offset else ''
        return BagError(f'{self.path}: damaged{where}: {cause}; try `rosbag reindex` on it first')

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the file."""
        if offset + size > self.size:
            raise BagError(f'{self.path}: truncated: a record at byte {offset} reaches beyond its '
                           'end; try `rosbag reindex` on it first')
        return read_exact(self.descriptor, offset, size, self.path)

    def record_at(self, offset: int) -> tuple[ros1.Header, int, int]:
        """Return header, start of the data and end of the record at an offset."""
        size = ros1.U32.unpack(self.read(offset, 4))[0]
        if size > _LONGEST_HEADER:
            raise self.damaged(offset, 'a record has no header')
        head = self.read(offset + 4, size + 4)
        body = offset + 8 + size
        end = body + ros1.U32.unpack(head[size:])[0]
        if end > self.size:
            raise BagError(f'{self.path}: truncated: a record at byte {offset} reaches beyond its '
                           'end; try `rosbag reindex` on it first')
        try:
            return ros1.parse_header(head[:size]), body, end
        except NotOfFormatError as error:
            raise self.damaged(offset, error) from error

    def read_piece(self, offset: int) -> Piece:
        """Return the piece that begins there, not yet loaded."""
        fields, body, end = self.record_at(offset)
        try:
            op = ros1.number(fields, b'op')
            if op != ros1.CHUNK:
                raise NotOfFormatError(f'a record of kind {op} where a chunk was due')
            size = ros1.number(fields, b'size')
            compression = ros1.text(fields, b'compression')
        except NotOfFormatError as error:
            raise self.damaged(offset, error) from error
        piece = Piece(offset, end, end, op, raw_size=size, compression=compression,
                      data_offset=body, data_size=end - body, header=ros1.pack_header(fields))
        try:
            self._find_indexes(piece)
        except NotOfFormatError as error:
            raise self.damaged(piece.end, error) from error
        return piece

    def _find_indexes(self, piece: Piece) -> None:
        while piece.end < self.data_end:
            fields, _, end = self.record_at(piece.end)
            if fields.get(b'op') != bytes([ros1.INDEX]):
                return
            piece.indexes.append((ros1.number(fields, b'conn'), piece.end, end - piece.end))
            piece.end = end

    def load(self, piece: Piece) -> bytes:
        """Return a chunk's records, checked, and keep them in the piece."""
        if piece.raw is None:
            data = self.read(piece.data_offset, piece.data_size)
            try:
                piece.raw = decompress(data, piece.compression, piece.raw_size)
            except ValueError as error:
                raise self.damaged(piece.start, error) from error
        return piece.raw

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces, in order, not yet loaded."""
        offset = self.data_start
        while offset < self.data_end:
            piece = self.read_piece(offset)
            yield piece
            offset = piece.end
