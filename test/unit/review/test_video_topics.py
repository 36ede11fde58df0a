# SPDX-License-Identifier: Apache-2.0
"""A video topic is corrected by whole groups of pictures, and groups that nobody touched stay."""

from fractions import Fraction

import av
import numpy as np
import pytest
from bag_builder import MagentaDetector, shows_magenta
from reviewed import SETTINGS, SIZE_WH, act, frame, missed_box, opened, shows_yellow
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.review.apply import ApplyJob, apply_review
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.check import check_seal
from anon_ros.runs.verify import verify_bag

TYPE, TOPIC = 'foxglove_msgs/msg/CompressedVideo', '/camera/video'
DEFINITION = 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
FRAMES, GROUP = 20, 5


def packets():
    context = av.CodecContext.create('libx264', 'w')
    context.width, context.height = SIZE_WH
    context.pix_fmt, context.time_base, context.gop_size = 'yuv420p', Fraction(1, 10), GROUP
    context.options = {
        'preset': 'ultrafast', 'tune': 'zerolatency', 'crf': '10',
        'x264-params': f'keyint={GROUP}:min-keyint={GROUP}:scenecut=0',
    }
    found = []
    for i in range(FRAMES):
        picture = av.VideoFrame.from_ndarray(frame(i), 'bgr24').reformat(format='yuv420p')
        picture.pts = i
        found += [bytes(packet) for packet in context.encode(picture)]
    return found + [bytes(packet) for packet in context.encode(None)]


@pytest.fixture
def video(tmp_path):
    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(DEFINITION, TYPE))
    time_type = store.types['builtin_interfaces/msg/Time']
    source = tmp_path / 'source'
    with Writer(source, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, TYPE, typestore=store)
        for i, packet in enumerate(packets()):
            message = store.types[TYPE](
                timestamp=time_type(sec=1, nanosec=i), frame_id='camera',
                data=np.frombuffer(packet, np.uint8), format='h264',
            )
            writer.write(connection, (i + 1) * 10**8, store.serialize_cdr(message, TYPE))
    anonymize_bag(BagJob(source, tmp_path / 'target'), SETTINGS, detector=MagentaDetector())
    return source, tmp_path / 'target'


def read(path):
    with AnyReader([path]) as reader:
        return [
            reader.deserialize(raw, connection.msgtype).data.tobytes()
            for connection, _, raw in reader.messages()
        ]


def decoded(data):
    context = av.CodecContext.create('h264', 'r')
    images = []
    for packet in data:
        images += [each.to_ndarray(format='bgr24') for each in context.decode(av.Packet(packet))]
    return images + [each.to_ndarray(format='bgr24') for each in context.decode(None)]


@pytest.mark.parametrize('has_source', [False, True])
def test_only_the_touched_group_changes(video, has_source):
    source, target = video
    given = source if has_source else None
    with opened(target, given) as session:
        told = act(session, 'draw', 11, TOPIC, kind='face', box=missed_box(11))
        act(session, 'trim', 10, TOPIC, track=told['track'], side='before')
        act(session, 'trim', 13, TOPIC, track=told['track'], side='after')
        session.follow(told['stream'], told['track'])
    before = read(target)
    apply_review(ApplyJob(target, given, None, 'bert'))
    after = read(target)
    changed = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert set(changed) <= set(range(10, 15))
    images = decoded(after)
    assert len(images) == FRAMES
    assert not any(shows_magenta(image) for image in images)
    assert [shows_yellow(image) for image in images[10:14]] == [False] * 4
    assert shows_yellow(images[16])
    assert check_seal(target, source).ok
    assert verify_bag(source, target, search_every=0).ok


def test_a_struck_track_is_shown_and_the_rest_of_the_group_stays_hidden(video):
    source, target = video
    with opened(target, source) as session:
        told = act(session, 'draw', 10, TOPIC, kind='face', box=missed_box(10))
        session.follow(told['stream'], told['track'])
        act(session, 'strike', 10, TOPIC, region=0, is_confirmed=True)
    apply_review(ApplyJob(target, source, None, 'bert'))
    images = decoded(read(target))
    assert all(shows_magenta(image) for image in images)
    assert not any(shows_yellow(image) for image in images)
    assert check_seal(target, source).ok
