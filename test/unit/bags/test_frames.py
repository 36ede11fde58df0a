# SPDX-License-Identifier: Apache-2.0
"""A few frames of a result are found by their hash, wherever they lie, and no others."""

import numpy as np
import pytest
from bag_builder import BagBuilder, picture
from hypothesis import given
from hypothesis import strategies as st
from video_packets import SIZE_WH, packets, write
from video_packets import TOPIC as VIDEO

from anon_ros.bags.frames import WantedFrame, frames_of
from anon_ros.bags.links import hash_of
from anon_ros.bags.storage import open_bag
from anon_ros.bags.storage.by_time import Spans, messages_in
from anon_ros.core.settings import Settings
from anon_ros.runs.result_frames import opening_tools

RAW, JPEG = '/camera', '/camera/compressed'


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    folder = tmp_path_factory.mktemp('frames')
    found = {}
    for storage in ('mcap', 'sqlite3', 'ros1'):
        builder = BagBuilder()
        for i in range(30):
            builder.raw(RAW, (i + 1) * 10**9, picture(seed=i))
            # At the same time and with the same bytes on another topic.
            builder.raw('/copy', (i + 1) * 10**9, picture(seed=i))
            builder.jpeg(JPEG, (i + 1) * 10**9, picture(seed=i))
            builder.text('/chatter', (i + 1) * 10**9, f'{i}')
        found[storage] = builder.write(folder / storage, storage)
    return found


def wanted_of(bag, *keys):
    """Return what to look for: (topic, number of its message)."""
    found, counts = [], {}
    for file in bag.files:
        for message in file.messages():
            topic = message.connection.topic
            number = counts[topic] = counts.get(topic, -1) + 1
            if (topic, number) in keys:
                found.append(WantedFrame(topic, message.log_ns, hash_of(message)))
    return found


def tools(*topics):
    return opening_tools(Settings(), topics)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_wanted_frames_are_found_as_they_are(bags, storage):
    with open_bag(bags[storage]) as bag:
        wanted = wanted_of(bag, (RAW, 0), (RAW, 17), (JPEG, 17), (JPEG, 29))
        found = list(frames_of(bag, wanted, tools(RAW, JPEG)))
    assert {frame for frame, _ in found} == set(wanted)
    for frame, image_bgr in found:
        expected = picture(seed=frame.log_ns // 10**9 - 1)
        difference = np.abs(image_bgr.astype(int) - expected).mean()
        assert difference == 0 if frame.topic == RAW else difference < 10


def test_what_has_another_hash_is_not_found(bags):
    with open_bag(bags['mcap']) as bag:
        right = wanted_of(bag, (RAW, 3))[0]
        wrong = [WantedFrame(RAW, right.log_ns, bytes(32)),
                 WantedFrame('/chatter', right.log_ns, right.hash)]
        assert list(frames_of(bag, wrong, tools(RAW))) == []
        assert list(frames_of(bag, [], tools())) == []


def test_what_cannot_be_opened_is_left_out(tmp_path):
    builder = BagBuilder()
    builder.compressed(JPEG, 1, b'\xff\xd8\xff\xe0 broken')
    builder.jpeg(JPEG, 2, picture())
    with open_bag(builder.write(tmp_path / 'bag')) as bag:
        found = list(frames_of(bag, wanted_of(bag, (JPEG, 0), (JPEG, 1)), tools(JPEG)))
    assert [frame.log_ns for frame, _ in found] == [2]


@pytest.mark.parametrize(('encoder', 'form'), [('libx264', 'h264'), ('libx265', 'hevc')])
def test_frames_of_a_video_are_decoded_from_their_key_frame(tmp_path, encoder, form):
    images = [picture(seed=i, size_wh=SIZE_WH) for i in range(40)]
    path = write(tmp_path / 'video', packets(encoder, images, 8), form)
    with open_bag(path) as bag:
        wanted = wanted_of(bag, (VIDEO, 0), (VIDEO, 13), (VIDEO, 39))
        found = list(frames_of(bag, wanted, tools(VIDEO)))
    assert [frame for frame, _ in found] == wanted
    for (_, image_bgr), number in zip(found, (0, 13, 39), strict=True):
        differences = [np.abs(image_bgr.astype(int) - image).mean() for image in images]
        assert int(np.argmin(differences)) == number


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)), max_size=6).map(
    lambda rows: [(start, start + length) for start, length in rows])


@given(spans, st.integers(-2, 60), st.integers(0, 20))
def test_stretches_hold_and_touch_what_any_of_them_does(rows, at, length):
    found = Spans(rows)
    inside = any(first <= at <= last for first, last in rows)
    assert (found.find(at) is not None) == inside
    touches = any(first <= at + length and last >= at for first, last in rows)
    assert found.touch(at, at + length) == touches
    starts = [first for first, _ in found]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_messages_of_stretches_are_all_that_lie_in_them(bags, storage):
    rows = Spans([(3 * 10**9, 5 * 10**9), (20 * 10**9, 20 * 10**9), (99 * 10**9, 10**12)])
    with open_bag(bags[storage]) as bag:
        expected = [
            (rows.find(message.log_ns), hash_of(message)) for file in bag.files
            for message in file.messages() if rows.find(message.log_ns) is not None
        ]
        found = [(number, hash_of(message)) for number, message in messages_in(bag, rows)]
    assert len(expected) == 16
    assert found == expected
