# SPDX-License-Identifier: Apache-2.0
"""Writes a ROS 1 bag from another one: what does not change keeps its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.bags.storage import ros1_records as ros1
from anon_ros.bags.storage.compression import LZ4_HEAD_BYTES, compress
from anon_ros.bags.storage.piece import NotOfFormatError
from anon_ros.bags.storage.piece_target import Edits, PieceTarget
from anon_ros.bags.storage.ros1_pieces import Ros1Pieces

if TYPE_CHECKING:
    from anon_ros.bags.storage.piece import Buffer, Piece
    from anon_ros.bags.storage.ros1_source import Ros1Source


@dataclass(frozen=True)
class _Written:
    """A chunk of the target: counts are messages by connection id."""

    offset: int
    first_ns: int
    last_ns: int
    counts: dict[int, int]


class Ros1Target(PieceTarget):
    """One ROS 1 bag being written; until it is whole its header says that it has no index."""

    source: Ros1Source

    def _write_head(self) -> None:
        self.put(self._head(0, 0))

    def _head(self, index_offset: int, chunk_count: int) -> bytes:
        """Return the source's first bytes with other numbers in them."""
        fields = dict(self.source.head_fields)
        fields[b'index_pos'] = ros1.U64.pack(index_offset)
        fields[b'conn_count'] = ros1.U32.pack(len(self.kept_ids) if index_offset else 0)
        fields[b'chunk_count'] = ros1.U32.pack(chunk_count)
        packed = ros1.pack_header(fields)
        return ros1.MAGIC + packed + self.source.head[len(ros1.MAGIC) + len(packed):]

    def _recall(self, descriptor: int, size: int) -> None:
        """Nothing to learn: the chunks are found again when the index is written."""

    def _emit(self, piece: Piece, edits: Edits) -> None:
        try:
            if edits or self._defines_removed(piece):
                self._emit_rebuilt(piece, edits)
            else:
                self.copy(piece.start, piece.end)
        except NotOfFormatError as error:
            raise self.source.damaged(piece.start, error) from error

    def _defines_removed(self, piece: Piece) -> bool:
        return self.removes_connections and any(
            ros1.number(fields, b'conn') not in self.kept_ids
            for fields, *_ in ros1.records(self.source.load(piece)))

    def _emit_rebuilt(self, piece: Piece, edits: Edits) -> None:
        parts, moved = self._rebuild(self.source.load(piece), edits)
        if not parts:
            return
        raw = b''.join(parts)
        fields = ros1.parse_header(piece.header[4:])
        fields[b'size'] = ros1.U32.pack(len(raw))
        like = self.source.read(piece.data_offset, min(piece.data_size, LZ4_HEAD_BYTES))
        self.put(ros1.pack(fields, compress(raw, piece.compression, like)))
        for _, offset, length in piece.indexes:
            record = self.source.read(offset, length)
            header, _, body, _ = next(ros1.records(record))
            entries = [(seconds, nanoseconds, moved[old])
                       for seconds, nanoseconds, old in ros1.index_entries(record[body:])
                       if old in moved]
            if entries:
                self.put(ros1.pack_index(header, entries))

    def _rebuild(self, raw: bytes, edits: Edits) -> tuple[list[Buffer], dict[int, int]]:
        """Return the records that stay, and each message's new by its old offset."""
        parts: list[Buffer] = []
        moved: dict[int, int] = {}
        size = ordinal = 0
        for fields, start, body, end in ros1.records(raw):
            record: Buffer = memoryview(raw)[start:end]
            if ros1.number(fields, b'op') == ros1.MESSAGE:
                data = edits.get(ordinal, b'')
                if data is None:
                    record = b''
                elif ordinal in edits:
                    record = raw[start:body - 4] + ros1.U32.pack(len(data)) + data
                moved[start] = size
                if not record:
                    del moved[start]
                ordinal += 1
            elif ros1.number(fields, b'conn') not in self.kept_ids:
                continue
            parts.append(record)
            size += len(record)
        return [part for part in parts if part], moved

    def _write_tail(self) -> None:
        index_offset = self.state.size
        chunks = self._written_chunks(index_offset)
        for identity, record in self.source.records:
            if identity in self.kept_ids:
                self.put(record)
        template = self.source.chunks[0].header if self.source.chunks else {}
        for chunk in chunks:
            fields = {**template, b'chunk_pos': ros1.U64.pack(chunk.offset),
                      b'start_time': ros1.pack_time(chunk.first_ns),
                      b'end_time': ros1.pack_time(chunk.last_ns),
                      b'count': ros1.U32.pack(len(chunk.counts))}
            self.put(ros1.pack(fields, b''.join(
                ros1.COUNT_ENTRY.pack(*entry) for entry in chunk.counts.items())))
        self.put_at(0, self._head(index_offset, len(chunks)))

    def _written_chunks(self, end: int) -> list[_Written]:
        """Find the chunks of the target by their own records."""
        written = Ros1Pieces(self.path, self._descriptor, len(self.source.head), end)
        try:
            return [_summarise(written, piece) for piece in written.pieces()]
        except NotOfFormatError as error:
            raise written.damaged(0, error) from error


def _summarise(written: Ros1Pieces, piece: Piece) -> _Written:
    """Return what a chunk's indexes say about its messages."""
    counts: dict[int, int] = {}
    times: list[int] = []
    for identity, offset, length in piece.indexes:
        record = written.read(offset, length)
        _, _, body, _ = next(ros1.records(record))
        stamps = [seconds * 10**9 + nanoseconds for seconds, nanoseconds, _
                  in ros1.index_entries(record[body:])]
        counts[identity] = counts.get(identity, 0) + len(stamps)
        times += stamps
    return _Written(piece.start, min(times, default=0), max(times, default=0), counts)
