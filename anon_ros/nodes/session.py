# SPDX-License-Identifier: Apache-2.0
"""The time between activation and deactivation: slots, worker and watchdog of all cameras."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anon_ros.nodes import frame_job
from anon_ros.nodes.latest_frames import LatestFrames
from anon_ros.nodes.ticket import Ticket
from anon_ros.nodes.video_input import VideoInput
from anon_ros.nodes.watchdog import Watchdog
from anon_ros.nodes.worker import Worker, WorkerCamera
from anon_ros.tracking.online import OnlineTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anon_ros.nodes.camera_port import CameraPort
    from anon_ros.nodes.engine import Engine
    from anon_ros.nodes.frame_job import SafeFrame
    from anon_ros.nodes.node_settings import NodeSettings
    from anon_ros.nodes.statistics import CameraStatistics

STOP_S = 1.0


class Session:
    """
    Frames in, safe frames out, until it is closed; after that nothing goes out any more.

    Every frame ends in exactly one of two ways: `_publish`, with a frame that was searched and
    overwritten, or `_fail`, with a gray one or none.
    """

    def __init__(
        self,
        ports: Mapping[str, CameraPort],
        statistics: Mapping[str, CameraStatistics],
        engine: Engine,
        settings: Callable[[], NodeSettings],
        warn: Callable[[str, str, str], None],
    ) -> None:
        """
        Take what a session needs.

        settings: gives the node's parameters as they are now. warn: called with camera, cause and
        reason of each frame that is withheld, from any thread.
        """
        self._ports = ports
        self._statistics = statistics
        self._settings = settings
        self._warn = warn
        self._is_open = True
        videos = [name for name, port in ports.items() if port.is_video]
        self._frames = LatestFrames(ports, videos)
        cameras = {
            name: WorkerCamera(
                port.connection, OnlineTracker(settings().hold_s), statistics[name],
                VideoInput(port.connection) if port.is_video else None,
            )
            for name, port in ports.items()
        }
        self._worker = Worker(
            self._frames, cameras, engine, publish=self._publish, fail=self._fail
        )
        self._watchdog = Watchdog(
            self._frames, self._worker, stall_s=lambda: settings().watchdog_s, fail=self._fail
        )
        self._worker.start()
        self._watchdog.start()

    def take(self, camera: str, data: bytes) -> None:
        """Take a message that just came in; cheap, for the executor's thread."""
        now_s = time.monotonic()
        self._statistics[camera].received()
        ticket = Ticket(camera, data, now_s, now_s + self._settings().max_latency_ms / 1e3)
        overtaken = self._frames.put(ticket)
        if overtaken is not None and overtaken.claim_failure():
            # A newer frame is there: a gray one in between would only cost more time.
            self._count(overtaken, 'overload', 'a newer frame came before the worker was free')

    def use(self, engine: Engine) -> None:
        """Process the next frames with another engine."""
        self._worker.engine = engine

    def stalled_s(self) -> float | None:
        """Return for how long the worker hangs, in s; None while it does not."""
        return self._watchdog.stalled_s()

    def close(self) -> bool:
        """Let nothing out any more and end the threads; return False where the worker hangs."""
        self._is_open = False
        for ticket in (*self._frames.close(), *self._worker.in_hand):
            ticket.claim_failure()
        self._watchdog.stop()
        return self._worker.stop(STOP_S)

    def _publish(self, ticket: Ticket, safe: SafeFrame) -> None:
        """Send a frame in time; a late one is withheld."""
        now_s = time.monotonic()
        if not ticket.claim_result(now_s):
            self._fail(ticket, 'deadline', 'it was ready too late')
            return
        if not self._is_open:
            return
        statistics = self._statistics[ticket.camera]
        self._ports[ticket.camera].publish(safe)
        statistics.published(0 if safe.regions is None else len(safe.regions))
        statistics.took('total', time.monotonic() - ticket.arrived_s)

    def _fail(self, ticket: Ticket, cause: str, reason: str) -> None:
        """Withhold a frame: send a gray one where that is asked for and possible."""
        if not ticket.claim_failure():
            return
        self._count(ticket, cause, reason)
        if self._settings().on_failure != 'mask' or not self._is_open:
            return
        port = self._ports[ticket.camera]
        try:
            port.publish(frame_job.mask(port.connection, ticket.data))
        except Exception as error:  # noqa: BLE001 - fails closed: then nothing goes out
            self._warn(ticket.camera, 'mask', f'not even a gray frame can be made: {error}')
        else:
            self._statistics[ticket.camera].published(0)

    def _count(self, ticket: Ticket, cause: str, reason: str) -> None:
        self._statistics[ticket.camera].withheld(cause)
        self._warn(ticket.camera, cause, reason)
