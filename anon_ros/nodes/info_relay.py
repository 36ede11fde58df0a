# SPDX-License-Identifier: Apache-2.0
"""Calibration messages wait for their frame: only those of frames that went out go out too."""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 64
_HEADER_BYTES = 12


class InfoRelay:
    """
    Passes on camera_info messages, to the byte, for the stamps that went out.

    A camera sends both in either order, so each waits for the other for a while.
    """

    def __init__(self, publish: Callable[[bytes], None]) -> None:
        """Take what sends a serialized message."""
        self._publish = publish
        self._lock = threading.Lock()
        self._infos: OrderedDict[int, bytes] = OrderedDict()
        self._stamps_ns: OrderedDict[int, None] = OrderedDict()

    def add_info(self, data: bytes) -> None:
        """Take a serialized sensor_msgs/CameraInfo."""
        stamp_ns = read_stamp_ns(data)
        if stamp_ns is None:
            return
        with self._lock:
            is_awaited = stamp_ns in self._stamps_ns
            if is_awaited:
                del self._stamps_ns[stamp_ns]
            else:
                _keep(self._infos, stamp_ns, data)
        if is_awaited:
            self._publish(data)

    def frame_went_out(self, stamp_ns: int) -> None:
        """Send the calibration of a frame that was published, now or when it comes."""
        with self._lock:
            data = self._infos.pop(stamp_ns, None)
            if data is None:
                _keep(self._stamps_ns, stamp_ns, None)
        if data is not None:
            self._publish(data)


def read_stamp_ns(data: bytes) -> int | None:
    """Return the stamp at the start of a message that begins with a header, in CDR, in ns."""
    if len(data) < _HEADER_BYTES or data[0] != 0 or data[1] > 1:
        return None
    seconds, nanoseconds = struct.unpack_from('<iI' if data[1] else '>iI', data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _keep(held: OrderedDict[int, bytes] | OrderedDict[int, None], stamp_ns: int,
          value: bytes | None) -> None:
    held[stamp_ns] = value  # type: ignore[assignment]
    while len(held) > KEPT:
        held.popitem(last=False)
