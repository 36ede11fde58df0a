# SPDX-License-Identifier: Apache-2.0
"""One camera on the graph: what is subscribed to, and what goes out."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from anon_ros.bags.messages import check_definition
from anon_ros.nodes import overlays, qos
from anon_ros.nodes.frame_job import topic_connection
from anon_ros.nodes.info_relay import InfoRelay
from anon_ros.nodes.message_types import find_message_class, message_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.lifecycle import LifecycleNode
    from rclpy.qos import QoSProfile

    from anon_ros.nodes.frame_job import SafeFrame
    from anon_ros.nodes.node_settings import CameraSettings

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'
VIDEO_DEPTH = 30
"""A video's packets build on each other: none may be lost for the next one's sake."""
_SUFFIXES = {'raw': '', 'compressed': '/compressed', 'video': ''}


class CameraPort:
    """
    The publishers and subscriptions of one camera. Publishing is safe from several threads.

    Messages are taken and given in serialized form: what is not changed keeps its bytes.
    """

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        settings: CameraSettings,
        take: Callable[[str, bytes], None],
        forget: Callable[[Any], None],
    ) -> None:
        """
        Create the publishers.

        take: called in the executor with the camera's name and a serialized message.
        forget: destroys a lifecycle publisher of the node.
        Raises UsageError where the message type is not installed.
        """
        self.name = name
        self.is_video = settings.transport == 'video'
        self.events: Counter[str] = Counter()
        self._node = node
        self._take, self._forget = take, forget
        self._lock = threading.Lock()
        type_name = {'raw': IMAGE, 'compressed': COMPRESSED, 'video': settings.video_type}
        self._type = message_class(type_name[settings.transport])
        # Siblings derive from the name after remapping, as image_transport does it.
        base = node.resolve_topic_name(settings.input)
        suffix = _SUFFIXES[settings.transport]
        self.topic = base + suffix
        self._info_topic = node.resolve_topic_name(
            settings.camera_info or f'{base.rpartition("/")[0]}/camera_info'
        )
        self.connection = topic_connection(self.topic, type_name[settings.transport])
        check_definition(self.connection)
        self._publishers: dict[str, Any] = {}
        output = node.resolve_topic_name(f'{settings.output}/image')
        self.output_topic = output + suffix
        self._advertise(
            'image', self._type, self.output_topic,
            qos.image_output(VIDEO_DEPTH if self.is_video else 1),
        )
        info_output = f'{output.rpartition("/")[0]}/camera_info'
        self._advertise(
            'info', message_class(INFO), info_output, qos.image_output(qos.INFO_DEPTH)
        )
        self._advertise('mask', message_class(IMAGE), f'~/mask/{name}', qos.image_output())
        detections = find_message_class(overlays.DETECTIONS_TYPE)
        if detections is not None:
            self._advertise('regions', detections, f'~/regions/{name}', qos.image_output())
        self._infos = InfoRelay(lambda data: self._send('info', data))
        self._subscriptions: list[Any] = []
        self._is_gated = True
        self._was_reliable = False

    @property
    def has_listeners(self) -> bool:
        """Whether anyone subscribes to anything that goes out."""
        return any(each.get_subscription_count() for each in self._publishers.values())

    @property
    def is_listening(self) -> bool:
        """Whether frames are taken."""
        return bool(self._subscriptions) and not self._is_gated

    def listen(self) -> None:
        """
        Take frames, once somebody publishes them. In the executor's thread only.

        Call it regularly: the subscription is as reliable as all publishers of the topic allow,
        whenever they come.
        """
        is_reliable = self._is_reliable()
        if is_reliable is None:
            return
        if self._subscriptions and is_reliable != self._was_reliable:
            self.ignore()
        self._is_gated = False
        if not self._subscriptions:
            self._was_reliable = is_reliable
            self._subscriptions = [
                self._subscribe(
                    self._type, self.topic, self._on_frame,
                    qos.image_input(
                        VIDEO_DEPTH if self.is_video else 1, is_reliable=is_reliable
                    ),
                ),
                self._subscribe(
                    message_class(INFO), self._info_topic, self._on_info,
                    qos.image_input(qos.INFO_DEPTH),
                ),
            ]

    def _is_reliable(self) -> bool | None:
        """Return whether every publisher of the camera's topic is reliable; None without any."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return None
        return all(qos.is_reliable(each.qos_profile) for each in publishers)

    def ignore(self) -> None:
        """Take frames no longer. In the executor's thread only."""
        self._is_gated = True
        if qos.can_destroy_subscriptions():
            self._destroy_subscriptions()

    def publish(self, safe: SafeFrame) -> None:
        """Send a frame that may leave, and what belongs to it."""
        self._send('image', safe.data)
        self._infos.frame_went_out(safe.stamp_ns)
        if self._is_heard('mask') and min(safe.size_wh) > 0:
            self._send('mask', overlays.mask_message(safe))
        if self._is_heard('regions'):
            self._send('regions', overlays.detections_message(safe))

    def close(self) -> None:
        """Let go of everything on the graph. In the executor's thread only."""
        self._is_gated = True
        self._destroy_subscriptions()
        with self._lock:
            publishers, self._publishers = self._publishers, {}
        for publisher in publishers.values():
            self._forget(publisher)

    def _destroy_subscriptions(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_frame(self, data: bytes) -> None:
        if not self._is_gated:
            self._take(self.name, data)

    def _on_info(self, data: bytes) -> None:
        if not self._is_gated:
            self._infos.add_info(data)

    def _is_heard(self, output: str) -> bool:
        with self._lock:
            publisher = self._publishers.get(output)
            return publisher is not None and publisher.get_subscription_count() > 0

    def _send(self, output: str, message: Any) -> None:
        with self._lock:
            publisher = self._publishers.get(output)
            if publisher is not None:
                publisher.publish(message)

    def _advertise(self, output: str, kind: Any, topic: str, profile: QoSProfile) -> None:
        self._publishers[output] = self._node.create_lifecycle_publisher(
            kind, topic, profile, qos_overriding_options=qos.overriding(),
            event_callbacks=qos.publisher_events(lambda _: self._count('incompatible_qos')),
        )
        self._log(f'{self.name}: publishes {topic} ({qos.describe(profile)})')

    def _subscribe(
        self, kind: Any, topic: str, callback: Callable[[bytes], None], profile: QoSProfile
    ) -> Any:
        def create(lost: Callable[[Any], None] | None) -> Any:
            return self._node.create_subscription(
                kind, topic, callback, profile, raw=True,
                qos_overriding_options=qos.overriding(),
                event_callbacks=qos.subscription_events(
                    lambda _: self._count('incompatible_qos'), lost
                ),
            )

        try:
            subscription = create(self._on_lost)
        except qos.event_module().UnsupportedEventTypeError:
            subscription = create(None)
        self._log(f'{self.name}: subscribes to {topic} ({qos.describe(profile)})')
        return subscription

    def _on_lost(self, event: Any) -> None:
        self.events['lost'] += event.total_count_change

    def _count(self, event: str) -> None:
        self.events[event] += 1

    def _log(self, line: str) -> None:
        self._node.get_logger().info(line)
