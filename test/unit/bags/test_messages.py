# SPDX-License-Identifier: Apache-2.0
"""A message around another payload: all else stays, in every serialization."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.bags.camera_types import CAMERA_TYPES, PayloadKind
from anon_ros.bags.messages import EncodedImage, locate, mask
from anon_ros.bags.storage.interface import Connection
from anon_ros.errors import EncodingError
from anon_ros.media.raw import RawImage

FOXGLOVE = 'builtin_interfaces/Time timestamp\nstring frame_id\n'
DEFINITIONS = {
    'foxglove_msgs/msg/CompressedVideo': FOXGLOVE + 'uint8[] data\nstring format',
    'foxglove_msgs/msg/CompressedImage': FOXGLOVE + 'uint8[] data\nstring format',
    'foxglove_msgs/msg/RawImage': FOXGLOVE + (
        'uint32 width\nuint32 height\nstring encoding\nuint32 step\nuint8[] data'
    ),
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket': (
        'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
        'uint8 flags\nbool is_bigendian\nuint8[] data'
    ),
    'odd_msgs/msg/Tail': (
        'std_msgs/Header header\nstring format\nuint8[] data\nuint8 a\nfloat64 b\n'
        'string c\nint16[3] d\nfloat64[] e\nuint8 f'
    ),
}
STORES = {'cdr': get_typestore(Stores.ROS2_JAZZY), 'ros1': get_typestore(Stores.ROS1_NOETIC)}
for store in STORES.values():
    for type_name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, type_name))
WIRES = ('little', 'big', 'ros1')


def build(wire, msgtype, **values):
    """Return a message as rosbags serializes it."""
    store = STORES['ros1' if wire == 'ros1' else 'cdr']
    types = store.types
    if 'header' in values:
        sec, nanosec, frame_id = values['header']
        sequence = {'seq': 7} if wire == 'ros1' else {}
        time = types['builtin_interfaces/msg/Time'](sec, nanosec)
        values['header'] = types['std_msgs/msg/Header'](
            stamp=time, frame_id=frame_id, **sequence
        )
    if 'timestamp' in values:
        values['timestamp'] = types['builtin_interfaces/msg/Time'](*values['timestamp'])
    values['data'] = np.frombuffer(values['data'], np.uint8)
    message = types[msgtype](**values)
    if wire == 'ros1':
        return bytes(store.serialize_ros1(message, msgtype))
    return bytes(store.serialize_cdr(message, msgtype, little_endian=wire == 'little'))


def connection(wire, msgtype, msgdef=''):
    return Connection(1, '/camera', msgtype, msgdef, 'ros1' if wire == 'ros1' else 'cdr', 1)


def image(wire, frame_id='cam', data=bytes(range(48)), **changes):
    values = {
        'height': 2, 'width': 8, 'encoding': 'bgr8', 'is_bigendian': 0, 'step': 24, **changes,
    }
    return build(
        wire, 'sensor_msgs/msg/Image', header=(12, 34, frame_id), data=data, **values
    )


def compressed(wire, frame_id='cam', name='jpeg', data=b'payload'):
    return build(
        wire, 'sensor_msgs/msg/CompressedImage', header=(12, 34, frame_id), format=name,
        data=data,
    )


@pytest.mark.parametrize('wire', WIRES)
def test_a_raw_image_is_found_and_replaced_in_place(wire):
    data = image(wire, step=24, is_bigendian=1, encoding='mono16')
    message = locate(connection(wire, 'sensor_msgs/msg/Image'), data)
    assert message.kind is PayloadKind.RAW
    assert (message.stamp_ns, message.frame_id) == (12_000_000_034, 'cam')
    payload = message.payload
    assert isinstance(payload, RawImage)
    assert (payload.width, payload.height, payload.step) == (8, 2, 24)
    assert payload.encoding == 'mono16'
    assert payload.is_bigendian is True
    assert bytes(payload.data) == bytes(range(48))
    changed = message.replace(bytes(48))
    assert changed == image(wire, step=24, is_bigendian=1, encoding='mono16', data=bytes(48))


@pytest.mark.parametrize('wire', WIRES)
def test_a_raw_image_of_another_length_is_refused(wire):
    message = locate(connection(wire, 'sensor_msgs/msg/Image'), image(wire))
    with pytest.raises(EncodingError, match='48 bytes cannot take 47'):
        message.replace(bytes(47))


@settings(max_examples=150, deadline=None)
@given(
    wire=st.sampled_from(WIRES), frame_id=st.text(max_size=9), name=st.text(max_size=9),
    old=st.binary(max_size=40), new=st.binary(max_size=40),
)
def test_every_length_of_strings_and_payloads_keeps_the_alignment(wire, frame_id, name, old, new):
    frame_id, name = frame_id.replace('\0', ''), name.replace('\0', '')
    place = connection(wire, 'sensor_msgs/msg/CompressedImage')
    message = locate(place, compressed(wire, frame_id, name, old))
    assert (message.frame_id, message.format) == (frame_id, name)
    assert bytes(message.data) == old
    assert message.replace(new) == compressed(wire, frame_id, name, new)
    image_place = connection(wire, 'sensor_msgs/msg/Image')
    raw = locate(image_place, image(wire, frame_id, old, encoding=name))
    filler = bytes(255 - byte for byte in old)
    assert raw.replace(filler) == image(wire, frame_id, filler, encoding=name)


@settings(max_examples=150, deadline=None)
@given(
    wire=st.sampled_from(WIRES), name=st.sampled_from(['h264', 'h', 'hevc7', '']),
    old=st.binary(max_size=20), new=st.binary(max_size=20),
)
def test_fields_after_the_payload_move_with_their_alignment(wire, name, old, new):
    msgtype = 'foxglove_msgs/msg/CompressedVideo'
    place = connection(wire, msgtype, DEFINITIONS[msgtype])

    def video(data):
        return build(
            wire, msgtype, timestamp=(5, 6), frame_id='camera', data=data, format=name
        )

    message = locate(place, video(old))
    assert message.kind is PayloadKind.VIDEO
    assert (message.stamp_ns, message.frame_id) == (5_000_000_006, 'camera')
    assert message.payload == EncodedImage(name, old)
    assert message.replace(new) == video(new)


@settings(max_examples=150, deadline=None)
@given(
    wire=st.sampled_from(WIRES), old=st.binary(max_size=20), new=st.binary(max_size=20),
    text=st.sampled_from(['', 'a', 'abcd']), many=st.integers(0, 2),
)
def test_a_definition_with_more_fields_is_walked(wire, old, new, text, many):
    def odd(data):
        return build(
            wire, 'odd_msgs/msg/Tail', header=(1, 2, 'x'), format='png', data=data, a=1, b=2.0,
            c=text, d=np.array([1, 2, 3], np.int16), e=np.ones(many), f=9,
        )

    # A vendor's CompressedImage with more fields than the standard one.
    place = connection(
        wire, 'sensor_msgs/msg/CompressedImage', DEFINITIONS['odd_msgs/msg/Tail']
    )
    assert locate(place, odd(old)).replace(new) == odd(new)


@pytest.mark.parametrize('wire', WIRES)
@pytest.mark.parametrize('with_definition', [True, False])
def test_ffmpeg_packets_tell_size_flags_and_time(wire, with_definition):
    msgtype = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'

    def packet(data):
        return build(
            wire, msgtype, header=(1, 2, 'c'), width=640, height=480, encoding='hevc', pts=2**40,
            flags=1, is_bigendian=False, data=data,
        )

    place = connection(wire, msgtype, DEFINITIONS[msgtype] if with_definition else '')
    message = locate(place, packet(b'abc'))
    assert message.kind is PayloadKind.VIDEO
    assert message.size_wh == (640, 480)
    assert (message.fields['flags'], message.fields['pts']) == (1, 2**40)
    assert message.replace(b'longer one') == packet(b'longer one')


@pytest.mark.parametrize('wire', WIRES)
def test_foxglove_raw_images_are_little_endian(wire):
    data = build(
        wire, 'foxglove_msgs/msg/RawImage', timestamp=(1, 2), frame_id='c', width=3, height=1,
        encoding='mono8', step=3, data=b'abc',
    )
    payload = locate(connection(wire, 'foxglove_msgs/msg/RawImage'), data).payload
    assert isinstance(payload, RawImage)
    assert (payload.width, payload.step, payload.is_bigendian) == (3, 3, False)


@pytest.mark.parametrize('wire', WIRES)
def test_a_disparity_image_is_the_image_inside_it(wire):
    store = STORES['ros1' if wire == 'ros1' else 'cdr']
    types = store.types
    sequence = {'seq': 7} if wire == 'ros1' else {}
    header = types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](3, 4), frame_id='d', **sequence
    )

    def disparity(data):
        inner = types['sensor_msgs/msg/Image'](
            header, 1, 1, '32FC1', 0, 4, np.frombuffer(data, np.uint8)
        )
        window = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 1, 1, False)
        kind = types['stereo_msgs/msg/DisparityImage']
        first = next(iter(kind.__dataclass_fields__))
        assert first == 'header'
        names = list(kind.__dataclass_fields__)[2:4]
        message = kind(
            header=header, image=inner, valid_window=window, min_disparity=1.0,
            max_disparity=2.0, delta_d=0.5, **dict.fromkeys(names, 1.5),
        )
        if wire == 'ros1':
            return bytes(store.serialize_ros1(message, 'stereo_msgs/msg/DisparityImage'))
        return bytes(store.serialize_cdr(
            message, 'stereo_msgs/msg/DisparityImage', little_endian=wire == 'little'
        ))

    message = locate(
        connection(wire, 'stereo_msgs/msg/DisparityImage'), disparity(struct.pack('f', 7.0))
    )
    assert message.format == '32FC1'
    assert message.stamp_ns == 3_000_000_004
    assert message.replace(bytes(4)) == disparity(bytes(4))


def test_a_video_in_a_compressed_image_is_a_video():
    place = connection('little', 'sensor_msgs/msg/CompressedImage')
    assert locate(place, compressed('little', name='h264')).kind is PayloadKind.VIDEO
    assert locate(place, compressed('little', name='bgr8; jpeg compressed bgr8')).kind \
        is PayloadKind.COMPRESSED


@settings(max_examples=200, deadline=None)
@given(wire=st.sampled_from(WIRES), cut=st.integers(0, 107), build_one=st.booleans())
def test_a_truncated_message_is_an_encoding_error(wire, cut, build_one):
    data = image(wire) if build_one else compressed(wire, data=bytes(48))
    name = 'sensor_msgs/msg/Image' if build_one else 'sensor_msgs/msg/CompressedImage'
    shortened = data[:min(cut, len(data) - 4)]
    with pytest.raises(EncodingError):
        locate(connection(wire, name), shortened)


@pytest.mark.parametrize('wire', WIRES)
@pytest.mark.parametrize('length', [49, 2**31, 2**32 - 1])
def test_an_absurd_length_costs_nothing(wire, length):
    data = bytearray(image(wire))
    start = data.rindex(bytes(range(48))) - 4
    struct.pack_into('>I' if wire == 'big' else '<I', data, start, length)
    with pytest.raises(EncodingError, match='announced'):
        locate(connection(wire, 'sensor_msgs/msg/Image'), bytes(data))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=80), wire=st.sampled_from(WIRES))
def test_noise_is_located_or_refused_but_never_crashes(data, wire):
    for name in CAMERA_TYPES:
        try:
            message = locate(connection(wire, name), data)
        except EncodingError:
            continue
        assert message.replace(bytes(message.data)) == data


def test_bytes_after_the_last_field_are_refused():
    place = connection('little', 'sensor_msgs/msg/CompressedImage')
    padded = compressed('little', data=b'1234567')
    aligned = padded + bytes(-len(padded) % 4)
    assert locate(place, aligned).replace(b'7654321')[:len(padded)] == (
        compressed('little', data=b'7654321')
    )
    with pytest.raises(EncodingError, match='goes on for'):
        locate(place, padded + bytes(8))
    with pytest.raises(EncodingError, match='goes on for 1'):
        locate(connection('ros1', 'sensor_msgs/msg/CompressedImage'), compressed('ros1') + b'\0')


def test_padding_at_the_end_stays_padding():
    place = connection('little', 'sensor_msgs/msg/CompressedImage')
    padded = compressed('little', data=b'1234567')
    padded += bytes(-len(padded) % 4)
    for new in (b'', b'1', b'12', b'123', b'1234'):
        expected = compressed('little', data=new)
        assert locate(place, padded).replace(new) == expected + bytes(-len(expected) % 4)


@pytest.mark.parametrize('header', [b'\x00\x03', b'\x00\x07', b'\x01\x00'])
def test_another_encapsulation_is_refused(header):
    data = header + compressed('little')[2:]
    with pytest.raises(EncodingError, match='not plain CDR'):
        locate(connection('little', 'sensor_msgs/msg/CompressedImage'), data)


def test_another_serialization_or_type_is_refused():
    place = Connection(1, '/c', 'sensor_msgs/msg/Image', '', 'protobuf', 1)
    with pytest.raises(EncodingError, match='protobuf'):
        locate(place, image('little'))
    with pytest.raises(EncodingError, match='no camera type'):
        locate(connection('little', 'sensor_msgs/msg/Imu'), image('little'))


@pytest.mark.parametrize('definition', [
    'std_msgs/Header header\nstring encoding', 'uint8[] data', 'uint8[4] data\nstring encoding',
    'other_msgs/Unknown x\nuint8[] data\nstring encoding',
    'std_msgs/Header[] headers\nuint8[] data\nstring encoding',
])
def test_a_definition_without_a_picture_is_refused(definition):
    with pytest.raises(EncodingError, match='sensor_msgs/msg/Image'):
        locate(connection('little', 'sensor_msgs/msg/Image', definition), image('little'))


@pytest.mark.parametrize('wire', WIRES)
@pytest.mark.parametrize(('encoding', 'step'), [('bgr8', 24), ('nobody_knows', 24), ('bgr8', 3)])
def test_a_masked_raw_image_keeps_all_but_its_pixels(wire, encoding, step):
    place = connection(wire, 'sensor_msgs/msg/Image')
    data = image(wire, encoding=encoding, step=step)
    masked = mask(place, data)
    assert masked == image(wire, encoding=encoding, step=step, data=b'\x80' * 48)


PIXELS = np.random.default_rng(2).integers(0, 255, (24, 40, 3), np.uint8)


@pytest.mark.parametrize('wire', WIRES)
@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_a_masked_compressed_image_keeps_its_size(wire, extension):
    place = connection(wire, 'sensor_msgs/msg/CompressedImage')
    data = cv2.imencode(extension, PIXELS)[1].tobytes()
    masked = locate(place, mask(place, compressed(wire, data=data), (8, 8)))
    assert (masked.format, masked.frame_id, masked.stamp_ns) == ('jpeg', 'cam', 12_000_000_034)
    view = cv2.imdecode(np.frombuffer(masked.data, np.uint8), cv2.IMREAD_COLOR)
    assert view.shape == (24, 40, 3)
    assert np.abs(view.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(('name', 'magic'), [('jpeg', b'\xff\xd8'), ('x; png comp', b'\x89PNG')])
def test_an_unreadable_compressed_image_takes_the_last_known_size(name, magic):
    place = connection('little', 'sensor_msgs/msg/CompressedImage')
    data = compressed('little', name=name, data=b'secret face')
    masked = locate(place, mask(place, data, (40, 24)))
    assert bytes(masked.data[:len(magic)]) == magic
    view = cv2.imdecode(np.frombuffer(masked.data, np.uint8), cv2.IMREAD_COLOR)
    assert view.shape == (24, 40, 3)
    assert len(np.unique(view)) == 1
    assert mask(place, data) == compressed('little', name=name, data=b'')


def test_masking_believes_no_absurd_header():
    place = connection('little', 'sensor_msgs/msg/CompressedImage')
    data = bytearray(cv2.imencode('.jpg', PIXELS)[1].tobytes())
    start = data.index(b'\xff\xc0') + 5
    data[start:start + 4] = (60000).to_bytes(2, 'big') * 2
    masked = locate(place, mask(place, compressed('little', data=bytes(data)), (40, 24)))
    assert len(masked.data) < 2000


@pytest.mark.parametrize('wire', WIRES)
def test_a_masked_video_packet_is_empty(wire):
    msgtype = 'foxglove_msgs/msg/CompressedVideo'
    place = connection(wire, msgtype)
    values = {'timestamp': (5, 6), 'frame_id': 'camera', 'format': 'h264'}
    data = build(wire, msgtype, data=b'secret', **values)
    assert mask(place, data) == build(wire, msgtype, data=b'', **values)


def test_masking_what_has_no_header_left_is_an_error():
    with pytest.raises(EncodingError):
        mask(connection('little', 'sensor_msgs/msg/Image'), image('little')[:20])
