# SPDX-License-Identifier: Apache-2.0
"""
Messages in, messages out, in the same order; workers look and render, one thread coordinates.

Every message waits in one queue until it may be written. A camera's messages are looked into by
the workers, go through the camera's tracker, which holds them for its look-ahead window, and are
rendered by the workers with what the window has shown. The queue holds encoded messages only;
decoded pictures live as long as one job.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anon_ros.audit.flags import NO_VEHICLE
from anon_ros.audit.manifest import FlagRecord
from anon_ros.bags import jobs
from anon_ros.bags.topics import Action
from anon_ros.core.regions import Kind, Regions
from anon_ros.tracking.renumbering import Renumbering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anon_ros.bags.jobs import Look, Rendering, Tools
    from anon_ros.bags.storage.interface import Message, TargetFile
    from anon_ros.core.interfaces import RegionTracker, Sighting

QUEUE_BYTES = 384 * 2**20
"""Above this the oldest window is closed early, so that memory stays bounded."""
LOOKS_PER_WORKER = 2
"""Batches on their way to the workers: enough to keep them busy, not more."""
IDLE_WINDOWS = 2
"""A camera silent for this many windows is not waited for any longer."""
UNKNOWN_WH = (0, 0)
TRACKS_PER_CAMERA = 10**9


@dataclass
class Item:
    """
    One message on its way from the source to the target.

    target: the file it goes to. index: its place among all messages of the source, from 0.
    parameters: a video's parameter sets before this message.
    is_context: already written by an earlier run; it is looked into for the tracker's sake only.
    regions: what is hidden in it, once that is known. rendering: where its result will be.
    """

    message: Message
    action: Action
    target: TargetFile
    index: int
    is_context: bool = False
    parameters: bytes = b''
    stamp_ns: int = 0
    regions: Regions | None = None
    size_wh: tuple[int, int] = UNKNOWN_WH
    rendering: Future[list[Rendering]] | None = None
    place: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it can be written without waiting."""
        if self.action is not Action.ANONYMIZE:
            return True
        return self.rendering is not None and self.rendering.done()

    def result(self) -> Rendering:
        """Return the rendering; wait for it."""
        if self.rendering is None:
            raise RuntimeError('a message was written before its window closed')
        return self.rendering.result()[self.place]


@dataclass(frozen=True)
class Known:
    """What a regions file says of a message; withheld: why it was, None where it was not."""

    regions: Regions
    withheld: str | None


