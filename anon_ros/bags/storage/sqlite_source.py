# SPDX-License-Identifier: Apache-2.0
"""Reads an sqlite3 bag file of any schema that rosbag2 ever wrote."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any

from anon_ros.bags.storage.compression import ZSTD_MAGIC, decompress, linked, read_exact
from anon_ros.bags.storage.interface import Attachment, Connection, Message
from anon_ros.bags.storage.piece import spread
from anon_ros.bags.storage.typenames import normalise
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAGIC = b'SQLite format 3\0'
MESSAGE_COLUMNS = ('id', 'topic_id', 'timestamp', 'data')
SMALL_TABLES = ('schema', 'metadata', 'message_definitions', 'topics')
"""All that rosbag2 knows beside messages, in no need of a policy."""

_SPREAD_ROWS = 64

_new_message = tuple.__new__


class SqliteSource:
    """
    One sqlite3 file.

    path: what messages name. descriptor: the open file, which this object closes.
    extra_columns: columns of the table of messages that rosbag2 does not know.
    """

    def __init__(self, path: Path, name: str, descriptor: int) -> None:
        self.path = path
        self.name = name
        self.descriptor = descriptor
        self._check_whole()
        self._database = self._connect()
        self._places: dict[int, tuple[int, list[int]]] | None = None
        try:
            self.extra_columns = self._extra_columns()
            self._counts = self._count()
            self.connections = tuple(self._read_connections())
        except BaseException:
            self._database.close()
            raise
        self._by_topic = {each.id: each for each in self.connections}

    def damaged(self, cause: object) -> BagError:
        """Return the error for damage."""
        return BagError(f'{self.path}: damaged: {cause}; '
                        'try `sqlite3 FILE .recover` and `ros2 bag reindex` first')

    def _check_whole(self) -> None:
        size = os.fstat(self.descriptor).st_size
        if size < 100 or read_exact(self.descriptor, 0, 16, self.path) != MAGIC:
            raise BagError(f'{self.path}: not an sqlite3 file: it begins with other bytes')
        head = read_exact(self.descriptor, 0, 100, self.path)
        page = int.from_bytes(head[16:18], 'big')
        announced = int.from_bytes(head[28:32], 'big') * (65536 if page == 1 else page)
        if head[24:28] == head[92:96] and size < announced:
            raise BagError(f'{self.path}: truncated: {size} bytes of {announced}; '
                           'try `sqlite3 FILE .recover` and `ros2 bag reindex` first')
        for suffix in ('-wal', '-journal'):
            beside = self.path.with_name(self.path.name + suffix)
            if beside.exists() and beside.stat().st_size:
                raise BagError(f'{beside}: the recording did not end properly; open {self.path} '
                               'once with `sqlite3 FILE "PRAGMA wal_checkpoint"` to recover it')

    def _connect(self) -> sqlite3.Connection:
        with contextlib.ExitStack() as stack:
            path = self.path
            if os.fstat(self.descriptor).st_nlink == 0:
                path = stack.enter_context(linked(self.descriptor))
            quoted = str(path.absolute()).replace('%', '%25').replace('?', '%3f')
            quoted = quoted.replace('#', '%23')
            try:
                database = sqlite3.connect(
                    f'file:{quoted}?mode=ro&immutable=1', uri=True, check_same_thread=False,
                    isolation_level=None)
                database.execute('SELECT count(*) FROM sqlite_master').fetchone()
            except sqlite3.Error as error:
                raise self.damaged(error) from error
        return database

    def query(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """
        Return all rows that a statement finds.

        Raises BagError where the file is damaged.
        """
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self.damaged(error) from error

    def tables(self) -> dict[str, str]:
        """Return the tables and the statements that made them, in their order."""
        return dict(self.query(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' "
            "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid"))

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns."""
        quoted = quote(table)
        return [row[1] for row in self.query(f'PRAGMA table_info({quoted})')]

    def _extra_columns(self) -> tuple[str, ...]:
        columns = self.columns('messages')
        missing = set(MESSAGE_COLUMNS) - set(columns)
        if missing or not self.columns('topics'):
            raise BagError(f'{self.path}: not a bag: it has no messages or topics')
        return tuple(each for each in columns if each not in MESSAGE_COLUMNS)

    def _count(self) -> dict[int, int]:
        return dict(self.query(
            'SELECT topic_id, count(*) FROM messages GROUP BY topic_id'))

    def _read_connections(self) -> Iterator[Connection]:
        definitions: dict[str, str] = {}
        if 'message_definitions' in self.tables():
            definitions = dict(self.query(
                'SELECT topic_type, encoded_message_definition FROM message_definitions'))
        rows = self.query(
            'SELECT id, name, type, serialization_format FROM topics ORDER BY id')
        unknown = set(self._counts) - {row[0] for row in rows}
        if unknown:
            raise self.damaged(f'messages of topic ids {sorted(unknown)[:5]}, defined nowhere')
        for identity, topic, msgtype, serialization in rows:
            yield Connection(identity, topic, normalise(msgtype, serialization),
                             definitions.get(msgtype, ''), serialization,
                             self._counts.get(identity, 0))

    @property
    def message_count(self) -> int:
        """Messages in this file."""
        return sum(self._counts.values())

    @property
    def select(self) -> str:
        """The statement that reads messages, without a condition."""
        columns = ', '.join(map(quote, MESSAGE_COLUMNS + self.extra_columns))
        return f'SELECT {columns} FROM messages '  # noqa: S608  names, quoted

    def messages(self, skip: int = 0) -> Iterator[Message]:
        """
        Yield all messages but the first `skip`, in the stored order.

        Raises BagError on damage; the message names the file and the cause.
        """
        statement = self.select + 'ORDER BY rowid LIMIT -1 OFFSET ?'
        yield from self._read_messages(statement, skip)

    def message(self, identity: int) -> Message | None:
        """Return the message of that id; None where there is none."""
        return next(self._read_messages(self.select + 'WHERE id = ?', identity), None)

    def messages_between(self, first_ns: int, last_ns: int) -> Iterator[Message]:
        """Yield the messages of a stretch of log time, ends included, in the stored order."""
        statement = self.select + 'WHERE timestamp BETWEEN ? AND ? ORDER BY rowid'
        yield from self._read_messages(statement, first_ns, last_ns)

    def _read_messages(self, statement: str, *values: int) -> Iterator[Message]:
        by_topic = self._by_topic
        try:
            for row in self._database.execute(statement, values):
                identity, topic, stamp_ns, data = row[:4]
                connection = by_topic[topic]
                if type(data) is not bytes:
                    raise self.damaged(f'message {identity} is no blob')
                if data[:4] == ZSTD_MAGIC and connection.serialization == 'cdr':
                    data = self._unpack(data)
                yield _new_message(Message, (
                    connection, stamp_ns, stamp_ns, 0, data, row, identity))
        except (sqlite3.Error, TypeError, KeyError) as error:
            raise self.damaged(error) from error

    def _unpack(self, data: bytes) -> bytes:
        try:
            return decompress(data, 'zstd')
        except ValueError as error:
            raise self.damaged(f'a compressed message: {error}') from error

    def sample(self, connection: Connection, count: int) -> Iterator[bytes]:
        """Yield up to `count` payloads of a connection, spread over the file."""
        if self._places is None:
            self._places = self._find_places()
        _, places = self._places.get(connection.id, (0, []))
        for index in spread(len(places), count):
            for (data,) in self.query('SELECT data FROM messages WHERE id = ?', (places[index],)):
                packed = data[:4] == ZSTD_MAGIC and connection.serialization == 'cdr'
                yield self._unpack(data) if packed else data

    def _find_places(self) -> dict[int, tuple[int, list[int]]]:
        """Return up to some 128 ids of each topic, evenly spread: one pass without payloads."""
        found: dict[int, tuple[int, list[int]]] = {}
        seen: dict[int, int] = {}
        try:
            for identity, topic in self._database.execute('SELECT id, topic_id FROM messages'):
                number = seen[topic] = seen.get(topic, -1) + 1
                step, places = found.setdefault(topic, (1, []))
                if number % step:
                    continue
                places.append(identity)
                if len(places) == 2 * _SPREAD_ROWS:
                    found[topic] = (2 * step, places[::2])
        except sqlite3.Error as error:
            raise self.damaged(error) from error
        return found

    @property
    def attachments(self) -> Sequence[Attachment]:
        """What is in this file beside messages: tables that rosbag2 does not know."""
        return [self.attachment(table) for table in self.tables()
                if table not in {*SMALL_TABLES, 'messages'}]

    def attachment(self, table: str) -> Attachment:
        """Return a table as an attachment; its data are the rows' own text."""
        def read() -> bytes:
            rows = self.rows(table)
            return b'\n'.join(
                each if isinstance(each, bytes) else str(each).encode() for row in rows
                for each in row)
        lengths = ' + '.join(f'coalesce(length({quote(each)}), 0)'
                             for each in self.columns(table))
        size = self.query(
            f'SELECT total({lengths}) FROM {quote(table)}')[0][0]  # noqa: S608  quoted
        return Attachment(self.name, f'table {table}', 'application/x-sqlite3-table',
                          int(size), read)

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table."""
        statement = f'SELECT * FROM {quote(table)}'  # noqa: S608  a name, quoted
        try:
            yield from self._database.execute(statement)
        except sqlite3.Error as error:
            raise self.damaged(error) from error

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor >= 0:
            self._database.close()
            os.close(self.descriptor)
            self.descriptor = -1


def quote(name: str) -> str:
    """Return an identifier as it may stand in a statement."""
    return '"' + name.replace('"', '""') + '"'
