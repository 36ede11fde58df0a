# SPDX-License-Identifier: Apache-2.0
"""Any message of a bag once more, by where it lies; for whoever looks at a few of many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from anon_ros.bags.storage.sqlite_source import SqliteSource
from anon_ros.errors import BagError

if TYPE_CHECKING:
    from anon_ros.bags.storage.interface import Message
    from anon_ros.bags.storage.mcap_source import McapSource
    from anon_ros.bags.storage.ros1_source import Ros1Source
    from anon_ros.bags.storage.source_bag import SourceBag

HELD_BYTES = 64 << 20
"""Decompressed pieces that are kept, since neighbours in time lie in the same ones."""


class Bookmark(NamedTuple):
    """
    Where a message lies.

    file: number of the bag's file. piece: where its piece begins, in bytes; 0 for sqlite3.
    ordinal: as in the message.
    """

    file: int
    piece: int
    ordinal: int


def bookmark(file: int, message: Message) -> Bookmark:
    """Return where a message lies that was read from the bag's file of that number."""
    return Bookmark(file, getattr(message.place, 'start', 0), message.ordinal)


class RandomAccess:
    """Reads messages of an open bag by their bookmarks. Safe from several threads at once."""

    def __init__(self, bag: SourceBag) -> None:
        """Take an open bag; it is not closed here."""
        self._bag = bag
        self._lock = threading.Lock()
        self._pieces: OrderedDict[tuple[int, int], list[Message]] = OrderedDict()

    def read(self, mark: Bookmark) -> Message:
        """
        Return a message.

        Raises BagError where the bag is damaged, or holds no such message any more.
        """
        with self._lock:
            file = self._bag.files[mark.file]
            if isinstance(file, SqliteSource):
                found = file.message(mark.ordinal)
            else:
                piece = self._piece(file, mark)
                found = piece[mark.ordinal] if mark.ordinal < len(piece) else None
        if found is None:
            raise BagError(f'{file.path}: message {mark.ordinal} is not there any more')
        return found

    def _piece(self, file: McapSource | Ros1Source, mark: Bookmark) -> list[Message]:
        key = mark[:2]
        if key not in self._pieces:
            self._pieces[key] = list(file.piece_messages(file.read_piece(mark.piece)))
            while len(self._pieces) > 1 and self._held_bytes() > HELD_BYTES:
                self._pieces.popitem(last=False)
        self._pieces.move_to_end(key)
        return self._pieces[key]

    def _held_bytes(self) -> int:
        return sum(len(each.data) for piece in self._pieces.values() for each in piece)
