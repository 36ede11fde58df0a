# SPDX-License-Identifier: Apache-2.0
"""Video topics change by whole groups of pictures; what cannot be decoded is withheld."""

from fractions import Fraction

import av
import numpy as np
import pytest
from bag_builder import MagentaDetector, picture, shows_magenta
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.verify import verify_bag

TYPE = 'foxglove_msgs/msg/CompressedVideo'
TOPIC = '/camera/video'
DEFINITION = 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
SIZE_WH = (128, 96)


def packets(encoder, images, group, once=False):
    context = av.CodecContext.create(encoder, 'w')
    context.width, context.height = SIZE_WH
    context.pix_fmt, context.time_base = 'yuv420p', Fraction(1, 10)
    context.gop_size = group
    options = {'preset': 'ultrafast', 'tune': 'zerolatency', 'crf': '12'}
    if encoder == 'libx265':
        options['x265-params'] = f'keyint={group}:min-keyint={group}:scenecut=0:log-level=none'
    else:
        options['x264-params'] = f'keyint={group}:min-keyint={group}:scenecut=0'
    context.options = options
    result = []
    for i, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, 'bgr24').reformat(format='yuv420p')
        frame.pts = i
        result += [bytes(packet) for packet in context.encode(frame)]
    result += [bytes(packet) for packet in context.encode(None)]
    assert len(result) == len(images)
    return result


def write(path, data, form):
    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(DEFINITION, TYPE))
    time_type = store.types['builtin_interfaces/msg/Time']
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, TYPE, typestore=store)
        for i, packet in enumerate(data):
            message = store.types[TYPE](
                timestamp=time_type(sec=1, nanosec=i), frame_id='camera',
                data=np.frombuffer(packet, np.uint8), format=form,
            )
            writer.write(connection, (i + 1) * 10**8, store.serialize_cdr(message, TYPE))
    return path


def read(path):
    with AnyReader([path]) as reader:
        return [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]


def decode(messages, form):
    context = av.CodecContext.create(form, 'r')
    frames = []
    for message in messages:
        frames += context.decode(av.Packet(message.data.tobytes()))
    frames += context.decode(None)
    return [frame.to_ndarray(format='bgr24') for frame in frames]


@pytest.mark.parametrize(('encoder', 'form'), [('libx264', 'h264'), ('libx265', 'hevc')])
def test_groups_with_something_to_hide_change(tmp_path, encoder, form):
    images = [picture(size_wh=SIZE_WH, squares=((40, 32),) if 10 <= i < 20 else (), side=32)
              for i in range(30)]
    source = write(tmp_path / 'source', packets(encoder, images, 10), form)
    target = tmp_path / 'target'
    settings = Settings(target=('face',), window_s=0.0)
    result = anonymize_bag(BagJob(source, target), settings, detector=MagentaDetector())
    before, after = read(source), read(target)
    assert any(shows_magenta(image) for image in decode(before, form))
    assert not any(shows_magenta(image) for image in decode(after, form))
    for i in [*range(10), *range(20, 30)]:
        assert np.array_equal(before[i].data, after[i].data)
    assert [repr(m.timestamp) for m in before] == [repr(m.timestamp) for m in after]
    assert result.manifest.withheld == 0
    assert verify_bag(source, target, search_every=0).ok


def test_what_comes_before_the_first_keyframe_is_withheld(tmp_path):
    images = [picture(size_wh=SIZE_WH, squares=((40, 32),), side=32) for _ in range(20)]
    data = packets('libx264', images, 10)[4:]
    source = write(tmp_path / 'source', data, 'h264')
    target = tmp_path / 'target'
    result = anonymize_bag(
        BagJob(source, target), Settings(target=('face',)), detector=MagentaDetector()
    )
    after = read(target)
    assert result.manifest.withheld == 6
    assert all(len(message.data) == 0 for message in after[:6])
    assert not any(shows_magenta(image) for image in decode(after[6:], 'h264'))


def test_a_damaged_group_is_masked_whole(tmp_path):
    images = [picture(size_wh=SIZE_WH, squares=((40, 32),), side=32) for _ in range(20)]
    data = packets('libx264', images, 10)
    data[13] = data[13][:5] + bytes(len(data[13]) - 5)
    source = write(tmp_path / 'source', data, 'h264')
    target = tmp_path / 'target'
    result = anonymize_bag(
        BagJob(source, target), Settings(target=('face',)), detector=MagentaDetector()
    )
    assert result.manifest.withheld == 10
    frames = decode(read(target), 'h264')
    assert len(frames) == 20
    assert not any(shows_magenta(image) for image in frames)
    assert all(np.ptp(image) <= 2 for image in frames[10:])
