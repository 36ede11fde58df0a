# SPDX-License-Identifier: Apache-2.0
"""Search the result for what is still to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.bags.verify_report import Residual
from anon_ros.core.boxes import cover
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from anon_ros.bags.messages import CameraMessage
    from anon_ros.bags.storage.interface import Message
    from anon_ros.bags.verify_report import ReportBuilder
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Regions, UInt8Array

INSIDE = 0.5
"""A sighting lies in the hidden regions where one of them covers at least this share of it."""


@dataclass(frozen=True)
class Search:
    """
    How to look for what is still to be seen.

    detector: better at another scale than the one that was used. every: search each nth frame of
    a topic.
    """

    detector: RegionDetector
    every: int = 1


@dataclass(frozen=True)
class FramePair:
    """
    A camera's message and what was made of it.

    index: the message's number in the source bag. located: the result's, opened.
    hidden: what was hidden in it, margins included; None where nobody knows.
    """

    index: int
    before: Message
    after: Message
    located: CameraMessage
    hidden: Regions | None

    @property
    def name(self) -> str:
        """Topic, number and time, for a line about it."""
        return name_of(self.before, self.index)


class Searcher:
    """Searches every nth frame of each topic, if anybody wants that."""

    def __init__(self, search: Search | None, report: ReportBuilder) -> None:
        self._search = search
        self._report = report
        self._frames: dict[str, int] = {}

    def is_due(self, topic: str) -> bool:
        """Count a frame of a topic; return whether it is one to be searched."""
        if self._search is None:
            return False
        number = self._frames.get(topic, 0)
        self._frames[topic] = number + 1
        return number % self._search.every == 0

    def search(self, pair: FramePair, view_bgr: UInt8Array) -> None:
        """Report what the detector sees in a frame of the result."""
        if self._search is None:
            return
        seen = self._search.detector.detect(view_bgr)
        self._report.searched += 1
        for number, is_hidden in enumerate(_are_hidden(seen, pair.hidden)):
            self._report.still_seen(Residual(
                pair.after.connection.topic, pair.index, pair.located.stamp_ns,
                Kind(int(seen.kinds[number])).label, float(seen.scores[number]),
                _box(seen, number), is_hidden,
            ))


def name_of(message: Message, index: int | None = None) -> str:
    """Return a message's topic, number and time in one line."""
    number = '' if index is None else f' message {index}'
    return f'{message.connection.topic}{number} at {message.log_ns} ns'


def _are_hidden(seen: Regions, hidden: Regions | None) -> list[bool | None]:
    if hidden is None:
        return [None] * len(seen)
    if not len(hidden):
        return [False] * len(seen)
    shares = cover(seen.boxes_xyxy, hidden.boxes_xyxy).max(axis=1)
    return [bool(share >= INSIDE) for share in shares]


def _box(seen: Regions, number: int) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = (float(value) for value in seen.boxes_xyxy[number])
    return x_min, y_min, x_max, y_max
