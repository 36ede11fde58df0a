# SPDX-License-Identifier: Apache-2.0
"""The thread that lets no frame wait beyond its deadline, and notices a worker that hangs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from anon_ros.nodes.latest_frames import LatestFrames
    from anon_ros.nodes.ticket import Ticket
    from anon_ros.nodes.worker import Worker

PERIOD_S = 0.02


class Watchdog:
    """Withholds frames whose deadline has passed, in the slots as in the worker's hands."""

    def __init__(
        self,
        frames: LatestFrames,
        worker: Worker,
        *,
        stall_s: Callable[[], float],
        fail: Callable[[Ticket, str, str], None],
    ) -> None:
        """
        Take what to watch.

        stall_s: how long a worker may be busy, in s. fail: withhold a frame, for cause and reason.
        """
        self._frames = frames
        self._worker = worker
        self._stall_s = stall_s
        self._fail = fail
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name='watchdog', daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End; return when the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def stalled_s(self) -> float | None:
        """Return for how long the worker hangs, in s; None while it does not."""
        if not self._worker.is_alive:
            return 0.0
        busy_s = self._worker.busy_s(time.monotonic())
        return busy_s if busy_s > self._stall_s() else None

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            now_s = time.monotonic()
            for ticket in self._frames.expire(now_s):
                self._fail(ticket, 'deadline', 'it waited too long for the worker')
            for ticket in self._worker.in_hand:
                if ticket.is_expired(now_s):
                    self._fail(ticket, 'deadline', 'the worker took too long')
