# SPDX-License-Identifier: Apache-2.0
"""The messages of a few stretches of time, without reading what lies between them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from anon_ros.bags.storage.sqlite_source import SqliteSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anon_ros.bags.storage.interface import Message
    from anon_ros.bags.storage.mcap_source import McapSource
    from anon_ros.bags.storage.ros1_source import Ros1Source
    from anon_ros.bags.storage.source_bag import SourceBag


class Spans:
    """Stretches of log time, ends included; those that touch are one."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first_ns, last_ns in sorted(spans):
            if self._ends and first_ns <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], last_ns)
            else:
                self._starts.append(first_ns)
                self._ends.append(last_ns)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def find(self, log_ns: int) -> int | None:
        """Return the number of the stretch that a time lies in."""
        at = bisect_right(self._starts, log_ns) - 1
        return at if at >= 0 and log_ns <= self._ends[at] else None

    def touch(self, first_ns: int, last_ns: int) -> bool:
        """Return whether one of them has a time in common with another stretch."""
        at = bisect_right(self._starts, last_ns) - 1
        return at >= 0 and self._ends[at] >= first_ns


def messages_in(bag: SourceBag, spans: Spans) -> Iterator[tuple[int, Message]]:
    """
    Yield the messages of some stretches of time, each with the number of its stretch.

    Within a stretch they come in the stored order. Raises BagError on damage.
    """
    for file in bag.files:
        if isinstance(file, SqliteSource):
            for number, (first_ns, last_ns) in enumerate(spans):
                for message in file.messages_between(first_ns, last_ns):
                    yield number, message
        else:
            yield from _from_pieces(file, spans)


def _from_pieces(
    file: McapSource | Ros1Source, spans: Spans
) -> Iterator[tuple[int, Message]]:
    for piece in file.pieces():
        # Loose records and ROS 1 chunks do not tell their times.
        if piece.last_ns and not spans.touch(piece.first_ns, piece.last_ns):
            continue
        for message in file.piece_messages(piece):
            number = spans.find(message.log_ns)
            if number is not None:
                yield number, message
