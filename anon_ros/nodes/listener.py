# SPDX-License-Identifier: Apache-2.0
"""Listens to image topics and diagnostics in a thread, and notes when each stamp arrived."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import Image

from anon_ros.bags import messages
from anon_ros.nodes import qos
from anon_ros.nodes.camera_port import IMAGE
from anon_ros.nodes.frame_job import topic_connection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


@dataclass(frozen=True)
class Arrival:
    """
    A frame that came.

    stamp_ns: its header's stamp. latency_s: from stamp to arrival, by the system's clock.
    first_bytes: the first pixel's samples.
    """

    stamp_ns: int
    latency_s: float
    frame_id: str
    first_bytes: bytes


class Listener:
    """Keeps arrivals by topic and the newest diagnostics by status name; a context manager."""

    def __init__(self, topics: Sequence[str]) -> None:
        self.arrivals: dict[str, list[Arrival]] = {topic: [] for topic in topics}
        self.diagnostics: dict[str, dict[str, str]] = {}
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node('listener', context=self._context)
        for topic in topics:
            self._node.create_subscription(
                Image, topic, self._taker(topic), qos.image_input(), raw=True
            )
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Begin the measurement: what came so far does not count."""
        for topic in self.arrivals:
            self.arrivals[topic] = []

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        rclpy.shutdown(context=self._context)
        self._thread.join()

    def _taker(self, topic: str) -> Any:
        connection = topic_connection(topic, IMAGE)

        def take(data: bytes) -> None:
            now_ns = time.time_ns()
            message = messages.locate(connection, data)
            self.arrivals[topic].append(Arrival(
                message.stamp_ns, (now_ns - message.stamp_ns) / 1e9, message.frame_id,
                bytes(message.data[:3]),
            ))

        return take

    def _diagnose(self, array: Any) -> None:
        for status in array.status:
            values = {item.key: item.value for item in status.values}
            self.diagnostics[status.name] = {'message': status.message, **values}

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()
