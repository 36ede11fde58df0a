# SPDX-License-Identifier: Apache-2.0
"""Reads a ROS 1 bag without losing anything of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.bags.storage import ros1_records as ros1
from anon_ros.bags.storage.interface import Attachment, Connection, Message
from anon_ros.bags.storage.piece import NotOfFormatError, Piece, spread
from anon_ros.bags.storage.ros1_pieces import Ros1Pieces
from anon_ros.bags.storage.typenames import normalise
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.bags.storage.piece import Buffer


@dataclass(frozen=True)
class ChunkInfo:
    """A chunk info record: counts are messages by connection id."""

    header: ros1.Header
    offset: int
    counts: dict[int, int]


class Ros1Source(Ros1Pieces):
    """
    One ROS 1 bag of version 2.0.

    path: what messages name. descriptor: the open file, which this object closes.
    records: id and whole record of each connection, as in the index at the file's end.
    """

    def __init__(self, path: Path, name: str, descriptor: int) -> None:
        super().__init__(path, descriptor, 0, os.fstat(descriptor).st_size)
        self.name = name
        self.records: list[tuple[int, bytes]] = []
        self.chunks: list[ChunkInfo] = []
        try:
            self.head, self.head_fields, self.data_start = self._read_head()
            self.data_end = ros1.number(self.head_fields, b'index_pos')
            self._read_index()
            self.connections = self._connections()
        except NotOfFormatError as error:
            raise self.damaged(0, error) from error
        self._by_id = {each.id: each for each in self.connections}

    def _read_head(self) -> tuple[bytes, ros1.Header, int]:
        size = len(ros1.MAGIC)
        if self.size < size or self.read(0, size) != ros1.MAGIC:
            raise BagError(f'{self.path}: a ROS 1 bag of another version than 2.0; '
                           'try `rosbag fix` or `rosbag reindex` on it first')
        fields, _, end = self.record_at(size)
        if fields.get(b'encryptor'):
            raise BagError(f'{self.path}: encrypted; decrypt it first with `rosbag decrypt`')
        if ros1.number(fields, b'op') != ros1.BAG_HEADER:
            raise NotOfFormatError('the file has no bag header')
        if ros1.number(fields, b'index_pos') == 0:
            raise BagError(f'{self.path}: not indexed: the recording did not end properly; '
                           'try `rosbag reindex` on it first')
        return self.read(0, end), fields, end

    def _read_index(self) -> None:
        if not self.data_start <= self.data_end <= self.size:
            raise BagError(f'{self.path}: truncated: its index at byte {self.data_end} is missing;'
                           ' try `rosbag reindex` on it first')
        data = self.read(self.data_end, self.size - self.data_end)
        for fields, start, body, end in ros1.records(data):
            op = ros1.number(fields, b'op')
            if op == ros1.CONNECTION:
                self.records.append((ros1.number(fields, b'conn'), data[start:end]))
            elif op == ros1.CHUNK_INFO:
                self.chunks.append(_chunk_info(fields, data[body:end]))
            else:
                raise NotOfFormatError(f'its index holds a record of kind {op}')
        announced = (ros1.number(self.head_fields, b'conn_count'),
                     ros1.number(self.head_fields, b'chunk_count'))
        if announced != (len(self.records), len(self.chunks)):
            raise BagError(f'{self.path}: truncated: its index is not whole; '
                           'try `rosbag reindex` on it first')

    def _connections(self) -> tuple[Connection, ...]:
        counts: dict[int, int] = {}
        for chunk in self.chunks:
            for identity, count in chunk.counts.items():
                counts[identity] = counts.get(identity, 0) + count
        found = []
        for identity, record in self.records:
            fields, _, body, end = next(ros1.records(record))
            inner = ros1.parse_header(record[body:end])
            found.append(Connection(
                identity, ros1.text(fields, b'topic'),
                normalise(ros1.text(inner, b'type'), 'ros1'),
                ros1.text(inner, b'message_definition'), 'ros1', counts.get(identity, 0)))
        return tuple(found)

    @property
    def message_count(self) -> int:
        """Messages in this file."""
        return sum(each.message_count for each in self.connections)

    @property
    def attachments(self) -> Sequence[Attachment]:
        """What is in this file beside messages: nothing, in this format."""
        return ()

    def messages(self, skip: int = 0) -> Iterator[Message]:
        """
        Yield all messages but the first `skip`, in the stored order.

        Raises BagError on damage; the message names the file and the cause.
        """
        for piece in self.pieces():
            for message in self.piece_messages(piece):
                if skip:
                    skip -= 1
                else:
                    yield message

    def piece_messages(self, piece: Piece) -> Iterator[Message]:
        """Yield the messages of a piece; its count is known afterwards."""
        raw = self.load(piece)
        view = memoryview(raw)
        ordinal = 0
        try:
            for fields, _, body, end in ros1.records(raw):
                op = ros1.number(fields, b'op')
                if op == ros1.MESSAGE:
                    stamp_ns = ros1.time_ns(fields)
                    yield Message(self.connection_of(ros1.number(fields, b'conn')), stamp_ns,
                                  stamp_ns, 0, view[body:end], piece, ordinal)
                    ordinal += 1
                elif op != ros1.CONNECTION:
                    raise NotOfFormatError(f'a chunk holds a record of kind {op}')
        except NotOfFormatError as error:
            raise self.damaged(piece.start, error) from error
        piece.message_count = ordinal

    def connection_of(self, identity: int) -> Connection:
        """Return the connection of that id."""
        if identity not in self._by_id:
            raise NotOfFormatError(f'a message is of connection {identity}, defined nowhere')
        return self._by_id[identity]

    def sample(self, connection: Connection, count: int) -> Iterator[Buffer]:
        """Yield up to `count` payloads of a connection, spread over the file."""
        chunks = [chunk for chunk in self.chunks if chunk.counts.get(connection.id)]
        chosen = [chunks[i] for i in spread(len(chunks), count)]
        for index, chunk in enumerate(chosen):
            share = count // len(chosen) + (index < count % len(chosen))
            found = [message.data for message in self.piece_messages(self.read_piece(chunk.offset))
                     if message.connection is connection]
            yield from (found[i] for i in spread(len(found), share))

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _chunk_info(fields: ros1.Header, data: bytes) -> ChunkInfo:
    if len(data) % ros1.COUNT_ENTRY.size:
        raise NotOfFormatError('a chunk info is cut off')
    return ChunkInfo(fields, ros1.number(fields, b'chunk_pos'),
                     dict(ros1.COUNT_ENTRY.iter_unpack(data)))
