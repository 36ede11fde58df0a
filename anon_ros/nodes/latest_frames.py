# SPDX-License-Identifier: Apache-2.0
"""The newest frame of every camera, waiting for the worker."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anon_ros.nodes.ticket import Ticket


MOST_PACKETS = 300
"""A longer backlog begins in the middle, and the decoder waits for a keyframe."""


class LatestFrames:
    """
    A slot for one frame a camera; a newer frame takes the place of the one that waits.

    So the age of what waits is bounded however much comes in. Cameras are served in turn.
    """

    def __init__(self, cameras: Iterable[str], videos: Iterable[str] = ()) -> None:
        """Take the names; videos: cameras whose frames build on those before them."""
        self._slots: dict[str, Ticket | None] = dict.fromkeys(cameras)
        self._passed_over: dict[str, deque[bytes]] = {
            name: deque(maxlen=MOST_PACKETS) for name in videos
        }
        self._turns = deque(self._slots)
        self._changed = threading.Condition()
        self._is_open = True

    def put(self, ticket: Ticket) -> Ticket | None:
        """Store a frame; return the one it has overtaken, or itself where all is closed."""
        with self._changed:
            if not self._is_open:
                return ticket
            overtaken, self._slots[ticket.camera] = self._slots[ticket.camera], ticket
            if overtaken is not None:
                self._pass_over(overtaken)
            self._changed.notify()
            return overtaken

    def take(self, most: int, timeout_s: float) -> list[Ticket]:
        """Return up to that many frames, of different cameras; [] after the timeout or close."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._is_open or any(self._slots.values()), timeout_s
            )
            taken: list[Ticket] = []
            for camera in tuple(self._turns):
                ticket = self._slots[camera]
                if ticket is not None and len(taken) < most:
                    taken.append(self._with_backlog(ticket))
                    self._slots[camera] = None
                    self._turns.remove(camera)
                    self._turns.append(camera)
            return taken

    def expire(self, now_s: float) -> list[Ticket]:
        """Take out and return the frames that have waited beyond their deadline."""
        with self._changed:
            expired = [each for each in self._slots.values() if each and each.is_expired(now_s)]
            for ticket in expired:
                self._slots[ticket.camera] = None
                self._pass_over(ticket)
            return expired

    def close(self) -> list[Ticket]:
        """Take no frame any longer; return those that waited."""
        with self._changed:
            self._is_open = False
            waiting = [each for each in self._slots.values() if each]
            self._slots = dict.fromkeys(self._slots)
            self._changed.notify_all()
            return waiting

    def _pass_over(self, ticket: Ticket) -> None:
        packets = self._passed_over.get(ticket.camera)
        if packets is not None:
            packets.append(ticket.data)

    def _with_backlog(self, ticket: Ticket) -> Ticket:
        packets = self._passed_over.get(ticket.camera)
        if packets:
            ticket.backlog = tuple(packets)
            packets.clear()
        return ticket
