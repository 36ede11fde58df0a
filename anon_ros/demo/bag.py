# SPDX-License-Identifier: Apache-2.0
"""The demo's recording: a car with two cameras drives along the street of scene.py."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from anon_ros.core import boxes
from anon_ros.demo.messages import WHEEL_TICKS, MessageMaker
from anon_ros.demo.scene import Camera, build_street, load_portrait
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, Regions, UInt8Array

START_NS = 1_700_000_000_000_000_000
FRONT_TOPIC = '/camera/front/image_raw'
REAR_TOPIC = '/camera/rear/image_raw/compressed'
DEPTH_TOPIC = '/camera/depth/image_raw'
FRONT = Camera((640, 480), 0.85, 0.12, (0.5, 1.2), 4.0)
REAR = Camera((1280, 720), 0.12, 0.88, (0.7, 1.4), 6.0)
STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
COVERED_SHARE = 0.8


class TopicPlan(NamedTuple):
    """A topic of the recording: its type, messages per second, and whether it is a sensor's."""

    type: str
    rate_hz: int
    is_sensor: bool


TOPICS = {
    FRONT_TOPIC: TopicPlan('sensor_msgs/msg/Image', 10, True),
    '/camera/front/camera_info': TopicPlan('sensor_msgs/msg/CameraInfo', 10, True),
    REAR_TOPIC: TopicPlan('sensor_msgs/msg/CompressedImage', 10, True),
    DEPTH_TOPIC: TopicPlan('sensor_msgs/msg/Image', 5, True),
    '/imu': TopicPlan('sensor_msgs/msg/Imu', 100, True),
    '/tf': TopicPlan('tf2_msgs/msg/TFMessage', 20, False),
    '/wheel_ticks': TopicPlan(WHEEL_TICKS, 20, False),
}


@dataclass(frozen=True)
class DemoTruth:
    """
    Where the faces of a demo's recording are.

    faces: topic -> stamp in ns -> (N, 4) float32 boxes, in px of that frame.
    messages: topic -> how many were written.
    """

    faces: Mapping[str, Mapping[int, Float32Array]]
    messages: Mapping[str, int]

    @property
    def faces_total(self) -> int:
        """Faces in all frames of all topics."""
        return sum(len(found) for frames in self.faces.values() for found in frames.values())


def make_demo_bag(
    path: Path, *, seconds: float = 10.0, seed: int = 0, storage: str = 'mcap'
) -> DemoTruth:
    """
    Write the recording as a ROS 2 bag and return where its faces are.

    The same arguments give the same messages. seed: of textures, shaking and noise.
    storage: mcap or sqlite3.
    Raises OutputError where the target exists or cannot be written, UsageError where
    scikit-image, which carries the picture, is missing.
    """
    drive = _Drive(seconds, seed)
    try:
        with Writer(path, version=9, storage_plugin=STORAGES[storage]) as writer:
            connections = {
                topic: writer.add_connection(
                    topic, plan.type, typestore=drive.maker.typestore,
                    offered_qos_profiles=[_qos(plan)])
                for topic, plan in TOPICS.items()
            }
            for stamp_ns, topic, data in drive.messages():
                writer.write(connections[topic], stamp_ns, data)
    except WriterError as error:
        raise OutputError(f'{path}: cannot write the demo: {error}') from error
    except OSError as error:
        raise OutputError(f'{path}: cannot write the demo: {error.strerror}') from error
    return DemoTruth(
        faces=drive.faces, messages={topic: drive.count(plan) for topic, plan in TOPICS.items()}
    )


def count_covered(
    truth: DemoTruth, found: Iterable[tuple[str, int, Regions]]
) -> tuple[int, int]:
    """
    Return how many true faces one region covers by 80 % or more, and how many there are.

    found: topic, stamp in ns and what was hidden there.
    """
    covered = 0
    for topic, stamp_ns, regions in found:
        faces = truth.faces.get(topic, {}).get(stamp_ns)
        if faces is not None and len(faces) and len(regions):
            share = boxes.cover(faces, regions.boxes_xyxy).max(axis=1)
            covered += int((share >= COVERED_SHARE).sum())
    return covered, truth.faces_total


class _Drive:
    """Makes the messages one after another and notes where the faces were."""

    def __init__(self, seconds: float, seed: int) -> None:
        self._seconds = seconds
        self._rng = np.random.default_rng(seed)
        self._phase = float(self._rng.uniform(0, 2 * np.pi))
        self._street = build_street(load_portrait(), seed)
        self.maker = MessageMaker()
        self.faces: dict[str, dict[int, Float32Array]] = {FRONT_TOPIC: {}, REAR_TOPIC: {}}

    def count(self, plan: TopicPlan) -> int:
        """Return how many messages a topic gets."""
        return round(self._seconds * plan.rate_hz)

    def messages(self) -> Iterator[tuple[int, str, memoryview]]:
        """Return stamp, topic and CDR of each message, in the order of time."""
        stamps = heapq.merge(*(self._stamps(topic, plan) for topic, plan in TOPICS.items()))
        for stamp_ns, topic in stamps:
            yield stamp_ns, topic, self._message(topic, stamp_ns)

    def _stamps(self, topic: str, plan: TopicPlan) -> list[tuple[int, str]]:
        return [
            (START_NS + i * 10**9 // plan.rate_hz, topic) for i in range(self.count(plan))
        ]

    def _message(self, topic: str, stamp_ns: int) -> memoryview:
        progress = (stamp_ns - START_NS) / 1e9 / self._seconds
        make: dict[str, Callable[[], memoryview]] = {
            FRONT_TOPIC: lambda: self.maker.image(
                stamp_ns, 'front', self._shoot(FRONT, topic, stamp_ns, progress)),
            '/camera/front/camera_info': lambda: self.maker.camera_info(
                stamp_ns, 'front', FRONT.size_wh),
            REAR_TOPIC: lambda: self.maker.jpeg(
                stamp_ns, 'rear', self._shoot(REAR, topic, stamp_ns, progress)),
            DEPTH_TOPIC: lambda: self.maker.depth(stamp_ns, 'depth', progress),
            '/imu': lambda: self.maker.imu(stamp_ns, self._rng),
            '/tf': lambda: self.maker.transform(stamp_ns, progress),
            '/wheel_ticks': lambda: self.maker.wheel_ticks(stamp_ns, progress),
        }
        return make[topic]()

    def _shoot(self, camera: Camera, topic: str, stamp_ns: int, progress: float) -> UInt8Array:
        shot = camera.shoot(self._street, progress, self._phase)
        self.faces[topic][stamp_ns] = shot.faces_xyxy
        return shot.image_bgr


def _qos(plan: TopicPlan) -> Qos:
    forever = QosTime(2147483647, 4294967295)
    reliability = QosReliability.BEST_EFFORT if plan.is_sensor else QosReliability.RELIABLE
    return Qos(
        QosHistory.KEEP_LAST, 5 if plan.is_sensor else 100, reliability, QosDurability.VOLATILE,
        forever, forever, QosLiveliness.AUTOMATIC, forever, False,
    )
