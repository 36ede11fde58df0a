# SPDX-License-Identifier: Apache-2.0
"""The thread that owns detection and rendering, outside the executor."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from anon_ros.core.interfaces import Hidden
from anon_ros.errors import AnonError
from anon_ros.nodes import frame_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anon_ros.bags.storage.interface import Connection
    from anon_ros.core.interfaces import RegionTracker
    from anon_ros.core.regions import Regions
    from anon_ros.nodes.engine import Engine
    from anon_ros.nodes.frame_job import HiddenFrame, OpenFrame, SafeFrame
    from anon_ros.nodes.latest_frames import LatestFrames
    from anon_ros.nodes.statistics import CameraStatistics
    from anon_ros.nodes.ticket import Ticket
    from anon_ros.nodes.video_input import VideoInput

_POLL_S = 0.2


@dataclass(frozen=True)
class WorkerCamera:
    """What the worker needs for one camera."""

    connection: Connection
    tracker: RegionTracker
    statistics: CameraStatistics
    video: VideoInput | None = None


class _Seen(NamedTuple):
    """A frame, and what the detectors saw in it."""

    ticket: Ticket
    frame: OpenFrame
    regions: Regions


class Worker:
    """
    Takes the newest frames, and hands on each one anonymized, or as failed.

    engine: may be replaced at any time; frames in hand are finished with the one they began with.
    """

    def __init__(
        self,
        frames: LatestFrames,
        cameras: Mapping[str, WorkerCamera],
        engine: Engine,
        *,
        publish: Callable[[Ticket, SafeFrame], None],
        fail: Callable[[Ticket, str, str], None],
    ) -> None:
        """
        Take where frames come from and where they go.

        publish: send a frame; it claims the ticket. fail: withhold one, for a cause and a reason.
        """
        self.engine = engine
        self._frames = frames
        self._cameras = cameras
        self._publish = publish
        self._fail = fail
        self._is_running = True
        self._in_hand: tuple[tuple[Ticket, ...], float] = ((), 0.0)
        self._thread = threading.Thread(target=self._run, name='anonymizer', daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish the frame in hand and end; return whether that took no longer than that."""
        self._is_running = False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def in_hand(self) -> tuple[Ticket, ...]:
        """The frames that are being worked on."""
        return self._in_hand[0]

    def busy_s(self, now_s: float) -> float:
        """Return for how long the frames in hand have been worked on; 0 without any."""
        tickets, since_s = self._in_hand
        return now_s - since_s if tickets else 0.0

    def _run(self) -> None:
        while self._is_running:
            most = len(self._cameras) if self.engine.is_batching else 1
            tickets = self._frames.take(most, _POLL_S)
            if not tickets:
                continue
            self._in_hand = tuple(tickets), time.monotonic()
            try:
                self._process(tickets, self.engine)
            except Exception as error:  # noqa: BLE001 - fails closed: a defect withholds them all
                self._fail_all(tickets, 'defect', error)
            finally:
                self._in_hand = (), 0.0

    def _process(self, tickets: Sequence[Ticket], engine: Engine) -> None:
        opened = []
        for ticket in tickets:
            statistics = self._cameras[ticket.camera].statistics
            statistics.took('queue', time.monotonic() - ticket.arrived_s)
            try:
                with statistics.timed('decode'):
                    opened.append((ticket, self._open(ticket, engine)))
            except Exception as error:  # noqa: BLE001 - fails closed: what cannot be seen
                self._fail_all([ticket], 'decode', error)
        start_s = time.monotonic()
        try:
            found = engine.detect([frame.image_bgr for _, frame in opened])
        except Exception as error:  # noqa: BLE001 - fails closed: nobody looked into them
            self._fail_all([ticket for ticket, _ in opened], 'detection', error)
            return
        detect_s = time.monotonic() - start_s
        seen = [_Seen(*each, regions) for each, regions in zip(opened, found, strict=True)]
        for each in seen:
            self._cameras[each.ticket.camera].statistics.took('detect', detect_s)
        # A generator takes all cameras in one batch; without one nobody waits for another.
        for group in [seen] if engine.is_painting else [[each] for each in seen]:
            self._finish(group, engine)

    def _open(self, ticket: Ticket, engine: Engine) -> OpenFrame:
        camera = self._cameras[ticket.camera]
        if camera.video is not None:
            return camera.video.open_frame(ticket.data, ticket.backlog, engine.max_pixels)
        return frame_job.open_frame(camera.connection, ticket.data, engine.max_pixels)

    def _finish(self, seen: Sequence[_Seen], engine: Engine) -> None:
        """Overwrite what was seen, let a generator paint over it, and publish."""
        start_s = time.monotonic()
        hidden = [each for each in (self._hide(one, engine) for one in seen) if each is not None]
        try:
            painted = engine.anonymizer.synthesize([
                Hidden(frame.opened.frame, frame.regions, ticket.camera)
                for ticket, frame in hidden
            ])
        except Exception as error:  # noqa: BLE001 - fails closed: nobody knows what is painted
            self._fail_all([ticket for ticket, _ in hidden], 'anonymization', error)
            return
        for (ticket, frame), synthesis in zip(hidden, painted, strict=True):
            statistics = self._cameras[ticket.camera].statistics
            if synthesis is not None:
                statistics.synthesized(synthesis)
            self._seal(ticket, frame, start_s)

    def _hide(self, seen: _Seen, engine: Engine) -> tuple[Ticket, HiddenFrame] | None:
        """Return a frame with its regions overwritten, None where that failed."""
        ticket, frame, regions = seen
        try:
            tracker = self._cameras[ticket.camera].tracker
            followed, = tracker.push(frame_job.sighting(frame, regions))
            return ticket, frame_job.hide(frame, followed.regions, engine.anonymizer)
        except Exception as error:  # noqa: BLE001 - fails closed: it is not overwritten for sure
            self._fail_all([ticket], 'anonymization', error)
            return None

    def _seal(self, ticket: Ticket, frame: HiddenFrame, start_s: float) -> None:
        """Publish a frame; start_s: when its anonymization began."""
        try:
            safe = frame_job.seal(frame)
        except Exception as error:  # noqa: BLE001 - fails closed: it cannot be encoded again
            self._fail_all([ticket], 'anonymization', error)
            return
        statistics = self._cameras[ticket.camera].statistics
        statistics.took('anonymize', time.monotonic() - start_s)
        self._publish(ticket, safe)

    def _fail_all(self, tickets: Sequence[Ticket], cause: str, error: Exception) -> None:
        name = '' if isinstance(error, AnonError) else f'{type(error).__name__}: '
        for ticket in tickets:
            self._fail(ticket, cause, f'{name}{error}')
