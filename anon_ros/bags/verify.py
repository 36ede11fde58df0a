# SPDX-License-Identifier: Apache-2.0
"""
Prove that nothing changed but what had to: two bags, side by side, message by message.

Both are streamed in step; one message of each is held at a time.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias

from anon_ros.bags.camera_types import PayloadKind
from anon_ros.bags.messages import locate
from anon_ros.bags.sniff import looks_like_image
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action
from anon_ros.bags.verify_channels import compare_bags
from anon_ros.bags.verify_frame import compare_frames, open_frame, same_bytes
from anon_ros.bags.verify_report import ReportBuilder, VerifyReport
from anon_ros.bags.verify_search import FramePair, Search, Searcher, name_of
from anon_ros.bags.verify_video import VideoVerifier
from anon_ros.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.bags.storage import SourceBag
    from anon_ros.bags.storage.interface import Message
    from anon_ros.bags.topics import TopicPlan
    from anon_ros.core.regions import Regions

__all__ = ['HiddenRegions', 'Search', 'verify_bags']

HiddenRegions: TypeAlias = 'Callable[[str, int], Regions | None]'
"""Topic and number of the message in the source bag -> what was hidden, margins included."""


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
        self._searcher = Searcher(search, self.report)
        self._videos = VideoVerifier(self.report, self._searcher)

    def run(self, source: SourceBag, target: SourceBag, progress: Callable[[int], None]) -> None:
        """Compare all messages of both bags."""
        rest = _messages(target)
        after = next(rest, None)
        for index, before in enumerate(_messages(source)):
            if self._plan.action(before.connection) is Action.DROP:
                self.report.count(before.connection.topic, 'dropped')
            elif after is not None and _place(before) == _place(after):
                self._compare(index, before, after)
                after = next(rest, None)
            else:
                self._miss(index, before, after)
            progress(index + 1)
        for message in itertools.chain([after] if after else [], rest):
            self.report.differ(f'{name_of(message)}: not in the source, or not in this order')
        self._videos.finish()

    def _miss(self, index: int, before: Message, after: Message | None) -> None:
        """Count a message that is not there; say so where it could not be withheld."""
        topic = before.connection.topic
        if self._plan.action(before.connection) is Action.ANONYMIZE or (
            self._plan.is_watched(before.connection) and looks_like_image(before.data)
        ):
            self.report.count(topic, 'withheld')
            return
        found = f'{name_of(after)} is in its place' if after else 'the target ends before it'
        self.report.differ(f'{name_of(before, index)}: missing: {found}')

    def _compare(self, index: int, before: Message, after: Message) -> None:
        if self._plan.action(before.connection) is Action.COPY:
            self._compare_copy(index, before, after)
            return
        topic = before.connection.topic
        hidden = self._regions(topic, index) if self._regions else None
        change, mismatch = compare_frames(before, after, hidden)
        if mismatch:
            self.report.differ(f'{name_of(before, index)}: {mismatch}')
        try:
            pair = FramePair(index, before, after, locate(after.connection, after.data), hidden)
        except FrameError:
            # An unreadable message is no picture: only its bytes were compared.
            self.report.count(topic, change.value)
            return
        if pair.located.kind is PayloadKind.VIDEO:
            self._videos.add(pair, change)
            return
        self.report.count(topic, change.value)
        self._search(pair)

    def _compare_copy(self, index: int, before: Message, after: Message) -> None:
        self.report.count(before.connection.topic, 'copied')
        if not same_bytes(before.data, after.data):
            self.report.differ(f'{name_of(before, index)}: copied, but its bytes differ')
        elif self._plan.is_watched(before.connection) and looks_like_image(after.data):
            self.report.differ(f'{name_of(before, index)}: copied, but it holds a picture')

    def _search(self, pair: FramePair) -> None:
        if not self._searcher.is_due(pair.after.connection.topic):
            return
        try:
            view_bgr = open_frame(pair.located).view_bgr()
        except FrameError:
            # Nobody can see anything in a frame that cannot be decoded.
            return
        self._searcher.search(pair, view_bgr)


def _messages(bag: SourceBag) -> Iterator[Message]:
    for file in bag.files:
        yield from file.messages()


def _place(message: Message) -> tuple[str, str, int, int, int]:
    connection = message.connection
    return (
        connection.topic, connection.msgtype, message.log_ns, message.publish_ns,
        message.sequence,
    )
