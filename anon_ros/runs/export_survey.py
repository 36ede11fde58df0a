# SPDX-License-Identifier: Apache-2.0
"""A first look through a bag: which frames to export, and what is known of the ride."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.bags.messages import locate
from anon_ros.datasets.calibration import Transforms, Vehicle, camera_json
from anon_ros.datasets.ros_messages import to_plain
from anon_ros.datasets.selection import Chooser
from anon_ros.errors import FrameError, UsageError
from anon_ros.media.thumbnail import thumbnail
from anon_ros.runs.export_frame import open_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.bags.storage import Message, SourceBag
    from anon_ros.core.regions import UInt8Array
    from anon_ros.datasets.selection import Rule

CAMERA_INFO, TRANSFORMS = 'sensor_msgs/msg/CameraInfo', 'tf2_msgs/msg/TFMessage'


@dataclass(frozen=True)
class RideTopics:
    """
    Topics of motion, '' for none, and the vehicle's frame.

    odometry: nav_msgs/Odometry. imu: sensor_msgs/Imu. gps: sensor_msgs/NavSatFix, a privacy
    decision. Calibration is taken from the camera_info beside each camera.
    """

    odometry: str = ''
    imu: str = ''
    gps: str = ''
    base_frame: str = 'base_link'


class Ride:
    """What is known of the vehicle at each message."""

    def __init__(self, topics: RideTopics) -> None:
        self._topics = topics
        self.vehicle = Vehicle()

    def put(self, message: Message) -> None:
        """Take a message, whatever it is; one that cannot be read is passed over."""
        topic, topics = message.connection.topic, self._topics
        if topic not in {topics.odometry, topics.imu, topics.gps}:
            return
        try:
            value = to_plain(message.connection, message.data)
            if topic == topics.odometry:
                self.vehicle.put_odometry(value)
            elif topic == topics.imu:
                self.vehicle.put_imu(value)
            else:
                self.vehicle.put_gps(value, moves=not topics.odometry)
        except FrameError:
            return
        except (KeyError, TypeError) as error:
            raise UsageError(
                f'{topic}: a {message.connection.msgtype} has no {error}; name a topic of the '
                'type that the option asks for') from error


@dataclass
class Survey:
    """
    What the first look found.

    chosen: indices of the messages to export. start_ns, end_ns: log times of the first and last.
    """

    chosen: array[int] = field(default_factory=lambda: array('q'))
    start_ns: int = 0
    end_ns: int = 0
    notes: list[str] = field(default_factory=list)
    cameras: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def camera(self, topic: str) -> Mapping[str, object] | None:
        """Return the camera JSON of a topic, None where there is no calibration."""
        return self.cameras.get(topic)


def survey(
    source: SourceBag, topics: Sequence[str], rule: Rule, ride_topics: RideTopics
) -> Survey:
    """Look through a whole bag and choose frames of the camera topics."""
    _check(source, ride_topics)
    found, ride, transforms = Survey(), Ride(ride_topics), Transforms()
    choosers = {topic: Chooser(rule) for topic in topics}
    infos: dict[str, Mapping[str, Any]] = {}
    wanted = _info_topics(source, topics)
    for index, message in enumerate(each for file in source.files for each in file.messages()):
        ride.put(message)
        topic = message.connection.topic
        if topic in choosers:
            if choosers[topic].takes(
                message.log_ns, ride.vehicle.distance_m, lambda m=message: _look(m)  # type: ignore[misc]  # a default binds it now
            ):
                found.start_ns = found.start_ns if found.chosen else message.log_ns
                found.end_ns = max(found.end_ns, message.log_ns)
                found.chosen.append(index)
        elif message.connection.msgtype == TRANSFORMS:
            _put_transforms(message, transforms)
        elif topic in wanted.values() and topic not in infos:
            _put_info(message, infos)
    _calibrate(found, wanted, infos, transforms, ride_topics.base_frame)
    return found


def _check(source: SourceBag, topics: RideTopics) -> None:
    there = {each.topic for each in source.connections}
    for topic in (topics.odometry, topics.imu, topics.gps):
        if topic and topic not in there:
            raise UsageError(f'{topic} is not in {source.path}')


def _info_topics(source: SourceBag, topics: Sequence[str]) -> dict[str, str]:
    """Return the camera_info beside each camera: in its namespace, or in the one above."""
    there = {each.topic for each in source.connections if each.msgtype == CAMERA_INFO}
    found = {}
    for topic in topics:
        parent = topic.rsplit('/', 1)[0]
        beside = [f'{parent}/camera_info', f'{parent.rsplit("/", 1)[0]}/camera_info']
        known = [each for each in beside if each in there]
        if known:
            found[topic] = known[0]
    return found


def _put_transforms(message: Message, transforms: Transforms) -> None:
    try:
        transforms.put(to_plain(message.connection, message.data))
    except (FrameError, KeyError, TypeError):
        return


def _put_info(message: Message, infos: dict[str, Mapping[str, Any]]) -> None:
    try:
        infos[message.connection.topic] = to_plain(message.connection, message.data)
    except FrameError:
        return


def _calibrate(
    found: Survey, wanted: Mapping[str, str], infos: Mapping[str, Mapping[str, Any]],
    transforms: Transforms, base_frame: str,
) -> None:
    for topic, info_topic in wanted.items():
        info = infos.get(info_topic)
        if info is None:
            continue
        frame = str(info['header']['frame_id'])
        to_base = transforms.find(frame, base_frame)
        if to_base is None:
            found.notes.append(
                f'{topic}: no transform leads from {frame} to {base_frame}: its camera files '
                'have no extrinsic')
        found.cameras[topic] = camera_json(info, to_base)


def _look(message: Message) -> UInt8Array:
    try:
        return thumbnail(open_payload(locate(message.connection, message.data)).view_bgr())
    except FrameError:
        return np.zeros((18, 32), np.uint8)
