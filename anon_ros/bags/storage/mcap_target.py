# SPDX-License-Identifier: Apache-2.0
"""Writes an mcap file from another one: what does not change keeps its bytes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros.bags.storage import mcap_records as mcap
from anon_ros.bags.storage.compression import LZ4_HEAD_BYTES, compress
from anon_ros.bags.storage.mcap_pieces import McapPieces
from anon_ros.bags.storage.mcap_source import McapSource, is_packed
from anon_ros.bags.storage.piece import NotOfFormatError
from anon_ros.bags.storage.piece_target import Edits, PieceTarget
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.bags.storage.interface import Attachment, Connection
    from anon_ros.bags.storage.piece import Buffer, Piece

_RECORD = mcap.RECORD_HEAD.size
_HEAD = mcap.MESSAGE_HEAD.size


class McapTarget(PieceTarget):
    """
    One mcap file being written.

    keep_attachment: tells which attachments stay; they may hold images.
    rewrite_metadata: gives rosbag2's own metadata text a form without what was dropped.
    """

    source: McapSource

    def __init__(
        self, source: McapSource, path: Path, state_path: Path,
        keep: Callable[[Connection], bool], keep_attachment: Callable[[Attachment], bool],
        rewrite_metadata: Callable[[str, McapTarget], str],
    ) -> None:
        self._keep_attachment = keep_attachment
        self._rewrite_metadata = rewrite_metadata
        self._chunks: list[mcap.ChunkIndex] = []
        self._attachment_indexes: list[bytes] = []
        self._metadata_indexes: list[bytes] = []
        super().__init__(source, path, state_path, keep)
        self._has_crc = source.data_crc != 0
        self._kept_schemas = self._find_kept_schemas()
        if self._has_crc and not self.state.crc:
            self.state.crc = zlib.crc32(source.header)

    def _find_kept_schemas(self) -> set[int]:
        """Return the schemas that stay: all but those that only removed channels use."""
        channels = self.source.channels.values()
        used = {each.schema_id for each in channels if each.id in self.kept_ids}
        removed = {each.schema_id for each in channels if each.id not in self.kept_ids} - used
        return set(self.source.schemas) - removed

    def _write_head(self) -> None:
        self.put(self.source.header)

    def _recall(self, descriptor: int, size: int) -> None:
        written = McapPieces(self.path, descriptor, len(self.source.header), size)
        offset = written.data_start
        while offset < size:
            piece = written.read_piece(offset)
            if piece.op == mcap.CHUNK:
                self._index_chunk(piece, 0)
            elif piece.op == mcap.ATTACHMENT:
                body = written.read(piece.start, min(piece.end - piece.start, 1 << 16))
                self._index_attachment(body[_RECORD:], piece.start, piece.end - piece.start)
            elif piece.op == 0:
                self._index_loose(written.load(piece), offset)
            offset = piece.end

    def _emit(self, piece: Piece, edits: Edits) -> None:
        try:
            if piece.op == mcap.CHUNK:
                self._emit_chunk(piece, edits)
            elif piece.op == 0:
                self._emit_loose(piece, edits)
            elif piece.op == mcap.MESSAGE_INDEX:
                self.copy(piece.start, piece.end)
            elif self._keep_attachment(self.source.attachment(piece)):
                self._emit_attachment(piece)
        except NotOfFormatError as error:
            raise self.source.damaged(piece.start, error) from error

    def _emit_chunk(self, piece: Piece, edits: Edits) -> None:
        if not edits and not (self.removes_connections and self._defines_removed(piece)):
            moved = self.state.size - piece.start
            self.copy(piece.start, piece.end)
            self._index_chunk(piece, moved)
            return
        rebuilt = _Rebuilt(self, piece, edits)
        if not rebuilt.parts:
            return
        self._put_chunk(piece, rebuilt)

    def _defines_removed(self, piece: Piece) -> bool:
        raw = self.source.load(piece)
        return any(not self.keeps(op, raw, start) for op, start, _ in mcap.records(raw))

    def keeps(self, op: int, raw: bytes, start: int) -> bool:
        """Tell whether a record among messages stays."""
        identity = int.from_bytes(raw[start + _RECORD:start + _RECORD + 2], 'little')
        if op == mcap.SCHEMA:
            return identity in self._kept_schemas
        return op not in {mcap.CHANNEL, mcap.MESSAGE} or identity in self.kept_ids

    def _put_chunk(self, piece: Piece, rebuilt: _Rebuilt) -> None:
        raw = b''.join(rebuilt.parts)
        like = self.source.read(piece.data_offset, min(piece.data_size, LZ4_HEAD_BYTES))
        data = compress(raw, piece.compression, like)
        crc = zlib.crc32(raw) if piece.crc else 0
        start = self.state.size
        self.put(
            mcap.pack(mcap.CHUNK, mcap.CHUNK_HEAD.pack(*rebuilt.times, len(raw), crc),
                      mcap.pack_text(piece.compression), struct.pack('<Q', len(data)), data),
        )
        end = self.state.size
        offsets = {}
        for channel, entries in self._moved_indexes(piece, rebuilt.offsets):
            offsets[channel] = self.state.size
            self.put(mcap.pack_message_index(channel, entries))
        self._chunks.append(mcap.ChunkIndex(
            *rebuilt.times, start, end - start, offsets, self.state.size - end,
            piece.compression, len(data), len(raw),
        ))

    def _moved_indexes(
        self, piece: Piece, moved: dict[int, int],
    ) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Yield the source's message indexes with new offsets, without dropped messages."""
        for channel, offset, length in piece.indexes:
            head = _RECORD + 6
            data = self.source.read(offset + head, length - head)
            data = data[:len(data) - len(data) % mcap.INDEX_ENTRY.size]
            entries = [(time, moved[old]) for time, old in mcap.INDEX_ENTRY.iter_unpack(data)
                       if old in moved]
            if entries or (not data and channel in self.kept_ids):
                yield channel, entries

    def _index_chunk(self, piece: Piece, moved: int) -> None:
        self._chunks.append(mcap.ChunkIndex(
            piece.first_ns, piece.last_ns, piece.start + moved, piece.body_end - piece.start,
            {channel: offset + moved for channel, offset, _ in piece.indexes},
            piece.end - piece.body_end, piece.compression, piece.data_size, piece.raw_size,
        ))

    def _emit_loose(self, piece: Piece, edits: Edits) -> None:
        raw = self.source.load(piece)
        if edits or self.drops:
            raw = b''.join(_Rebuilt(self, piece, edits).parts)
        self._index_loose(raw, self.state.size)
        self.put(raw)

    def _index_loose(self, raw: bytes, offset: int) -> None:
        for op, start, end in mcap.records(raw):
            if op == mcap.METADATA:
                name = mcap.Fields(memoryview(raw)[start + _RECORD:end]).text()
                self._metadata_indexes.append(mcap.pack(
                    mcap.METADATA_INDEX, struct.pack('<QQ', offset + start, end - start),
                    mcap.pack_text(name)))

    def metadata_record(self, record: bytes) -> bytes:
        """Return a metadata record as it is to be written."""
        fields = mcap.Fields(memoryview(record)[_RECORD:])
        name, pairs = fields.text(), fields.pairs()
        text = pairs.get('serialized_metadata')
        if name != 'rosbag2' or text is None:
            return record
        pairs['serialized_metadata'] = self._rewrite_metadata(text, self)
        return mcap.pack(mcap.METADATA, mcap.pack_text(name), mcap.pack_pairs(pairs))

    def _emit_attachment(self, piece: Piece) -> None:
        start = self.state.size
        self.copy(piece.start, piece.end)
        if piece.op == mcap.ATTACHMENT:
            size = min(piece.end - piece.start, 1 << 16)
            body = self.source.read(piece.start, size)[_RECORD:]
            self._index_attachment(body, start, piece.end - piece.start)

    def _index_attachment(self, body: bytes, offset: int, length: int) -> None:
        fields = mcap.Fields(body)
        times = fields.take(16)
        name, media_type, size = fields.text(), fields.text(), fields.u64()
        self._attachment_indexes.append(mcap.pack(
            mcap.ATTACHMENT_INDEX, struct.pack('<QQ', offset, length), times,
            struct.pack('<Q', size), mcap.pack_text(name), mcap.pack_text(media_type)))

    def _write_tail(self) -> None:
        crc = self.state.crc if self._has_crc else 0
        self._has_crc = False
        self.put(mcap.pack(mcap.DATA_END, struct.pack('<I', crc)))
        start = self.state.size
        groups = self._summary_groups()
        summary = b''.join(data for _, data in groups)
        offsets = b''
        if self.source.has_summary_offsets:
            offsets = _summary_offsets(self.source, groups, start)
        footer = struct.pack('<BQQQ', mcap.FOOTER, 20, start if summary else 0,
                             start + len(summary) if offsets else 0)
        crc = zlib.crc32(summary + offsets + footer) if self.source.has_summary_crc else 0
        self.put(summary, offsets, footer, struct.pack('<I', crc), mcap.MAGIC)

    def _summary_groups(self) -> list[tuple[int, bytes]]:
        """Return the summary's records by opcode, in the source's order of opcodes."""
        groups: dict[int, list[bytes]] = {}
        for op, body in self.source.summary:
            if op == mcap.SUMMARY_OFFSET:
                continue
            group = groups.setdefault(op, [])
            record = mcap.pack(op, body)
            if op == mcap.STATISTICS:
                group.append(self._statistics())
            elif op not in {mcap.CHUNK_INDEX, mcap.ATTACHMENT_INDEX, mcap.METADATA_INDEX} \
                    and op <= mcap.DATA_END and self.keeps(op, record, 0):
                group.append(record)
        written = {mcap.CHUNK_INDEX: [mcap.pack_chunk_index(each) for each in self._chunks],
                   mcap.ATTACHMENT_INDEX: self._attachment_indexes,
                   mcap.METADATA_INDEX: self._metadata_indexes}
        return [(op, b''.join(written.get(op, group))) for op, group in groups.items()]

    def _statistics(self) -> bytes:
        statistics = self.source.statistics
        if statistics is None:
            raise BagError(f'{self.source.path}: its statistics record cannot be read')
        tally = self.tally
        counts = {channel: tally.counts.get(channel, 0) for channel in statistics.counts
                  if channel in self.kept_ids}
        counts.update({each: count for each, count in tally.counts.items() if each not in counts})
        statistics = replace(
            statistics, counts=counts, chunk_count=len(self._chunks),
            schema_count=statistics.schema_count
            - len(self.source.schemas) + len(self._kept_schemas),
            channel_count=len(self.kept_ids), message_count=sum(counts.values()),
        )
        if statistics.attachment_count:
            statistics = replace(statistics, attachment_count=len(self._attachment_indexes))
        if tally.dropped:
            statistics = replace(statistics, first_ns=tally.first_ns or 0,
                                 last_ns=tally.last_ns or 0)
        return mcap.pack_statistics(statistics)


