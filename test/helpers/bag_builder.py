# SPDX-License-Identifier: Apache-2.0
"""Bags whose every face is a magenta square, and a detector that finds these squares."""

from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from anon_ros.core.regions import Kind, Regions

MAGENTA_BGR = (255, 0, 255)
STORE = get_typestore(Stores.ROS2_HUMBLE)


class MagentaDetector:
    """Finds magenta squares; fails on images with a pure green corner, as a network might."""

    def __init__(self, blind_frames=()):
        self.blind_frames = set(blind_frames)
        self.calls = 0

    def detect(self, image_bgr):
        call, self.calls = self.calls, self.calls + 1
        if (image_bgr[0, 0] == (0, 255, 0)).all():
            raise RuntimeError('out of memory, say')
        if call in self.blind_frames:
            return Regions.empty()
        distance = np.abs(image_bgr.astype(int) - MAGENTA_BGR).max(axis=2)
        count, _, stats, _ = cv2.connectedComponentsWithStats((distance < 60).astype(np.uint8))
        boxes = [[x, y, x + w, y + h] for x, y, w, h, area in stats[1:count] if area > 20]
        return Regions.of(np.array(boxes, np.float32).reshape(-1, 4), Kind.FACE)


def picture(seed=0, size_wh=(96, 64), squares=((20, 16),), side=16):
    random = np.random.default_rng(seed)
    small = random.integers(40, 200, (8, 12, 3), np.uint8)
    image = cv2.resize(small, size_wh, interpolation=cv2.INTER_LINEAR)
    for x, y in squares:
        image[y:y + side, x:x + side] = MAGENTA_BGR
    return image


def shows_magenta(image_bgr):
    return bool((np.abs(image_bgr.astype(int) - MAGENTA_BGR).max(axis=2) < 60).any())


class BagBuilder:
    """Collects messages and writes them as a bag of any kind."""

    def __init__(self):
        self.messages = []

    def _header(self, stamp_ns):
        time_type = STORE.types['builtin_interfaces/msg/Time']
        stamp = time_type(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        return STORE.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera_optical')

    def raw(self, topic, stamp_ns, image, encoding='bgr8', data=None):
        flat = np.ascontiguousarray(image).view(np.uint8).reshape(-1) if data is None else data
        message = STORE.types['sensor_msgs/msg/Image'](
            header=self._header(stamp_ns), height=image.shape[0], width=image.shape[1],
            encoding=encoding, is_bigendian=0, step=image.strides[0], data=flat,
        )
        self.messages.append((topic, stamp_ns, message))

    def compressed(self, topic, stamp_ns, data, format_='jpeg'):
        message = STORE.types['sensor_msgs/msg/CompressedImage'](
            header=self._header(stamp_ns), format=format_, data=np.frombuffer(data, np.uint8)
        )
        self.messages.append((topic, stamp_ns, message))

    def jpeg(self, topic, stamp_ns, image):
        self.compressed(topic, stamp_ns, cv2.imencode('.jpg', image)[1].tobytes())

    def text(self, topic, stamp_ns, text):
        message = STORE.types['std_msgs/msg/String'](data=text)
        self.messages.append((topic, stamp_ns, message))

    def write(self, path, storage='mcap'):
        path = Path(path)
        if storage == 'ros1':
            return self._write_ros1(path)
        plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[storage]
        with Writer(path, version=9, storage_plugin=plugin) as writer:
            self._write(writer, STORE.serialize_cdr, STORE)
        return path

    def _write_ros1(self, path):
        store = get_typestore(Stores.ROS1_NOETIC)
        path = path.with_suffix('.bag')

        def serialize(message, msgtype):
            if hasattr(message, 'header'):
                header = message.header
                message.header = store.types['std_msgs/msg/Header'](
                    seq=0, stamp=header.stamp, frame_id=header.frame_id
                )
            return store.serialize_ros1(message, msgtype)

        with Writer1(path) as writer:
            self._write(writer, serialize, store)
        return path

    def _write(self, writer, serialize, store):
        connections = {}
        for topic, stamp_ns, message in self.messages:
            msgtype = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, msgtype, typestore=store)
            writer.write(connections[topic], stamp_ns, serialize(message, msgtype))

