# SPDX-License-Identifier: Apache-2.0
"""Real bags of every kind, small, and the loop that rewrites them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Ros2Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.bags.storage import create_bag, open_bag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CUSTOM = 'uint8 kind\nfloat64[] values\nstd_msgs/Header header\n'
TOPICS = {'/camera': 'sensor_msgs/msg/CompressedImage', '/imu': 'sensor_msgs/msg/Imu',
          '/own': 'own_msgs/msg/Own'}
START_NS = 1_700_000_000_000_000_000


def payloads(count: int, seed: int = 0) -> list[tuple[str, int, bytes]]:
    """Return topic, time and bytes; every 5th message is a big one."""
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        topic = '/camera' if index % 5 == 0 else ('/imu', '/own')[index % 2]
        size = int(random.integers(2000, 60000) if topic == '/camera' else random.integers(4, 90))
        data = b'\0\1\0\0' + random.integers(0, 99, size, np.uint8).tobytes()
        found.append((topic, START_NS + index * 10_000_000, data))
    return found


def make_ros2(path: Path, plugin: str = 'mcap', mode: str = 'none', count: int = 200) -> Path:
    """Write a folder with the real writer."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(CUSTOM, TOPICS['/own']))
    writer = Ros2Writer(path, version=9, storage_plugin=StoragePlugin[plugin.upper()])
    if mode != 'none':
        writer.set_compression(CompressionMode[mode.upper()], CompressionFormat.ZSTD)
    writer.set_custom_data('vehicle', 'k: "v" #1')
    with writer:
        known = {topic: writer.add_connection(topic, msgtype, typestore=store)
                 for topic, msgtype in TOPICS.items()}
        for topic, stamp_ns, data in payloads(count):
            writer.write(known[topic], stamp_ns, data)
    return path


def make_ros1(path: Path, compression: str = 'none', count: int = 200) -> Path:
    """Write a ROS 1 bag with the real writer."""
    store = get_typestore(Stores.ROS1_NOETIC)
    writer = Ros1Writer(path)
    writer.chunk_threshold = 1 << 17
    if compression != 'none':
        writer.set_compression(Ros1Writer.CompressionFormat[compression.upper()])
    with writer:
        known = {topic: writer.add_connection(topic, msgtype, typestore=store, callerid='/n',
                                              latching=1)
                 for topic, msgtype in TOPICS.items() if topic != '/own'}
        for topic, stamp_ns, data in payloads(count):
            if topic in known:
                writer.write(known[topic], stamp_ns, data)
    return path


def make_mcap(path: Path, count: int = 200, **options: Any) -> Path:
    """Write a lone mcap file with attachments, metadata, publish times and sequences."""
    options.setdefault('compression', CompressionType.ZSTD)
    options.setdefault('chunk_size', 1 << 17)
    with path.open('wb') as file:
        writer = McapWriter(file, **options)
        writer.start('ros2', 'somebody 1.0')
        schema = writer.register_schema('sensor_msgs/msg/Imu', 'ros2msg', b'float64 x\n')
        other = writer.register_schema('own.Proto', 'protobuf', b'\x00\xff\x01')
        known = {
            '/camera': writer.register_channel('/camera', 'protobuf', other, {'a': 'b'}),
            '/imu': writer.register_channel('/imu', 'cdr', schema, {'offered_qos_profiles': '-'}),
            '/own': writer.register_channel('/own', 'json', 0),
        }
        writer.add_attachment(3, 4, 'face.jpg', 'image/jpeg', b'\xff\xd8 face')
        for index, (topic, stamp_ns, data) in enumerate(payloads(count)):
            if index == count // 2:
                writer.add_metadata('calibration', {'fx': '1.5', 'fy': '2'})
            jitter = (index * 7919) % 13
            writer.add_message(known[topic], stamp_ns + jitter, data, stamp_ns - 5, index * 3)
        writer.add_attachment(5, 6, 'log.txt', 'text/plain', b'hello')
        writer.finish()
    return path


def rewrite(
    source: Path, target: Path, *, edit: Callable[[Any], Any] | None = None,
    keep: Callable[[Any], bool] = lambda _: True,
    drop: Callable[[Any], bool] = lambda _: False,
    keep_attachment: Callable[[Any], bool] = lambda _: True, resume: bool = False,
) -> Path:
    """Copy a bag as the rewriter does."""
    with open_bag(source) as bag, create_bag(
        target, bag, keep=keep, keep_attachment=keep_attachment, resume=resume,
    ) as out:
        for file in bag.files:
            writer = out.file(file)
            for message in file.messages(writer.messages_done):
                if drop(message) or not keep(message.connection):
                    writer.drop(message)
                else:
                    data = None if edit is None else edit(message)
                    writer.write(message, message.data if data is None else data)
        out.finish()
    return target


def read(path: Path) -> list[tuple[Any, ...]]:
    """Return all messages of a bag as tuples of what must not change."""
    with open_bag(path) as bag:
        return [(file.name, m.connection.id, m.connection.topic, m.connection.msgtype,
                 m.connection.msgdef, m.connection.serialization, m.log_ns, m.publish_ns,
                 m.sequence, bytes(m.data))
                for file in bag.files for m in file.messages()]


def mcap_records(path: Path) -> list[Any]:
    """Return all records of an mcap file by the reference reader, chunks unpacked."""
    with path.open('rb') as file:
        return list(StreamReader(file, validate_crcs=True).records)


class Tools:
    """What the tests of this folder share."""

    START_NS = START_NS
    CompressionType = CompressionType
    IndexType = IndexType
    payloads = staticmethod(payloads)
    make_ros2 = staticmethod(make_ros2)
    make_ros1 = staticmethod(make_ros1)
    make_mcap = staticmethod(make_mcap)
    rewrite = staticmethod(rewrite)
    read = staticmethod(read)
    mcap_records = staticmethod(mcap_records)


@pytest.fixture(scope='session')
def tools() -> type[Tools]:
    """Return the makers and readers of bags."""
    return Tools
