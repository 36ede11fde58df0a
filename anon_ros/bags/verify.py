# SPDX-License-Identifier: Apache-2.0
"""
Prove that nothing changed but what had to: two bags, side by side, message by message.

Both are streamed in step; one message of each is held at a time.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from anon_ros.bags.messages import locate
from anon_ros.bags.sniff import looks_like_image
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action
from anon_ros.bags.verify_channels import compare_bags
from anon_ros.bags.verify_frame import compare_frames, open_frame
from anon_ros.bags.verify_report import ReportBuilder, Residual, VerifyReport
from anon_ros.core.boxes import cover
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.bags.storage import SourceBag
    from anon_ros.bags.storage.interface import Message
    from anon_ros.bags.topics import TopicPlan
    from anon_ros.core.interfaces import RegionDetector

HiddenRegions: TypeAlias = 'Callable[[str, int], Regions | None]'
"""Topic and number of the message in the source bag -> what was hidden, margins included."""

INSIDE = 0.5
"""A sighting lies in a hidden region that covers at least this share of it."""


@dataclass(frozen=True)
class Search:
    """
    How to look for what is still to be seen.

    detector: better at another scale than the one that was used. every: search each nth frame of
    a topic that changed or kept its bytes; masked ones show nothing.
    """

    detector: RegionDetector
    every: int = 1


def verify_bags(
    source_path: Path | str,
    target_path: Path | str,
    *,
    plan: TopicPlan,
    regions: HiddenRegions | None = None,
    search: Search | None = None,
    progress: Callable[[int], None] | None = None,
) -> VerifyReport:
    """
    Compare a bag with what was made of it.

    plan: what was to happen to each topic. regions: what was hidden in each frame, or None where
    nobody knows; then only a frame's size and encoding are compared. progress: takes the number
    of source messages done.
    Raises InputError and BagError where one of the bags cannot be read.
    """
    with open_bag(source_path) as source, open_bag(target_path) as target:
        verifier = _Verifier(plan, regions, search)
        for line in compare_bags(source, target, plan):
            verifier.report.differ(line)
        verifier.run(source, target, progress or (lambda _: None))
    return verifier.report.build()


class _Verifier:
    """Holds what is counted while two bags pass by."""

    def __init__(
        self, plan: TopicPlan, regions: HiddenRegions | None, search: Search | None
    ) -> None:
        self.report = ReportBuilder()
        self._plan = plan
        self._regions = regions
        self._search = search
        self._frames: dict[str, int] = {}

    def run(self, source: SourceBag, target: SourceBag, progress: Callable[[int], None]) -> None:
        """Compare all messages of both bags."""
        rest = _messages(target)
        after = next(rest, None)
        for index, before in enumerate(_messages(source)):
            progress(index)
            if self._plan.action(before.connection) is Action.DROP:
                self.report.count(before.connection.topic, 'dropped')
            elif after is not None and _place(before) == _place(after):
                self._compare(index, before, after)
                after = next(rest, None)
            else:
                self._miss(index, before, after)
        for message in itertools.chain([after] if after else [], rest):
            self.report.differ(
                f'{_name(message)}: not in the source, or not in this order'
            )

    def _miss(self, index: int, before: Message, after: Message | None) -> None:
        """Count a message that is not there; say so where it could not be withheld."""
        topic = before.connection.topic
        if self._plan.action(before.connection) is Action.ANONYMIZE or (
            self._plan.is_watched(before.connection) and looks_like_image(before.data)
        ):
            self.report.count(topic, 'withheld')
            return
        found = f'{_name(after)} is in its place' if after else 'the target ends before it'
        self.report.differ(f'{_name(before, index)}: missing: {found}')

    def _compare(self, index: int, before: Message, after: Message) -> None:
        topic = before.connection.topic
        if self._plan.action(before.connection) is Action.COPY:
            self.report.count(topic, 'copied')
            if before.data != after.data:
                self.report.differ(f'{_name(before, index)}: copied, but its bytes differ')
            elif self._plan.is_watched(before.connection) and looks_like_image(after.data):
                self.report.differ(f'{_name(before, index)}: copied, but it holds a picture')
            return
        hidden = self._regions(topic, index) if self._regions else None
        comparison = compare_frames(before, after, hidden)
        self.report.count(topic, comparison.change.value)
        if comparison.mismatch:
            self.report.differ(f'{_name(before, index)}: {comparison.mismatch}')
        self._detect(index, after, hidden)

    def _detect(self, index: int, message: Message, hidden: Regions | None) -> None:
        """Search a frame of the result, if it is its turn."""
        if self._search is None:
            return
        topic = message.connection.topic
        number = self._frames.get(topic, 0)
        self._frames[topic] = number + 1
        if number % self._search.every:
            return
        try:
            located = locate(message.connection, message.data)
            seen = self._search.detector.detect(open_frame(located).view_bgr())
        except FrameError:
            # A masked frame may be empty, a video packet is no picture: nothing is seen there.
            return
        self.report.searched += 1
        for number, is_hidden in enumerate(_are_hidden(seen, hidden)):
            self.report.still_seen(Residual(
                topic, index, located.stamp_ns, Kind(int(seen.kinds[number])).label,
                float(seen.scores[number]), _box(seen, number), is_hidden,
            ))


def _messages(bag: SourceBag) -> Iterator[Message]:
    for file in bag.files:
        yield from file.messages()


def _place(message: Message) -> tuple[str, str, int, int, int]:
    connection = message.connection
    return (
        connection.topic, connection.msgtype, message.log_ns, message.publish_ns,
        message.sequence,
    )


def _name(message: Message, index: int | None = None) -> str:
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