def _summary_offsets(source: McapSource, groups: list[tuple[int, bytes]], start: int) -> bytes:
    """Return the records that say where groups lie, for the groups that the source lists."""
    places = {}
    for op, data in groups:
        places[op] = (start, len(data))
        start += len(data)
    records = []
    for op, body in source.summary:
        if op == mcap.SUMMARY_OFFSET:
            start, size = places.get(body[0], (start, 0))
            records.append(mcap.pack(op, struct.pack('<BQQ', body[0], start, size)))
            start += size
    return b''.join(records)


class _Rebuilt:
    """
    The records of a piece with changes.

    parts: the records' bytes. offsets: new by old offset of each message that stays.
    times: first and last log time.
    """

    def __init__(self, target: McapTarget, piece: Piece, edits: Edits) -> None:
        self.parts: list[Buffer] = []
        self.offsets: dict[int, int] = {}
        self._target = target
        self._size = 0
        self._log_times: list[int] = []
        raw = target.source.load(piece)
        ordinal = 0
        for op, start, end in mcap.records(raw):
            if op == mcap.MESSAGE:
                self._message(raw, start, end, edits, ordinal)
                ordinal += 1
            elif op == mcap.METADATA and target.drops:
                self._append(target.metadata_record(raw[start:end]))
            elif target.keeps(op, raw, start):
                self._append(memoryview(raw)[start:end])
        unchanged = None not in edits.values()
        self.times = (piece.first_ns, piece.last_ns) if unchanged else (
            min(self._log_times, default=0), max(self._log_times, default=0))

    def _append(self, part: Buffer) -> None:
        self.parts.append(part)
        self._size += len(part)

    def _message(self, raw: bytes, start: int, end: int, edits: Edits, ordinal: int) -> None:
        stored = memoryview(raw)[start:end]
        data = edits.get(ordinal, stored)
        if data is None:
            return
        _, _, channel, sequence, log_ns, publish_ns = mcap.MESSAGE_HEAD.unpack_from(raw, start)
        self.offsets[start] = self._size
        self._log_times.append(log_ns)
        if data is stored:
            self._append(stored)
            return
        if is_packed(stored[_HEAD:], self._target.source.connection_of(channel)):
            data = compress(data, 'zstd')
        self._append(mcap.MESSAGE_HEAD.pack(
            mcap.MESSAGE, len(data) + 22, channel, sequence, log_ns, publish_ns))
        self._append(data)
