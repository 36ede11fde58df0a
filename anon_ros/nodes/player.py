# SPDX-License-Identifier: Apache-2.0
"""A bag's messages on ROS topics: their bytes, their QoS and their timing."""

from __future__ import annotations

import fnmatch
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import SetBool

from anon_ros.bags.storage.source_bag import open_bag
from anon_ros.errors import UsageError
from anon_ros.nodes.message_types import find_message_class, message_class
from anon_ros.nodes.recorded_qos import publisher_profile, recorded_profiles
from anon_ros.nodes.run import init_ros
from anon_ros.nodes.shutdown import until_shutdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.bags.storage.interface import Connection, Message
    from anon_ros.bags.storage.source_bag import SourceBag

CLOCK_TYPE = 'rosgraph_msgs/msg/Clock'
CLOCK_NS = 10_000_000
_POLL_S = 0.1
ACKNOWLEDGED = Duration(seconds=1)


@dataclass(frozen=True)
class PlayOptions:
    """
    How to play.

    rate: 2 is twice as fast. topics: names or patterns, () for all. delay_s: before the first
    message, so that subscribers can be found. has_clock: publish /clock for use_sim_time.
    """

    rate: float = 1.0
    loop: bool = False
    topics: tuple[str, ...] = ()
    is_paused: bool = False
    delay_s: float = 0.0
    has_clock: bool = False


@dataclass
class PlayResult:
    """What was played. skipped: topics that cannot be, and why."""

    messages: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


class _Stopwatch:
    """Time that stands still while it is held."""

    def __init__(self, *, is_held: bool) -> None:
        self.is_held = is_held
        self.restart()

    @property
    def elapsed_s(self) -> float:
        since_s = 0.0 if self.is_held else time.monotonic() - self._since_s
        return self._before_s + since_s

    def restart(self) -> None:
        self._before_s, self._since_s = 0.0, time.monotonic()

    def hold(self, *, is_held: bool) -> None:
        self._before_s, self._since_s = self.elapsed_s, time.monotonic()
        self.is_held = is_held


class Player(Node):
    """Publishes serialized messages; ~/pause (std_srvs/SetBool) holds and goes on."""

    def __init__(self, bag: SourceBag, options: PlayOptions) -> None:
        """Advertise the topics of an open bag; those that cannot be stand in result.skipped."""
        super().__init__('player')
        self.result = PlayResult()
        self._bag = bag
        self._options = options
        self._stopwatch = _Stopwatch(is_held=options.is_paused)
        self._profiles = recorded_profiles(bag.information)
        self._by_topic: dict[str, Any] = {}
        for connection in bag.connections:
            self._advertise(connection)
        self._clock_publisher = self.create_publisher(
            message_class(CLOCK_TYPE), '/clock', 1) if options.has_clock else None
        self._clock_ns = 0
        self.create_service(SetBool, '~/pause', self._on_pause)

    def run(self, spin_once: Callable[[float], None], is_running: Callable[[], bool]) -> None:
        """
        Play once, or for ever.

        spin_once: serve what comes in, for at most that many seconds.
        """
        while is_running():
            before = self.result.messages
            self._stopwatch.restart()
            self._play_once(spin_once, is_running)
            if not self._options.loop or self.result.messages == before:
                return

    def count_topics(self) -> int:
        """Return how many topics are played."""
        return len(self._by_topic)

    def wait_for_acknowledgements(self) -> None:
        """Let reliable subscribers get the last messages before the publishers go away."""
        for publisher in self._by_topic.values():
            publisher.wait_for_all_acked(ACKNOWLEDGED)

    def _play_once(
        self, spin_once: Callable[[float], None], is_running: Callable[[], bool]
    ) -> None:
        played_s = 0.0
        before_ns: int | None = None
        for message in self._messages():
            step_ns = 0 if before_ns is None else max(0, message.log_ns - before_ns)
            before_ns = max(message.log_ns, before_ns or 0)
            played_s += step_ns / 1e9 / self._options.rate
            if not self._wait(played_s, spin_once, is_running):
                return
            self._tick(message.log_ns)
            self._by_topic[message.connection.topic].publish(bytes(message.data))
            self.result.messages += 1

    def _wait(
        self, played_s: float, spin_once: Callable[[float], None], is_running: Callable[[], bool]
    ) -> bool:
        """Serve until so much of the time has been played; return False where all ends."""
        while is_running():
            wait_s = played_s - self._stopwatch.elapsed_s
            if wait_s <= 0 and not self._stopwatch.is_held:
                return True
            spin_once(_POLL_S if self._stopwatch.is_held else min(wait_s, _POLL_S))
        return False

    def _messages(self) -> Iterator[Message]:
        for file in self._bag.files:
            for message in file.messages():
                if message.connection.topic in self._by_topic:
                    yield message

    def _advertise(self, connection: Connection) -> None:
        topic = connection.topic
        if topic in self._by_topic or not self._is_wanted(topic):
            return
        kind = find_message_class(connection.msgtype)
        if connection.serialization != 'cdr':
            self.result.skipped[topic] = f'it is serialized as {connection.serialization}'
        elif kind is None:
            self.result.skipped[topic] = f'{connection.msgtype} is not installed for Python here'
        else:
            profile = self._profiles.get(topic) or publisher_profile([])
            self._by_topic[topic] = self.create_publisher(kind, topic, profile)

    def _is_wanted(self, topic: str) -> bool:
        patterns = self._options.topics
        return not patterns or any(fnmatch.fnmatchcase(topic, each) for each in patterns)

    def _tick(self, now_ns: int) -> None:
        if self._clock_publisher is None or 0 <= now_ns - self._clock_ns < CLOCK_NS:
            return
        self._clock_ns = now_ns
        message = message_class(CLOCK_TYPE)()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
        self._clock_publisher.publish(message)

    def _on_pause(self, request: Any, response: Any) -> Any:
        self._stopwatch.hold(is_held=request.data)
        response.success, response.message = True, 'paused' if request.data else 'playing'
        return response


def play_bag(path: Path, options: PlayOptions, arguments: Sequence[str] = ()) -> PlayResult:
    """
    Publish a bag's messages until its end, or until Ctrl-C.

    arguments: with --ros-args and so on, to remap topics for instance.
    Raises InputError for a bag that cannot be read, UsageError where no topic can be played.
    """
    with open_bag(path) as bag:
        init_ros(arguments)
        try:
            player = Player(bag, options)
            try:
                _check(player, path)
                _spin(player, options)
            finally:
                player.destroy_node()
        finally:
            rclpy.try_shutdown()
        return player.result


def _check(player: Player, path: Path) -> None:
    if not player.count_topics():
        reasons = '; '.join(f'{topic}: {why}' for topic, why in player.result.skipped.items())
        raise UsageError(f'{path}: no topic can be played: {reasons or "none is wanted"}')


def _spin(player: Player, options: PlayOptions) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(player)
    try:
        with until_shutdown():
            time.sleep(options.delay_s)
            player.run(lambda wait_s: executor.spin_once(timeout_sec=wait_s), rclpy.ok)
            player.wait_for_acknowledgements()
    finally:
        executor.shutdown()