@dataclass
class Past:
    """
    What an earlier run of the same recording left behind.

    regions: what it hid at last, by the message's index. next_track_ids: by topic, the first
    number that no track of that camera has; each camera counts in a range of its own.
    """

    regions: dict[int, Regions] = field(default_factory=dict)
    next_track_ids: dict[str, int] = field(default_factory=dict)

    def first_free(self, topic: str) -> int:
        """Return a camera's next number; a camera that nobody saw before gets a new range."""
        if topic not in self.next_track_ids:
            ranges = [number // TRACKS_PER_CAMERA for number in self.next_track_ids.values()]
            self.next_track_ids[topic] = (max(ranges, default=-1) + 1) * TRACKS_PER_CAMERA
        return self.next_track_ids[topic]


@dataclass
class Batch:
    """Messages that are decoded together, and what was seen in them."""

    items: list[Item]
    looks: Future[list[Look]] | None = None
    withheld: str | None = None
    open_items: int = field(default=0)


class CameraStream:
    """The batches of one camera: looked into, tracked, rendered, each in its order."""

    def __init__(
        self,
        tracker: RegionTracker,
        pool: ThreadPoolExecutor,
        tools: Tools,
        known: Callable[[Item], Known] | None,
        past: Past,
        first_free: int,
    ) -> None:
        """
        Take what the camera needs.

        known: gives the regions of a message when they are read from a file; None to detect.
        first_free: the first number that no track of this camera has.
        """
        self._tracker = tracker
        self._pool = pool
        self._tools = tools
        self._known = known
        self._written = past.regions
        self._numbering = Renumbering(first_free)
        self._looking: deque[Batch] = deque()
        self._tracked: deque[tuple[Batch, Item]] = deque()
        self._size_wh: tuple[int, int] | None = None

    @property
    def looking(self) -> int:
        """Batches whose look has not been taken over yet."""
        return len(self._looking)

    @property
    def oldest_ns(self) -> int | None:
        """The log time of the oldest message that is not rendered yet."""
        if self._tracked:
            return self._tracked[0][1].message.log_ns
        return self._looking[0].items[0].message.log_ns if self._looking else None

    def add(self, items: list[Item]) -> None:
        """Send a batch to the workers."""
        batch = Batch(items, open_items=len(items))
        batch.looks = self._pool.submit(
            jobs.look, [item.message for item in items], self._tools, items[0].parameters
        )
        self._looking.append(batch)

    def advance(self, *, wait: bool = False) -> None:
        """Take over what the workers have seen, in order; wait for the oldest one if asked."""
        while self._looking:
            looks = self._looking[0].looks
            if looks is None or not (wait or looks.done()):
                return
            wait = False
            self._take_over(self._looking.popleft(), looks.result())

    def close_window(self) -> None:
        """Render everything seen so far without looking further ahead."""
        while self._looking:
            self.advance(wait=True)
        self._settle(self._tracker.flush())

    def _take_over(self, batch: Batch, looks: list[Look]) -> None:
        for item, seen in zip(batch.items, looks, strict=True):
            batch.withheld = batch.withheld or seen.reason
            self._tracked.append((batch, item))
            for _ in range(seen.stray_plates):
                self._tools.recorder.flag(FlagRecord(
                    NO_VEHICLE, item.message.connection.topic, item.index,
                    seen.sighting.stamp_ns, Kind.PLATE.label,
                ))
            self._settle(self._tracker.push(self._sized(seen.sighting, item)))

    def _sized(self, sighting: Sighting, item: Item) -> Sighting:
        """Return the sighting with a size: a frame nobody could open is no change of camera."""
        if sighting.size_wh == UNKNOWN_WH:
            sighting = replace(sighting, size_wh=self._size_wh or UNKNOWN_WH)
        else:
            self._size_wh = sighting.size_wh
        item.size_wh, item.stamp_ns = sighting.size_wh, sighting.stamp_ns
        return sighting

    def _settle(self, sightings: list[Sighting]) -> None:
        """Give the regions that are final now to their messages, and render what is complete."""
        for sighting in sightings:
            batch, item = self._tracked.popleft()
            if self._known is None:
                item.regions = self._renumbered(item, sighting.regions)
            else:
                known = self._known(item)
                item.regions, batch.withheld = known.regions, batch.withheld or known.withheld
            batch.open_items -= 1
            if not batch.open_items:
                self._render(batch)

    def _renumbered(self, item: Item, regions: Regions) -> Regions:
        """Return the regions with the numbers that their tracks have in the whole recording."""
        if item.is_context:
            self._numbering.learn(regions, self._written.get(item.index, Regions.empty()))
            return regions
        return self._numbering.apply(regions)

    def _render(self, batch: Batch) -> None:
        if all(item.is_context for item in batch.items):
            return
        rendering = self._pool.submit(
            jobs.render,
            [item.message for item in batch.items],
            [item.regions or Regions.empty() for item in batch.items],
            self._tools,
            parameters=batch.items[0].parameters,
            withheld=batch.withheld,
            fallback_wh=self._size_wh,
        )
        for place, item in enumerate(batch.items):
            item.rendering, item.place = rendering, place


class Pipeline:
    """All cameras of a bag and the queue of its messages."""

    def __init__(
        self,
        tools: Tools,
        *,
        threads: int,
        window_ns: int,
        new_tracker: Callable[[str], RegionTracker],
        known: Callable[[Item], Known] | None = None,
        past: Past | None = None,
    ) -> None:
        """
        Take the workers' number, the look-ahead and a tracker's maker (topic -> tracker).

        known: see CameraStream. past: of a run that goes on.
        """
        self._tools = tools
        self._threads = threads
        self._window_ns = window_ns
        self._new_tracker = new_tracker
        self._known = known
        self._past = past or Past()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix='anon-worker')
        self._cameras: dict[str, CameraStream] = {}
        self._queue: deque[Item] = deque()
        self._queue_bytes = 0

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_empty(self) -> bool:
        """Whether no message waits to be written."""
        return not self._queue

    def queue(self, item: Item) -> None:
        """Give a message its place in the order."""
        self._queue.append(item)
        self._queue_bytes += len(item.message.data)

    def look(self, group: list[Item]) -> None:
        """Send messages that are decoded together, queued or context, to the workers."""
        self._camera(group[0]).add(group)

    def advance(self, now_ns: int) -> Iterator[Item]:
        """
        Move everything on and yield what can be written now, in order.

        now_ns: the log time of the newest message.
        """
        self._advance(now_ns)
        while self._queue and (self._queue[0].is_ready or self._is_full()):
            yield self._pop()

    def finish(self) -> Iterator[Item]:
        """Close every window and yield the rest."""
        for camera in self._cameras.values():
            camera.close_window()
        while self._queue:
            yield self._pop()

    def _camera(self, item: Item) -> CameraStream:
        topic = item.message.connection.topic
        if topic not in self._cameras:
            self._cameras[topic] = CameraStream(
                self._new_tracker(topic), self._pool, self._tools, self._known, self._past,
                self._past.first_free(topic),
            )
        return self._cameras[topic]

    def _advance(self, now_ns: int) -> None:
        cameras = list(self._cameras.values())
        for camera in cameras:
            camera.advance()
        while sum(camera.looking for camera in cameras) > self._threads * LOOKS_PER_WORKER:
            max(cameras, key=lambda camera: camera.looking).advance(wait=True)
        patience_ns = IDLE_WINDOWS * self._window_ns + 10**9
        for camera in cameras:
            oldest_ns = camera.oldest_ns
            if oldest_ns is not None and now_ns - oldest_ns > patience_ns:
                camera.close_window()
        if self._queue_bytes > QUEUE_BYTES:
            self._shorten(cameras)

    def _shorten(self, cameras: list[CameraStream]) -> None:
        """Close the window of the camera that holds the head of the queue."""
        waiting = [camera for camera in cameras if camera.oldest_ns is not None]
        if waiting:
            min(waiting, key=lambda camera: camera.oldest_ns or 0).close_window()

    def _is_full(self) -> bool:
        """Whether the head has to be waited for: its rendering is under way, memory is scarce."""
        return self._queue_bytes > QUEUE_BYTES and self._queue[0].rendering is not None

    def _pop(self) -> Item:
        item = self._queue.popleft()
        self._queue_bytes -= len(item.message.data)
        return item
