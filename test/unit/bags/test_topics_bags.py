# SPDX-License-Identifier: Apache-2.0
"""Recordings of others: their topics are planned, their cameras located, nothing is suspected."""

from __future__ import annotations

import pytest

from anon_ros.bags.camera_types import PayloadKind, camera_type
from anon_ros.bags.messages import locate, mask
from anon_ros.bags.sniff import looks_like_image
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action, plan_topics
from anon_ros.errors import TopicError

ALL_TYPES = ['mcap_all_types', 'sqlite3_all_types']
DISPARITY = '/test/stereo_msgs/disparity_image'


@pytest.fixture
def bags(shared_dir):
    return shared_dir / 'data' / 'bags'


@pytest.mark.parametrize('name', ALL_TYPES)
def test_of_all_standard_types_only_cameras_are_touched(bags, name):
    with open_bag(bags / name) as bag:
        with pytest.raises(TopicError) as caught:
            plan_topics(bag)
        assert str(caught.value).startswith('1 topic may carry pictures')
        assert DISPARITY in str(caught.value)
        result = plan_topics(bag, dropped=[DISPARITY])
    assert result.topics(Action.ANONYMIZE) == [
        '/test/sensor_msgs/compressed_image', '/test/sensor_msgs/image',
    ]
    assert len(result.topics(Action.COPY)) == 91


@pytest.mark.parametrize(('name', 'cameras'), [
    ('sqlite3_webcam', ['/image', '/image/compressed']),
    ('sqlite3_webcam/sample.db3', ['/image', '/image/compressed']),
    ('mcap_message_zstd', ['/camera/image_raw']),
    ('ros1/example-lz4.bag', []), ('ros1/example-bz2.bag', []), ('ros1/no-messages.bag', []),
])
def test_cameras_are_found_with_and_without_definitions(bags, name, cameras):
    with open_bag(bags / name) as bag:
        result = plan_topics(bag)
    assert result.topics(Action.ANONYMIZE) == cameras


@pytest.mark.parametrize('name', [
    *ALL_TYPES, 'sqlite3_webcam', 'mcap_message_zstd', 'ros1/example-lz4.bag',
])
def test_messages_are_located_and_no_other_is_suspected(bags, name):
    with open_bag(bags / name) as bag:
        for file in bag.files:
            for message in file.messages():
                if camera_type(message.connection.msgtype) is None:
                    assert looks_like_image(message.data) is None
                else:
                    _check_camera(message)


def _check_camera(message):
    located = locate(message.connection, message.data)
    assert located.replace(bytes(located.data)) == message.data
    masked = locate(message.connection, mask(message.connection, message.data, (64, 48)))
    assert (masked.stamp_ns, masked.fields) == (located.stamp_ns, located.fields)
    if located.kind is PayloadKind.RAW:
        assert len(masked.data) == len(located.data)
