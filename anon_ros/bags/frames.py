# SPDX-License-Identifier: Apache-2.0
"""A few frames of a result as pictures, found by what the chain says of their messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.bags import jobs
from anon_ros.bags.groups import Grouping, video_packet
from anon_ros.bags.links import hash_of
from anon_ros.bags.storage.by_time import Spans, messages_in
from anon_ros.bags.storage.interface import Message
from anon_ros.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from anon_ros.bags.jobs import Tools
    from anon_ros.bags.storage import SourceBag
    from anon_ros.core.regions import UInt8Array

VIDEO_BEFORE_NS, VIDEO_AFTER_NS = 5 * 10**9, 10**9
"""What of a video is read around a frame, to have its key frame and what it is shown after."""


@dataclass(frozen=True)
class WantedFrame:
    """
    A frame to look for.

    hash: of its message in the bag, see audit/chain.py, so that no other can take its place.
    """

    topic: str
    log_ns: int
    hash: bytes


@dataclass
class _Passing:
    """A message, grouped with those that it is decoded with."""

    message: Message
    parameters: bytes = b''


def frames_of(
    bag: SourceBag, wanted: Iterable[WantedFrame], tools: Tools
) -> Iterator[tuple[WantedFrame, UInt8Array]]:
    """
    Yield the wanted frames that are there and can be opened, each with (h, w, 3) uint8 pixels.

    tools: for what has to be opened. Raises BagError where the bag is damaged.
    """
    by_hash = {(frame.topic, frame.hash): frame for frame in wanted}
    topics = {frame.topic for frame in by_hash.values()}
    videos = _videos(bag, topics)
    spans = Spans(
        (frame.log_ns - VIDEO_BEFORE_NS, frame.log_ns + VIDEO_AFTER_NS)
        if frame.topic in videos else (frame.log_ns, frame.log_ns) for frame in by_hash.values()
    )
    open_spans: dict[int, Grouping[_Passing]] = {}
    for number, message in messages_in(bag, spans):
        if message.connection.topic not in topics:
            continue
        # A group must not reach from one stretch of time into another.
        grouping = open_spans.setdefault(number, Grouping())
        for group in grouping.add(_Passing(message)):
            yield from _opened(group, by_hash, tools)
    for grouping in open_spans.values():
        for group in grouping.rest():
            yield from _opened(group, by_hash, tools)


def _videos(bag: SourceBag, topics: set[str]) -> set[str]:
    """Return those topics that carry a video, by their first messages."""
    found: set[str] = set()
    for file in bag.files:
        for connection in file.connections:
            if connection.topic in topics - found:
                for data in file.sample(connection, 1):
                    message = Message(connection, 0, 0, 0, data, None, 0)
                    if video_packet(message) is not None:
                        found.add(connection.topic)
    return found


def _opened(
    group: Sequence[_Passing], by_hash: Mapping[tuple[str, bytes], WantedFrame], tools: Tools
) -> Iterator[tuple[WantedFrame, UInt8Array]]:
    batch = [each.message for each in group]
    found = [by_hash.get((message.connection.topic, hash_of(message))) for message in batch]
    if not any(found):
        return
    try:
        frames = jobs.open_frames(batch, tools, group[0].parameters)
        for wanted, frame in zip(found, frames, strict=True):
            if wanted is not None:
                yield wanted, frame.view_bgr()
    except FrameError:
        return  # there is no picture of what cannot be opened
