# SPDX-License-Identifier: Apache-2.0
import cv2
import pytest
from rosbags.highlevel import AnyReader

from anon_ros.core.regions import Kind, Regions
from anon_ros.demo.bag import (
    DEPTH_TOPIC,
    FRONT_TOPIC,
    REAR_TOPIC,
    TOPICS,
    count_covered,
    make_demo_bag,
)
from anon_ros.errors import OutputError

SECONDS = 0.6
COUNTS = {
    '/camera/front/image_raw': 6, '/camera/front/camera_info': 6,
    '/camera/rear/image_raw/compressed': 6, '/camera/depth/image_raw': 3, '/imu': 60,
    '/tf': 12, '/wheel_ticks': 12,
}


@pytest.fixture(scope='module', params=['mcap', 'sqlite3'])
def demo(request, tmp_path_factory):
    path = tmp_path_factory.mktemp('demo') / 'bag'
    return path, make_demo_bag(path, seconds=SECONDS, seed=3, storage=request.param)


def read(path):
    """Return topic, stamp and deserialized message of each message."""
    with AnyReader([path]) as reader:
        return [
            (connection.topic, stamp_ns, reader.deserialize(raw, connection.msgtype))
            for connection, stamp_ns, raw in reader.messages()
        ]


def test_counts_are_exact(demo):
    path, truth = demo
    assert truth.messages == COUNTS
    with AnyReader([path]) as reader:
        assert {name: topic.msgcount for name, topic in reader.topics.items()} == COUNTS
        assert {name: topic.msgtype for name, topic in reader.topics.items()} == {
            name: plan.type for name, plan in TOPICS.items()
        }


def test_stamps_rise_and_match_the_headers(demo):
    messages = read(demo[0])
    stamps = [stamp_ns for _, stamp_ns, _ in messages]
    assert stamps == sorted(stamps)
    for topic, stamp_ns, message in messages:
        header = message.transforms[0].header if topic == '/tf' else message.header
        assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp_ns


def test_images_decode_and_each_has_a_truth(demo):
    path, truth = demo
    for topic, stamp_ns, message in read(path):
        if topic == FRONT_TOPIC:
            assert (message.encoding, message.step) == ('bgr8', 640 * 3)
            assert message.data.size == 640 * 480 * 3
            assert stamp_ns in truth.faces[topic]
        elif topic == REAR_TOPIC:
            assert cv2.imdecode(message.data, cv2.IMREAD_COLOR).shape == (720, 1280, 3)
            assert stamp_ns in truth.faces[topic]
        elif topic == DEPTH_TOPIC:
            assert message.data.view('<u2').min() > 500
    assert truth.faces_total > 20


def test_the_custom_type_is_read_by_its_own_definition(demo):
    ticks = [message for topic, _, message in read(demo[0]) if topic == '/wheel_ticks']
    assert ticks[-1].ticks.tolist()[0] > ticks[0].ticks.tolist()[0]
    assert ticks[0].wheel_names[0] == 'front left'


def test_the_same_seed_gives_the_same_messages(tmp_path):
    def raw(name, seed):
        make_demo_bag(tmp_path / name, seconds=0.2, seed=seed)
        with AnyReader([tmp_path / name]) as reader:
            return [(c.topic, stamp_ns, bytes(data)) for c, stamp_ns, data in reader.messages()]

    first = raw('a', 1)
    assert first == raw('b', 1)
    assert first != raw('c', 2)


def test_an_existing_target_is_left_alone(tmp_path):
    (tmp_path / 'bag').mkdir()
    with pytest.raises(OutputError, match=r'bag.*exists already'):
        make_demo_bag(tmp_path / 'bag', seconds=0.1)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match=r'file/bag: cannot write the demo'):
        make_demo_bag(tmp_path / 'file' / 'bag', seconds=0.1)


def test_covered_faces_are_counted(demo):
    truth = demo[1]
    exact = [
        (topic, stamp_ns, Regions.of(faces, Kind.FACE))
        for topic, frames in truth.faces.items() for stamp_ns, faces in frames.items()
    ]
    total = truth.faces_total
    assert count_covered(truth, exact) == (total, total)
    assert count_covered(truth, []) == (0, total)
    assert count_covered(truth, [('/other', exact[0][1], exact[0][2])]) == (0, total)
    topic, stamp_ns, regions = exact[0]
    halves = regions.boxes_xyxy.copy()
    halves[:, 2] = halves[:, [0, 2]].mean(axis=1)
    assert count_covered(truth, [(topic, stamp_ns, regions.with_boxes(halves))]) == (0, total)
