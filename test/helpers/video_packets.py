# SPDX-License-Identifier: Apache-2.0
"""Bags with a video topic, encoded by the real encoder."""

from fractions import Fraction

import av
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

TYPE = 'foxglove_msgs/msg/CompressedVideo'
TOPIC = '/camera/video'
DEFINITION = 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
SIZE_WH = (128, 96)


def packets(encoder, images, group):
    """Return a packet for each image; a group of pictures is as long as that."""
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
    """Write a bag of packets, ten a second."""
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
