# SPDX-License-Identifier: Apache-2.0
"""Default deny: what may carry a picture is anonymized, named, or stops the run."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from anon_ros.bags.storage.interface import Connection
from anon_ros.bags.topics import Action, plan_topics
from anon_ros.errors import TopicError

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
JPEG = cv2.imencode('.jpg', np.full((16, 16, 3), 90, np.uint8))[1].tobytes()


class MemoryFile:
    """A bag file that lies in memory; topics maps a topic to (type, definition, payloads)."""

    def __init__(self, topics, serialization='cdr'):
        self.name = 'memory.mcap'
        self.attachments = ()
        self.payloads = {}
        self.connections = []
        for number, (topic, (msgtype, msgdef, payloads)) in enumerate(topics.items()):
            connection = Connection(
                number, topic, msgtype, msgdef, serialization, len(payloads)
            )
            self.connections.append(connection)
            self.payloads[connection] = payloads

    def sample(self, connection, count):
        yield from self.payloads[connection][:count]


class MemoryBag:
    def __init__(self, *files):
        self.files = files


def header():
    types = STORE.types
    stamp = types['builtin_interfaces/msg/Time'](1, 2)
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')


def image(encoding='bgr8'):
    message = STORE.types[IMAGE](header(), 2, 2, encoding, 0, 6, np.zeros(12, np.uint8))
    return bytes(STORE.serialize_cdr(message, IMAGE))


def compressed(name='jpeg', data=JPEG):
    message = STORE.types[COMPRESSED](header(), name, np.frombuffer(data, np.uint8))
    return bytes(STORE.serialize_cdr(message, COMPRESSED))


def plain(payload=b'abcdefgh'):
    return b'\0\1\0\0' + payload


def plan(topics, serialization='cdr', **options):
    return plan_topics(MemoryBag(MemoryFile(topics, serialization)), **options)


def undecided(topics, serialization='cdr', **options):
    with pytest.raises(TopicError) as caught:
        plan(topics, serialization, **options)
    return str(caught.value)


CAMERA = {
    '/camera/raw': (IMAGE, '', [image()]),
    '/camera/jpeg': (COMPRESSED, '', [compressed()]),
    '/camera/camera_info': ('sensor_msgs/msg/CameraInfo', '', [plain()]),
    '/imu': ('sensor_msgs/msg/Imu', '', [plain()]),
}
DEPTH = {'/depth': (IMAGE, '', [image('16UC1')])}


def test_cameras_are_anonymized_and_all_else_is_copied():
    result = plan(CAMERA)
    assert result.topics(Action.ANONYMIZE) == ['/camera/jpeg', '/camera/raw']
    assert result.topics(Action.COPY) == ['/camera/camera_info', '/imu']
    assert result.topics(Action.DROP) == []
    assert result.named_copies == frozenset()


@pytest.mark.parametrize('msgtype', [
    'foxglove_msgs/msg/RawImage', 'foxglove_msgs/msg/CompressedImage', 'sensor_msgs/Image',
    'foxglove_msgs/msg/CompressedVideo', 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
    'sensor_msgs::msg::dds_::Image_',
])
def test_every_camera_type_is_anonymized_without_any_message(msgtype):
    assert plan({'/c': (msgtype, '', [])}).topics(Action.ANONYMIZE) == ['/c']
    assert plan({'/c': (msgtype, '', [])}, 'ros1').topics(Action.ANONYMIZE) == ['/c']


def test_a_connection_nobody_planned_for_is_dropped():
    result = plan(CAMERA)
    other = Connection(9, '/camera/raw', 'std_msgs/msg/String', '', 'cdr', 1)
    assert result.action(other) is Action.DROP


def test_the_option_topic_leaves_the_other_cameras_undecided():
    text = undecided(CAMERA, selected=['/camera/raw'])
    assert '/camera/jpeg' in text
    assert '--topic leaves out' in text
    assert '/camera/raw (' not in text
    result = plan(CAMERA, selected=['/camera/raw'], dropped=['/camera/jpeg'])
    assert result.topics(Action.ANONYMIZE) == ['/camera/raw']
    assert result.topics(Action.DROP) == ['/camera/jpeg']
    assert '/imu' in result.topics(Action.COPY)


def test_named_copies_are_not_watched_and_others_are():
    result = plan(CAMERA, copied=['/camera/raw', '/imu'])
    file = MemoryFile(CAMERA)
    watched = {c.topic: result.is_watched(c) for c in file.connections}
    assert watched == {
        '/camera/raw': False, '/camera/jpeg': False, '/camera/camera_info': True, '/imu': False,
    }


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_depth_has_to_be_named(encoding):
    topics = {**CAMERA, '/depth': (IMAGE, '', [image(), image(encoding)])}
    text = undecided(topics)
    assert '/depth' in text
    assert encoding in text
    for option in ('--topic', '--copy-topic', '--drop-topic'):
        assert f"{option} '/depth'" in text
    assert plan(topics, copied=['/depth']).topics(Action.COPY)[1] == '/depth'
    assert plan(topics, dropped=['/depth']).topics(Action.DROP) == ['/depth']
    chosen = plan(topics, selected=['/camera/*', '/depth'])
    assert '/depth' in chosen.topics(Action.ANONYMIZE)
    assert chosen.depth == {'/depth'}


def test_compressed_depth_cannot_be_anonymized():
    topics = {'/depth': (COMPRESSED, '', [compressed('16UC1; compressedDepth png')])}
    assert 'compressedDepth' in undecided(topics)
    assert 'compressedDepth' in undecided(topics, selected=['/depth'])
    assert plan(topics, copied=['/depth']).topics(Action.COPY) == ['/depth']


def test_depth_in_a_plain_png_may_be_read_as_brightness():
    topics = {'/depth': (COMPRESSED, '', [compressed('16UC1; png compressed ')])}
    assert '--topic' in undecided(topics)
    assert plan(topics, selected=['/depth']).depth == {'/depth'}
    colour = {'/colour': (COMPRESSED, '', [compressed('bgr8; jpeg compressed bgr8')])}
    assert plan(colour).topics(Action.ANONYMIZE) == ['/colour']


def test_a_disparity_image_has_to_be_named():
    topics = {'/disparity': ('stereo_msgs/msg/DisparityImage', '', [])}
    assert '/disparity' in undecided(topics)
    assert plan(topics, selected=['/disparity']).topics(Action.ANONYMIZE) == ['/disparity']


NESTED = (
    'Inner[] parts\n================\nMSG: my_msgs/Inner\nDeeper x\n================\n'
    'MSG: my_msgs/Deeper\nsensor_msgs/{} picture\n'
)
IDL = (
    '=' * 80 + '\nIDL: my_msgs/msg/Box\nmodule my_msgs { module msg {\n struct Box {\n'
    '  sequence<sensor_msgs::msg::CompressedImage, 3> pictures;\n }; }; };\n'
)


@pytest.mark.parametrize(('msgtype', 'msgdef', 'inner'), [
    ('my_msgs/msg/Box', NESTED.format('Image'), 'sensor_msgs/Image'),
    ('my_msgs/msg/Box', NESTED.format('CompressedImage[3]'), 'sensor_msgs/CompressedImage'),
    ('my_msgs/msg/Box', NESTED.format('msg/Image'), 'sensor_msgs/Image'),
    ('my_msgs/msg/Box', IDL, 'sensor_msgs/CompressedImage'),
    ('my_msgs/msg/Box', 'foxglove_msgs/CompressedVideo v', 'foxglove_msgs/CompressedVideo'),
])
def test_images_inside_a_type_at_any_depth_are_seen(msgtype, msgdef, inner):
    text = undecided({'/box': (msgtype, msgdef, [plain()])})
    assert f'/box ({msgtype}) carries images inside its type ({inner})' in text
    topics = {'/box': (msgtype, msgdef, [plain()])}
    assert plan(topics, copied=['/box']).topics(Action.COPY) == ['/box']


def test_an_image_type_of_ones_own_is_seen_by_its_fields():
    msgdef = 'uint32 height\nuint32 width\nstring encoding\nuint8[] pixels'
    assert 'a/B has a width' in undecided({'/x': ('a/msg/B', msgdef, [plain()])})
    cloud = ('sensor_msgs/msg/PointCloud2', '', [plain()])
    grid = ('nav_msgs/msg/OccupancyGrid', '', [plain()])
    assert plan({'/cloud': cloud, '/grid': grid}).topics(Action.COPY) == ['/cloud', '/grid']


@pytest.mark.parametrize('msgdef', ['', 'Missing x', '%% what is this'])
def test_a_type_that_nobody_defines_has_to_be_named(msgdef):
    topics = {'/x': ('my_msgs/msg/Thing', msgdef, [plain()])}
    assert 'nobody defines my_msgs/' in undecided(topics)
    assert plan({'/x': ('my_msgs/msg/Thing', msgdef, [])}).topics(Action.COPY) == ['/x']


def test_a_custom_type_with_a_definition_is_copied():
    msgdef = (
        'uint8 KIND=3 # image\nstring NAME=a # b\nstd_msgs/Header header\nint32[<=5] a\n'
        'string<=10 b "default"\ntime t\nduration[] d\nPoint[2] p\n===\nMSG: my_msgs/Point\n'
        'float64 x 1.0\nwstring w\n'
    )
    assert plan({'/x': ('my_msgs/msg/Thing', msgdef, [plain()])}).topics(Action.COPY) == ['/x']


@pytest.mark.parametrize('msgtype', [
    'theora_image_transport/msg/Packet', 'h264_msgs/msg/Packet',
])
def test_other_codecs_of_image_transport_have_to_be_named(msgtype):
    topics = {'/x': (msgtype, 'uint8[] data', [plain()])}
    assert 'nobody here can take apart' in undecided(topics)
    assert 'nobody here can take apart' in undecided(topics, selected=['/x'])


@pytest.mark.parametrize('serialization', ['protobuf', 'json', 'cbor'])
def test_images_in_another_serialization_have_to_be_named(serialization):
    for msgtype in ('foxglove.CompressedImage', IMAGE):
        topics = {'/x': (msgtype, 'something', [plain()])}
        assert '/x' in undecided(topics, serialization)
    nested = {'/x': ('a.B', '\n\x12foxglove.RawImage\x18', [plain()])}
    assert 'RawImage' in undecided(nested, serialization)
    unknown = {'/x': ('a.B', '', [plain()])}
    assert 'without a readable definition' in undecided(unknown, serialization)
    harmless = {'/x': ('a.B', '\n\x12foxglove.Pose\x18', [plain()])}
    assert plan(harmless, serialization).topics(Action.COPY) == ['/x']


def test_a_payload_that_looks_like_a_picture_has_to_be_named():
    string = struct.pack('<I', len(JPEG)) + JPEG
    topics = {'/blob': ('std_msgs/msg/UInt8MultiArray', '', [plain(), plain(string)])}
    assert 'has a payload that looks like JPEG' in undecided(topics)
    assert plan(topics, dropped=['/blob']).topics(Action.DROP) == ['/blob']


@pytest.mark.parametrize(('msgtype', 'is_read'), [
    ('sensor_msgs/msg/Imu', False), ('sensor_msgs/msg/LaserScan', False),
    ('std_msgs/msg/String', True), ('sensor_msgs/msg/PointCloud2', True),
])
def test_only_messages_with_room_for_a_file_are_sampled(msgtype, is_read):
    file = MemoryFile({'/x': (msgtype, '', [plain(JPEG)])})
    if is_read:
        with pytest.raises(TopicError, match='JPEG'):
            plan_topics(MemoryBag(file))
    else:
        assert plan_topics(MemoryBag(file)).is_watched(file.connections[0])


def test_the_second_file_of_a_bag_is_looked_at_too():
    first = MemoryFile({'/x': ('std_msgs/msg/UInt8MultiArray', '', [plain()])})
    second = MemoryFile({'/x': ('std_msgs/msg/UInt8MultiArray', '', [plain(JPEG)])})
    with pytest.raises(TopicError, match='JPEG'):
        plan_topics(MemoryBag(first, second))
    with pytest.raises(TopicError, match='JPEG'):
        plan_topics(MemoryBag(second, first))


def test_all_undecided_topics_are_listed_at_once():
    topics = {
        **CAMERA, **DEPTH,
        '/box': ('my_msgs/msg/Box', NESTED.format('Image'), [plain()]),
        '/blob': ('std_msgs/msg/String', '', [plain(JPEG)]),
    }
    text = undecided(topics)
    assert text.startswith('3 topics may carry pictures')
    assert [line.split()[0] for line in text.splitlines()[1:]] == ['/blob', '/box', '/depth']
    result = plan(topics, dropped=['/b*'], copied=['/depth'])
    assert result.topics(Action.DROP) == ['/blob', '/box']


@pytest.mark.parametrize('option', ['selected', 'copied', 'dropped'])
def test_an_unknown_topic_brings_the_nearest_names(option):
    text = undecided(CAMERA, **{option: ['/camera/jpg']})
    assert "'/camera/jpg'" in text
    assert 'the nearest are /camera/jpeg' in text
    assert 'no such topic' in undecided(CAMERA, **{option: ['/zzz*']})


def test_a_topic_in_two_options_is_refused():
    text = undecided(CAMERA, selected=['/camera/raw'], copied=['/camera/*'])
    assert '/camera/raw is named by both --topic and --copy-topic' in text
    assert 'both --copy-topic and --drop-topic' in undecided(
        CAMERA, copied=['/imu'], dropped=['/imu']
    )


def test_a_selected_topic_without_pictures_is_refused_but_a_pattern_may_cover_one():
    assert 'carries no picture' in undecided(CAMERA, selected=['/imu', '/camera/*'])
    result = plan(CAMERA, selected=['/camera/*'])
    assert '/camera/camera_info' in result.topics(Action.COPY)


def test_a_topic_of_two_types_gets_an_action_for_each():
    first = MemoryFile({'/x': (IMAGE, '', [image()])})
    second = MemoryFile({'/x': ('sensor_msgs/msg/Imu', '', [plain()])})
    result = plan_topics(MemoryBag(first, second))
    assert result.action(first.connections[0]) is Action.ANONYMIZE
    assert result.action(second.connections[0]) is Action.COPY


def test_a_bag_without_topics_has_an_empty_plan():
    assert plan({}).actions == {}


def test_a_broken_sample_leaves_a_camera_a_camera():
    topics = {'/c': (IMAGE, '', [b'', b'\0\1\0\0', image()[:40], image('nonsense')])}
    assert plan(topics).topics(Action.ANONYMIZE) == ['/c']


def test_a_definition_that_hides_the_picture_has_to_be_named():
    topics = {'/c': (IMAGE, 'uint8 a', [plain()])}
    assert 'no byte sequence data' in undecided(topics)
