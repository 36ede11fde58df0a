# SPDX-License-Identifier: Apache-2.0
"""Writes a file of pieces: those in which nothing changes are copied as they are."""

from __future__ import annotations

import abc
import contextlib
import os
import time
import zlib
from typing import TYPE_CHECKING

from anon_ros.bags.storage.compression import read_exact, write_all
from anon_ros.bags.storage.ledger import Ledger
from anon_ros.bags.storage.partial import State
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.bags.storage.interface import Connection, Message, Tally
    from anon_ros.bags.storage.piece import Buffer, Piece, PieceSource

CHECKPOINT_S = 5.0
CHECKPOINT_BYTES = 256 << 20

_BLOCK_BYTES = 1 << 20

Edits = dict[int, 'Buffer | None']
"""New payloads by the message's number in its piece; None drops the message."""


class PieceTarget(abc.ABC):
    """
    What mcap and ROS 1 targets share: order, accounting, checkpoints.

    source: where untouched bytes come from, and what says which messages there are.
    path: the growing file. state_path: where its state is kept.
    keep: tells which connections stay in the file at all.
    """

    def __init__(
        self, source: PieceSource, path: Path, state_path: Path,
        keep: Callable[[Connection], bool],
    ) -> None:
        self.source = source
        self.path = path
        self.kept_ids = {each.id for each in source.connections if keep(each)}
        self._state_path = state_path
        self.state = State.load(state_path)
        self._has_crc = False
        self._piece: Piece | None = None
        self._next = 0
        self._edits: Edits = {}
        self._ledger = Ledger(self.state)
        self._saved_size, self._saved_at = self.state.size, time.monotonic()
        self._descriptor = -1 if self.state.finished else self._open()
        if not self.state.finished:
            self._begin()

    def _open(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if os.fstat(descriptor).st_size < self.state.size:
                os.close(descriptor)
                raise OutputError(f'{self.path}: shorter than it was; remove the .partial folder')
            os.ftruncate(descriptor, self.state.size)
            os.lseek(descriptor, self.state.size, os.SEEK_SET)
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be written ({error.strerror})') from error
        return descriptor

    def _begin(self) -> None:
        if self.state.size:
            self._recall(self._descriptor, self.state.size)
        else:
            self._write_head()
            self.state.source_offset = self.source.data_start

    @property
    def messages_done(self) -> int:
        """Source messages written or dropped already: skip as many when a run is resumed."""
        return self.state.messages_done

    @property
    def tally(self) -> Tally:
        """What has been written and dropped so far."""
        return self._ledger.tally

    @property
    def removes_connections(self) -> bool:
        """Whether a connection of the source does not stay."""
        return len(self.kept_ids) < len(self.source.connections)

    @property
    def drops(self) -> bool:
        """Whether anything of the source was or will be left out."""
        return self.removes_connections or bool(self._ledger.dropped)

    def write(self, message: Message, data: Buffer) -> None:
        """
        Write a message with this payload.

        Pass message.data itself where nothing changes: that keeps even compressed bytes.
        Raises OutputError out of order, for a connection that is not kept, or on a full disk.
        """
        self._take(message)
        if message.connection.id not in self.kept_ids:
            raise OutputError(f'{message.connection.topic}: the topic is not kept in {self.path}')
        if data is not message.data:
            self._edits[message.ordinal] = bytes(data)
        self._ledger.add(message)

    def drop(self, message: Message) -> None:
        """Leave a message out. Raises OutputError out of order."""
        self._take(message)
        self._edits[message.ordinal] = None
        self._ledger.drop(message)

    def _take(self, message: Message) -> None:
        if message.place is not self._piece:
            self._enter(message.place)
        if message.ordinal != self._next:
            raise OutputError(f'{self.path}: message {message.ordinal} of a piece came where '
                              f'{self._next} was due; write in the order of the source')
        self._next += 1

    def _enter(self, piece: Piece) -> None:
        self._leave()
        if piece.start < self.state.source_offset:
            raise OutputError(f'{self.path}: a message came again; write each one once')
        self._pass_to(piece.start)
        self._piece = piece

    def _leave(self) -> None:
        """Emit the piece whose messages have all come."""
        piece = self._piece
        if piece is None:
            return
        if piece.message_count != self._next:
            raise OutputError(f'{self.path}: a piece of the source has {piece.message_count} '
                              f'messages and {self._next} came; write or drop each one')
        self._emit(piece, self._edits)
        self._piece, self._edits = None, {}
        self._account(piece, self._next)
        self._next = 0

    def _account(self, piece: Piece, messages: int) -> None:
        state = self.state
        state.source_offset = piece.end
        state.messages_done += messages
        self._ledger.store(state)
        if (state.size - self._saved_size >= CHECKPOINT_BYTES
                or time.monotonic() - self._saved_at >= CHECKPOINT_S):
            self.checkpoint()

    def _pass_to(self, offset: int) -> None:
        """Emit pieces without messages up to an offset of the source."""
        while self.state.source_offset < offset:
            piece = self.source.read_piece(self.state.source_offset)
            if piece.message_count != 0:
                for _ in self.source.piece_messages(piece):
                    raise OutputError(f'{self.path}: messages of the source were left out at '
                                      f'byte {piece.start}; write or drop each one')
            self._emit(piece, {})
            self._account(piece, 0)

    def checkpoint(self) -> int:
        """Make what is complete survive a kill; return how many source messages that is."""
        if self._descriptor >= 0:
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                raise OutputError(f'{self.path}: cannot be written ({error.strerror})') from error
            self.state.save(self._state_path)
            self._saved_size, self._saved_at = self.state.size, time.monotonic()
        return self.state.messages_done

    def finish(self) -> None:
        """Complete the file. Raises OutputError unless every source message was seen."""
        if self.state.finished:
            return
        self._leave()
        self._pass_to(self.source.data_end)
        self.checkpoint()
        self._write_tail()
        self.state.finished = True
        self.checkpoint()
        self.close()

    def close(self) -> None:
        """Let go of the file as it is; a later run may resume it."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # written and synced, or not wanted any more
                os.close(self._descriptor)
            self._descriptor = -1

    def put(self, *buffers: Buffer) -> None:
        """Append bytes to the file."""
        for buffer in buffers:
            write_all(self._descriptor, buffer, self.path)
            self.state.size += len(buffer)
            if self._has_crc:
                self.state.crc = zlib.crc32(buffer, self.state.crc)

    def put_at(self, offset: int, data: bytes) -> None:
        """Overwrite bytes of the file."""
        try:
            os.pwrite(self._descriptor, data, offset)
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be written ({error.strerror})') from error

    def copy(self, start: int, end: int) -> None:
        """Append bytes of the source as they are."""
        while start < end:
            size = min(_BLOCK_BYTES, end - start)
            self.put(read_exact(self.source.descriptor, start, size, self.source.path))
            start += size

    @abc.abstractmethod
    def _write_head(self) -> None:
        """Write what precedes the pieces."""

    @abc.abstractmethod
    def _recall(self, descriptor: int, size: int) -> None:
        """Learn again what the first `size` bytes of the target hold."""

    @abc.abstractmethod
    def _emit(self, piece: Piece, edits: Edits) -> None:
        """Write a piece: as it is, or with these messages changed."""

    @abc.abstractmethod
    def _write_tail(self) -> None:
        """Write what follows the pieces: summary, indexes."""
