# SPDX-License-Identifier: Apache-2.0
"""A bag is played with its bytes, its QoS and its timing, and can be held."""

import time

import numpy as np
import pytest
import yaml
from bag_builder import BagBuilder, picture

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
from live import DEADLINE_S, LiveNode, original_pixels_left, pixels
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
TEXTS = [f'number {index}' for index in range(12)]


@pytest.fixture
def bag(tmp_path):
    builder = BagBuilder()
    for index, text in enumerate(TEXTS):
        builder.text('/note', START_NS + index * STEP_NS, text)
        builder.raw('/camera/image_raw', START_NS + index * STEP_NS, picture())
    return builder.write(tmp_path / 'bag')


@pytest.fixture
def play(tmp_path, domain):
    running = []

    def run(*arguments):
        node = LiveNode(
            tmp_path, code=['-c', 'from anon_ros.cli.main import run; run()', 'play',
                            *map(str, arguments)],
        )
        running.append(node)
        return node

    yield run
    for node in running:
        node.process.kill()
        node.stop()


def test_all_messages_come_in_order_and_in_time(client, play, bag):
    client.listen('/note', String)
    node = play(bag, '--rate', '4', '--paused', '--topic', '/note')
    client.wait_for(lambda: client.node.count_publishers('/note'), 'the player')
    client.call(SetBool, '/player/pause', SetBool.Request(data=True))
    client.spin()
    start_s = time.monotonic()
    client.call(SetBool, '/player/pause', SetBool.Request(data=False))
    client.wait_for(lambda: len(client.received['/note']) == len(TEXTS), 'all messages')
    assert time.monotonic() - start_s >= (len(TEXTS) - 1) * STEP_NS / 1e9 / 4
    assert [message.data for message in client.received['/note']] == TEXTS
    assert node.process.wait(20) == 0
    assert f'{len(TEXTS)} messages played' in node.log


def test_it_waits_while_paused_and_begins_again_at_the_end(client, play, bag):
    client.listen('/note', String)
    node = play(bag, '--paused', '--loop', '--rate', '8', '--delay-s', '0.5')
    assert client.call(SetBool, '/player/pause', SetBool.Request(data=True)).success
    client.spin(1.0)
    assert not client.received['/note']
    client.call(SetBool, '/player/pause', SetBool.Request(data=False))
    client.wait_for(lambda: len(client.received['/note']) > len(TEXTS) + 2, 'a second round')
    assert client.received['/note'][len(TEXTS)].data == TEXTS[0]
    assert node.stop() == 0


def test_the_recorded_qos_is_offered(client, play, bag):
    path = bag / 'metadata.yaml'
    metadata = yaml.safe_load(path.read_text())
    for entry in metadata['rosbag2_bagfile_information']['topics_with_message_count']:
        topic = entry['topic_metadata']
        is_note = topic['name'] == '/note'
        topic['offered_qos_profiles'] = [{
            'history': 'keep_last', 'depth': 3,
            'reliability': 'reliable' if is_note else 'best_effort',
            'durability': 'transient_local' if is_note else 'volatile',
        }]
    path.write_text(yaml.safe_dump(metadata))
    play(bag, '--paused', '--delay-s', '0')

    def profile(topic):
        found = client.node.get_publishers_info_by_topic(topic)
        return found[0].qos_profile if found else None

    client.wait_for(lambda: profile('/note') and profile('/camera/image_raw'), 'publishers')
    assert profile('/note').durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert profile('/note').reliability == ReliabilityPolicy.RELIABLE
    assert profile('/camera/image_raw').reliability == ReliabilityPolicy.BEST_EFFORT


def test_a_played_bag_is_anonymized_live(start, client, play, bag):
    start('target:=[face]', 'max_latency_ms:=2000.0')
    out = '/anonymized/camera/image'
    client.listen(out, Image)
    play(bag, '--loop', '--delay-s', '0')
    client.wait_for(lambda: len(client.received[out]) > 3, 'anonymized images')
    for got in client.received[out]:
        assert not original_pixels_left(pixels(got))
        np.testing.assert_array_equal(pixels(got)[:10], picture()[:10])


@pytest.mark.parametrize(('arguments', 'reason'), [
    (('--topic', '/nothing'), 'no topic can be played: none is wanted'),
    (('--rate', '0'), 'rate'),
])
def test_what_cannot_be_played_is_said(play, bag, arguments, reason):
    node = play(bag, *arguments)
    assert node.process.wait(DEADLINE_S) == 2
    assert reason in node.log


def test_a_bag_that_is_not_there_is_named(play, tmp_path):
    node = play(tmp_path / 'gone')
    assert node.process.wait(DEADLINE_S) == 2
    assert 'gone: there is no such file' in node.log
