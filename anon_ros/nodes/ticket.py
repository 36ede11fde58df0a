# SPDX-License-Identifier: Apache-2.0
"""One frame on its way through the node: settled once, in time or not at all."""

from __future__ import annotations

import threading


class Ticket:
    """
    A message of a camera, and the right to send something in its place, which is given once.

    Whoever wants to publish claims the ticket first. A result can only be claimed before the
    deadline; after it only a failure can. So a result that comes late, from a network that hung
    or a node that was deactivated meanwhile, has nowhere to go.
    """

    def __init__(self, camera: str, data: bytes, arrived_s: float, deadline_s: float) -> None:
        """
        Take a serialized message.

        arrived_s, deadline_s: on the monotonic clock, in s. backlog: a video's messages that were
        passed over before this one, and have to be decoded first.
        """
        self.camera = camera
        self.data = data
        self.arrived_s = arrived_s
        self.deadline_s = deadline_s
        self.backlog: tuple[bytes, ...] = ()
        self._lock = threading.Lock()
        self._is_settled = False

    def is_expired(self, now_s: float) -> bool:
        """Return whether the deadline has passed."""
        return now_s >= self.deadline_s

    def claim_result(self, now_s: float) -> bool:
        """Return whether an anonymized frame may still go out; true once, before the deadline."""
        return not self.is_expired(now_s) and self.claim_failure()

    def claim_failure(self) -> bool:
        """Return whether nobody has settled the frame yet; true once."""
        with self._lock:
            is_first, self._is_settled = not self._is_settled, True
            return is_first
