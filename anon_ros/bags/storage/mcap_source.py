# SPDX-License-Identifier: Apache-2.0
"""Reads an mcap file without losing anything of it."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

from anon_ros.bags.storage import mcap_records as mcap
from anon_ros.bags.storage.compression import ZSTD_MAGIC, decompress
from anon_ros.bags.storage.interface import Attachment, Connection, Message
from anon_ros.bags.storage.mcap_pieces import McapPieces
from anon_ros.bags.storage.piece import NotOfFormatError, spread
from anon_ros.bags.storage.typenames import normalise
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.bags.storage.piece import Buffer, Piece

_TEXT_ENCODINGS = {'ros1msg', 'ros2msg', 'ros2idl', 'omgidl', 'jsonschema'}
_HEAD = mcap.MESSAGE_HEAD.size
_ZSTD_FIRST = ZSTD_MAGIC[0]
_SAMPLED_BYTES = 32 << 20
"""About how much of the chunks that samples were taken from is kept for the next topic."""

_new_message = tuple.__new__
"""Twice as fast as the named tuple's own constructor, and called once a message."""


class McapSource(McapPieces):
    """
    One mcap file.

    path: what messages name. descriptor: the open file, which this object closes.
    summary: opcode and body of each record after the data section, footer excluded.
    data_crc, has_summary_crc: which optional checksums the file carries.
    """

    def __init__(self, path: Path, name: str, descriptor: int) -> None:
        super().__init__(path, descriptor, 0, os.fstat(descriptor).st_size)
        self.name = name
        self.header = b''
        self.data_crc = 0
        self.has_summary_crc = False
        self.has_summary_offsets = False
        self.summary: list[tuple[int, bytes]] = []
        self.schemas: dict[int, mcap.Schema] = {}
        self.channels: dict[int, mcap.Channel] = {}
        self.statistics: mcap.Statistics | None = None
        self.chunk_indexes: list[mcap.ChunkIndex] = []
        self._sampled: dict[int, Piece] = {}
        try:
            self._open()
        except NotOfFormatError as error:
            raise BagError(f'{path}: damaged: {error}; try `mcap recover` on it first') from error
        self.connections = tuple(map(self._connection, self.channels.values()))
        self._by_channel = {each.id: each for each in self.connections}

    @property
    def message_count(self) -> int:
        """Messages in this file, -1 where only a full pass would tell."""
        return self.statistics.message_count if self.statistics else -1

    def _open(self) -> None:
        size = self.data_end
        if size < len(mcap.MAGIC) or self.read(0, len(mcap.MAGIC)) != mcap.MAGIC:
            raise BagError(f'{self.path}: not an mcap file: it begins with other bytes')
        if size < mcap.TAIL_BYTES or self.read(size - len(mcap.MAGIC), 8) != mcap.MAGIC:
            raise BagError(f'{self.path}: truncated: the end of the file is missing; '
                           'try `mcap recover` on it first')
        op, self.data_start = self.record_head(len(mcap.MAGIC))
        if op != mcap.HEADER:
            raise self.damaged(len(mcap.MAGIC), 'the file has no header record')
        self.header = self.read(0, self.data_start)
        self._read_tail(size - mcap.TAIL_BYTES)
        for op, body in self.summary:
            self._take_summary_record(op, body)
        if self.statistics is None or len(self.channels) < self.statistics.channel_count:
            self._scan_definitions()

    def _read_tail(self, footer_start: int) -> None:
        footer = mcap.Fields(self.read(footer_start, mcap.FOOTER_BYTES))
        if footer.take(1)[0] != mcap.FOOTER or footer.u64() != 20:
            raise self.damaged(footer_start, 'the file has no footer record')
        summary_start, offsets_start, crc = footer.u64(), footer.u64(), footer.u32()
        summary_end = summary_start or footer_start
        self.data_end = summary_end - mcap.DATA_END_BYTES
        if self.data_end < self.data_start or summary_end > footer_start:
            raise self.damaged(footer_start, 'the footer points outside the file')
        end = mcap.Fields(self.read(self.data_end, mcap.DATA_END_BYTES))
        if end.take(1)[0] != mcap.DATA_END or end.u64() != 4:
            raise self.damaged(self.data_end, 'the data section has no end record')
        self.data_crc = end.u32()
        self.has_summary_crc = crc != 0
        self.has_summary_offsets = offsets_start != 0
        data = self.read(summary_end, footer_start - summary_end)
        checked = data + bytes(footer.data[:mcap.FOOTER_BYTES - 4])
        if crc and zlib.crc32(checked) != crc:
            raise self.damaged(summary_end, 'the checksum of the summary is wrong')
        self.summary = [(op, data[start + mcap.RECORD_HEAD.size:stop])
                        for op, start, stop in mcap.records(data)]

    def _take_summary_record(self, op: int, body: bytes) -> None:
        if op in {mcap.SCHEMA, mcap.CHANNEL}:
            self.define(op, body)
        elif op == mcap.STATISTICS:
            self.statistics = mcap.parse_statistics(body)
        elif op == mcap.CHUNK_INDEX:
            self.chunk_indexes.append(mcap.parse_chunk_index(body))

    def define(self, op: int, body: Buffer) -> None:
        """Take note of a schema or channel record."""
        if op == mcap.SCHEMA:
            schema = mcap.parse_schema(body)
            self.schemas.setdefault(schema.id, schema)
        else:
            channel = mcap.parse_channel(body)
            if self.channels.setdefault(channel.id, channel) != channel:
                raise NotOfFormatError(f'channel {channel.id} is defined twice, differently')

    def _scan_definitions(self) -> None:
        for piece in self.pieces():
            if piece.op in {0, mcap.CHUNK}:
                for op, start, end in mcap.records(self.load(piece)):
                    if op in {mcap.SCHEMA, mcap.CHANNEL}:
                        self.define(op, self.load(piece)[start + mcap.RECORD_HEAD.size:end])

    def _connection(self, channel: mcap.Channel) -> Connection:
        schema = self.schemas.get(channel.schema_id)
        is_text = schema is not None and schema.encoding in _TEXT_ENCODINGS
        counts = self.statistics.counts if self.statistics else None
        return Connection(
            channel.id, channel.topic,
            normalise(schema.name, channel.encoding) if schema else '',
            schema.data.decode('utf-8', 'replace') if schema and is_text else '',
            channel.encoding,
            -1 if counts is None else counts.get(channel.id, 0),
        )

    def connection_of(self, channel: int) -> Connection:
        """Return the connection of a channel id."""
        return self._by_channel[channel]

    def messages(self, skip: int = 0) -> Iterator[Message]:
        """
        Yield all messages but the first `skip`, in the stored order.

        Raises BagError on damage; the message names the file and the cause.
        """
        self._sampled.clear()
        for piece in self.pieces():
            if piece.message_count == 0:
                continue
            if skip:
                count = self._count(piece)
                if count <= skip:
                    skip -= count
                    continue
            for message in self.piece_messages(piece):
                if message.ordinal >= skip:
                    yield message
            skip = 0

    def _count(self, piece: Piece) -> int:
        try:
            return sum(op == mcap.MESSAGE for op, _, _ in mcap.records(self.load(piece)))
        except NotOfFormatError as error:
            raise self.damaged(piece.start, error) from error

    def piece_messages(self, piece: Piece) -> Iterator[Message]:
        """Yield the messages of a piece; its count is known afterwards."""
        raw = self.load(piece)
        view = memoryview(raw)
        unpack = mcap.MESSAGE_HEAD.unpack_from
        by_channel = self._by_channel
        position, ordinal, size = 0, 0, len(raw)
        while position < size:
            if raw[position] != mcap.MESSAGE or position + _HEAD > size:
                position = self._pass_by(piece, raw, position)
                continue
            _, length, channel, sequence, log_ns, publish_ns = unpack(raw, position)
            start, position = position + _HEAD, position + 9 + length
            if position > size or length < 22 or channel not in by_channel:
                raise self._bad_message(piece, start - _HEAD, channel)
            data: Buffer = view[start:position]
            connection = by_channel[channel]
            if length > 26 and raw[start] == _ZSTD_FIRST and is_packed(data, connection):
                data = self.unpack_payload(data, piece)
            yield _new_message(Message, (
                connection, log_ns, publish_ns, sequence, data, piece, ordinal))
            ordinal += 1
        piece.message_count = ordinal

    def _pass_by(self, piece: Piece, raw: bytes, position: int) -> int:
        """Return the end of a record that is no message."""
        if position + mcap.RECORD_HEAD.size > len(raw):
            raise self.damaged(piece.start, 'a record in it is cut off')
        op, length = mcap.RECORD_HEAD.unpack_from(raw, position)
        end = position + mcap.RECORD_HEAD.size + int(length)
        if end > len(raw) or op == mcap.MESSAGE:
            raise self.damaged(piece.start, 'a record in it is cut off')
        if piece.op == mcap.CHUNK and op not in {mcap.SCHEMA, mcap.CHANNEL}:
            raise self.damaged(piece.start, f'a chunk holds a record of kind {op}')
        return end

    def _bad_message(self, piece: Piece, position: int, channel: int) -> BagError:
        if channel not in self._by_channel:
            return self.damaged(piece.start, f'a message is of channel {channel}, defined nowhere')
        return self.damaged(piece.start, f'a message at {position} in it is cut off')

    def unpack_payload(self, data: Buffer, piece: Piece) -> bytes:
        """Return the payload of a message that the bag compressed by itself."""
        try:
            return decompress(data, 'zstd')
        except ValueError as error:
            raise self.damaged(piece.start, f'a compressed message: {error}') from error

    @property
    def attachments(self) -> Sequence[Attachment]:
        """What is in this file beside messages, found by the records themselves."""
        indexed = {each.offset: each.offset + each.length + each.index_length
                   for each in self.chunk_indexes}
        found = []
        offset = self.data_start
        while offset < self.data_end:
            op, end = self.record_head(offset)
            if op == mcap.ATTACHMENT or op > mcap.DATA_END:
                found.append(self.attachment(self.read_piece(offset)))
            offset = max(end, indexed.get(offset, 0)) if op == mcap.CHUNK else end
        return found

    def attachment(self, piece: Piece) -> Attachment:
        """Return what stands in an attachment record or in a record of a private kind."""
        body = piece.start + mcap.RECORD_HEAD.size
        if piece.op != mcap.ATTACHMENT:
            size = piece.end - body
            return Attachment(self.name, f'record of kind {piece.op:#x}',
                              'application/x-mcap-record', size, lambda: self.read(body, size))
        fields = mcap.Fields(self.read(body, min(piece.end - body, 1 << 16)))
        try:
            fields.take(16)
            name, media_type, size = fields.text(), fields.text(), fields.u64()
        except NotOfFormatError as error:
            raise self.damaged(piece.start, error) from error
        start = body + fields.position
        if start + size > piece.end:
            raise self.damaged(piece.start, 'an attachment is cut off')
        return Attachment(self.name, name, media_type, size, lambda: self.read(start, size))

    def sample(self, connection: Connection, count: int) -> Iterator[Buffer]:
        """Yield up to `count` payloads of a connection, spread over the file."""
        chunks = [index for index in self.chunk_indexes if connection.id in index.index_offsets]
        if not chunks:
            yield from self._sample_slowly(connection, count)
            return
        chosen = [chunks[i] for i in spread(len(chunks), count)]
        for number, index in enumerate(chosen):
            share = count // len(chosen) + (number < count % len(chosen))
            piece = self._sampled_piece(index.offset)
            offsets = self._indexed_offsets(piece, connection)
            for i in spread(len(offsets), share):
                yield self._payload_at(piece, offsets[i], connection)

    def _sampled_piece(self, offset: int) -> Piece:
        """Return a loaded piece; topics are sampled one by one, often from the same chunks."""
        if offset not in self._sampled:
            piece = self.read_piece(offset)
            self.load(piece)
            if sum(each.raw_size for each in self._sampled.values()) > _SAMPLED_BYTES:
                self._sampled.clear()
            self._sampled[offset] = piece
        return self._sampled[offset]

    def _indexed_offsets(self, piece: Piece, connection: Connection) -> list[int]:
        head = mcap.RECORD_HEAD.size + 6
        found: list[int] = []
        for channel, offset, length in piece.indexes:
            if channel == connection.id:
                data = self.read(offset + head, length - head)
                whole = len(data) - len(data) % mcap.INDEX_ENTRY.size
                found += [place for _, place in mcap.INDEX_ENTRY.iter_unpack(data[:whole])]
        return found

    def _payload_at(self, piece: Piece, offset: int, connection: Connection) -> Buffer:
        raw = self.load(piece)
        if offset + _HEAD > len(raw):
            raise self.damaged(piece.start, 'a message index points outside its chunk')
        op, length, channel, *_ = mcap.MESSAGE_HEAD.unpack_from(raw, offset)
        end = offset + mcap.RECORD_HEAD.size + int(length)
        if op != mcap.MESSAGE or channel != connection.id or end > len(raw) or length < 22:
            raise self.damaged(piece.start, 'a message index points to something else')
        data = memoryview(raw)[offset + _HEAD:end]
        return self.unpack_payload(data, piece) if is_packed(data, connection) else data

    def _sample_slowly(self, connection: Connection, count: int) -> Iterator[Buffer]:
        """Sample a file without chunk indexes in one pass, keeping twice as many at most."""
        found: list[bytes] = []
        step = 1
        if connection.message_count == 0:
            return
        own = (message.data for message in self.messages() if message.connection is connection)
        for number, data in enumerate(own):
            if number % step == 0:
                found.append(bytes(data))
            if len(found) == 2 * count:
                found, step = found[::2], 2 * step
        yield from (found[i] for i in spread(len(found), count))

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def is_packed(data: Buffer, connection: Connection) -> bool:
    """Tell whether the bag compressed this message: no CDR payload begins like zstd data."""
    return connection.serialization == 'cdr' and bytes(data[:4]) == ZSTD_MAGIC

