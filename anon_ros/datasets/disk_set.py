# SPDX-License-Identifier: Apache-2.0
"""A set of any size that lies on the disk, so that memory does not grow with a dataset."""

from __future__ import annotations

import sqlite3
import threading


class DiskSet:
    """Texts and whole numbers, each once; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect('', check_same_thread=False, isolation_level=None)
        self._database.execute('CREATE TABLE items (item PRIMARY KEY) WITHOUT ROWID')
        # One transaction for good: nobody else reads it, and it vanishes anyway.
        self._database.execute('BEGIN')

    def add(self, item: str | int) -> bool:
        """Put an item in; return whether it is new."""
        with self._lock:
            cursor = self._database.execute('INSERT OR IGNORE INTO items VALUES (?)', (item,))
            return cursor.rowcount > 0

    def __contains__(self, item: str | int) -> bool:
        with self._lock:
            row = self._database.execute('SELECT 1 FROM items WHERE item = ?', (item,)).fetchone()
        return row is not None

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._database.close()
