# SPDX-License-Identifier: Apache-2.0
"""Writes an sqlite3 bag file anew: nothing of the source's free pages comes along."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

from anon_ros.bags.storage.compression import ZSTD_MAGIC, compress
from anon_ros.bags.storage.ledger import Ledger
from anon_ros.bags.storage.partial import State
from anon_ros.bags.storage.sqlite_source import MESSAGE_COLUMNS, SMALL_TABLES, quote
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from anon_ros.bags.storage.interface import Attachment, Connection, Message, Tally
    from anon_ros.bags.storage.sqlite_source import SqliteSource

CHECKPOINT_S = 2.0
CHECKPOINT_BYTES = 64 << 20

_BATCH_ROWS = 512
_BATCH_BYTES = 4 << 20


class SqliteTarget:
    """
    One sqlite3 file being written.

    Rows go into transactions of about two seconds. The rollback journal lies beside the growing
    file, so a kill loses one transaction at most, and none of it outlives finish(). How far an
    unfinished file has come is what its rows say; nothing else could be as true.

    keep_attachment: tells which tables that rosbag2 does not know stay.
    rewrite_metadata: gives rosbag2's own metadata text a form without what was dropped.
    """

    def __init__(
        self, source: SqliteSource, path: Path, state_path: Path,
        keep: Callable[[Connection], bool], keep_attachment: Callable[[Attachment], bool],
        rewrite_metadata: Callable[[str, SqliteTarget], str],
    ) -> None:
        self.source = source
        self.path = path
        self.kept_ids = {each.id for each in source.connections if keep(each)}
        self._keep_attachment = keep_attachment
        self._rewrite_metadata = rewrite_metadata
        self._state_path = state_path
        self.state = State.load(state_path)
        self._rows: list[tuple[Any, ...]] = []
        self._row_bytes = 0
        self._last_id: int | None = None
        self._done = self.state.messages_done
        self._unsaved_bytes, self._saved_at = 0, time.monotonic()
        self._database: sqlite3.Connection | None = None
        self._syncer = Thread()
        columns = MESSAGE_COLUMNS + source.extra_columns
        self._insert = _insert('messages', columns)
        self._ledger = Ledger(self.state)
        if not self.state.finished:
            self._open()

    def _failed(self, error: sqlite3.Error) -> OutputError:
        return OutputError(f'{self.path}: cannot be written ({error})')

    def _open(self) -> None:
        try:
            self._database = sqlite3.connect(
                self.path, check_same_thread=False, isolation_level=None)
            for name in ('page_size', 'encoding', 'auto_vacuum'):
                value = self._header_field(name)
                self._execute(f"PRAGMA {name} = '{value}'")
            # What a killed process has written stays; only a power cut could lose parts of it,
            # which _recall notices. The finished file is brought to the disk as a whole.
            self._execute('PRAGMA synchronous = OFF')
            self._execute('PRAGMA cache_size = -32000')
            self._execute('BEGIN IMMEDIATE')
            if self._execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone():
                self._recall()
            else:
                self._create_tables()
        except sqlite3.Error as error:
            self.close()
            raise self._failed(error) from error

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if self._database is None:
            raise OutputError(f'{self.path}: is closed already')
        return self._database.execute(statement, values)

    def _header_field(self, name: str) -> int | str:
        value: int | str = self.source.query(f'PRAGMA {name}')[0][0]
        return value

    def _create_tables(self) -> None:
        tables = self.source.tables()
        for table, statement in tables.items():
            if table in {*SMALL_TABLES, 'messages'} or self._keep_attachment(
                    self.source.attachment(table)):
                self._execute(statement)
        for table in SMALL_TABLES:
            if table in tables and table != 'metadata':
                self._copy_table(table)
        self._commit()

    def _copy_table(self, table: str) -> None:
        columns = self.source.columns(table)
        rows: Iterable[tuple[Any, ...]] = self.source.rows(table)
        if table == 'topics':
            place = columns.index('id')
            rows = (row for row in rows if row[place] in self.kept_ids)
        elif table == 'message_definitions':
            place, kept = columns.index('topic_type'), self._kept_types()
            rows = (row for row in rows if row[place] in kept)
        elif table == 'metadata' and self.drops:
            place = columns.index('metadata')
            rows = ((*row[:place], self._rewrite_metadata(row[place], self), *row[place + 1:])
                    for row in rows)
        if self._database is not None:
            self._database.executemany(_insert(table, columns), rows)

    def _kept_types(self) -> set[str]:
        """Return all types but those that only removed topics are of."""
        rows = self.source.query('SELECT id, type FROM topics')
        used = {msgtype for identity, msgtype in rows if identity in self.kept_ids}
        removed = {msgtype for identity, msgtype in rows if identity not in self.kept_ids} - used
        defined = self.source.query('SELECT topic_type FROM message_definitions')
        return {row[0] for row in defined} - removed

    def _recall(self) -> None:
        """Learn from the committed rows how far an earlier run came."""
        state = self.state
        if self._execute('PRAGMA quick_check(1)').fetchone() != ('ok',):
            raise OutputError(
                f'{self.path}: was damaged, by a power cut perhaps, and cannot be resumed; '
                'remove the .partial folder')
        last_id, state.first_ns, state.last_ns = self._execute(
            'SELECT max(id), min(timestamp), max(timestamp) FROM messages').fetchone()
        if last_id is None:
            return
        by_topic = 'SELECT topic_id, count(*) FROM messages WHERE id <= ? GROUP BY topic_id'
        seen = dict(self.source.query(by_topic, (last_id,)))
        state.counts = dict(self._execute(by_topic, (last_id,)))
        state.dropped = {topic: count - state.counts.get(topic, 0) for topic, count in seen.items()
                         if count > state.counts.get(topic, 0)}
        self._last_id = last_id
        self._ledger = Ledger(state)
        self._done = state.messages_done = sum(seen.values())

    @property
    def messages_done(self) -> int:
        """Source messages written or dropped already: skip as many when a run is resumed."""
        return self.state.messages_done

    @property
    def tally(self) -> Tally:
        """What has been written and dropped so far."""
        return self._ledger.tally

    @property
    def drops(self) -> bool:
        """Whether anything of the source was or will be left out."""
        return len(self.kept_ids) < len(self.source.connections) or bool(self._ledger.dropped)

    def write(self, message: Message, data: bytes | memoryview) -> None:
        """
        Write a message with this payload.

        Pass message.data itself where nothing changes: that keeps even compressed bytes.
        Raises OutputError out of order, for a connection that is not kept, or on a full disk.
        """
        self._take(message)
        if message.connection.id not in self.kept_ids:
            raise OutputError(f'{message.connection.topic}: the topic is not kept in {self.path}')
        row = message.place
        if data is not message.data:
            packed = row[3] is not message.data and row[3][:4] == ZSTD_MAGIC
            row = (*row[:3], compress(data, 'zstd') if packed else bytes(data), *row[4:])
        self._ledger.add(message)
        self._rows.append(row)
        self._row_bytes += len(row[3]) + 32
        if self._row_bytes > _BATCH_BYTES or len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def drop(self, message: Message) -> None:
        """Leave a message out. Raises OutputError out of order."""
        self._take(message)
        self._ledger.drop(message)

    def _take(self, message: Message) -> None:
        if self._last_id is not None and message.ordinal <= self._last_id:
            raise OutputError(f'{self.path}: message {message.ordinal} came after message '
                              f'{self._last_id}; write in the order of the source')
        self._last_id = message.ordinal
        self._done += 1

    def _flush(self) -> None:
        """Hand the gathered rows to the database; commit when it is time."""
        try:
            if self._database is not None:
                self._database.executemany(self._insert, self._rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self._unsaved_bytes += self._row_bytes
        self._rows, self._row_bytes = [], 0
        if (self._unsaved_bytes > CHECKPOINT_BYTES
                or time.monotonic() - self._saved_at > CHECKPOINT_S):
            self._commit()

    def _commit(self) -> None:
        try:
            self._execute('COMMIT')
            self._execute('BEGIN IMMEDIATE')
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self.state.messages_done = self._done
        self._unsaved_bytes, self._saved_at = 0, time.monotonic()
        # Beside the work, so that little is left to wait for when the file is finished.
        if not self._syncer.is_alive():
            self._syncer = Thread(target=self._sync_aside)
            self._syncer.start()

    def _sync_aside(self) -> None:
        with contextlib.suppress(OutputError):  # the sync at the end will tell
            self._sync()

    def checkpoint(self) -> int:
        """Make what is complete survive a kill; return how many source messages that is."""
        if self._database is not None:
            self._flush()
            self._commit()
        return self.state.messages_done

    def finish(self) -> None:
        """Complete the file. Raises OutputError unless every source message was seen."""
        if self.state.finished:
            return
        self._flush()
        if self._done != self.source.message_count:
            raise OutputError(f'{self.path}: {self._done} of {self.source.message_count} messages '
                              'of the source came; write or drop each one')
        try:
            self._complete()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self.close()
        self._sync()
        self.state.messages_done = self._done
        self._ledger.store(self.state)
        self.state.finished = True
        self.state.save(self._state_path)

    def _sync(self) -> None:
        """Bring the finished file to the disk: its name must not outrun it."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be written ({error.strerror})') from error

    def _complete(self) -> None:
        """Write what follows the messages, unless a run did that and was killed just then."""
        present = {row[0] for row in self._execute('SELECT name FROM sqlite_master')}
        for table in self.source.tables():
            comes_last = table == 'metadata' or table not in {*SMALL_TABLES, 'messages'}
            if comes_last and table in present and self._is_empty(table):
                self._copy_table(table)
        # Indexes come last: filling one afterwards is faster than keeping it up to date.
        others = self.source.query(
            "SELECT tbl_name, name, sql FROM sqlite_master WHERE type <> 'table' "
            'AND sql IS NOT NULL ORDER BY rowid')
        for table, name, statement in others:
            if table in present and name not in present:
                self._execute(statement)
        for name in ('application_id', 'user_version'):
            self._execute(f'PRAGMA {name} = {self._header_field(name)}')
        self._execute('COMMIT')

    def _is_empty(self, table: str) -> bool:
        found = self._execute(f'SELECT 1 FROM {quote(table)} LIMIT 1')  # noqa: S608  quoted
        return found.fetchone() is None

    def close(self) -> None:
        """Let go of the file as it is; a later run may resume it."""
        if self._syncer.is_alive():
            self._syncer.join()
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):  # what is committed stays
                self._database.close()
            self._database = None


def _insert(table: str, columns: Iterable[str]) -> str:
    names = [quote(each) for each in columns]
    marks = ', '.join('?' * len(names))
    return f'INSERT INTO {quote(table)} ({", ".join(names)}) VALUES ({marks})'  # noqa: S608
