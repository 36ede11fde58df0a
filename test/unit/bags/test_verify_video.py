# SPDX-License-Identifier: Apache-2.0
"""Videos are verified by groups of pictures."""

from __future__ import annotations

import av
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import plan_topics
from anon_ros.bags.verify import Search, verify_bags
from anon_ros.core.regions import Kind, Regions
from anon_ros.media.nal import parameter_sets, split_units
from anon_ros.media.video import decode_gop, encode_gop, masked_gop

VIDEO = 'foxglove_msgs/msg/CompressedVideo'
STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg(
    'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format', VIDEO
))
GROUP = 4
HIDDEN = Regions.of([[10, 10, 30, 30]], Kind.FACE)
CODECS = {'h264': 'libx264', 'hevc': 'libx265'}


def packets(codec, size_wh=(64, 48), seed=0):
    """Return two groups of pictures, one packet a picture."""
    encoder = av.VideoCodecContext.create(CODECS[codec], 'w')
    encoder.width, encoder.height = size_wh
    encoder.pix_fmt, encoder.framerate, encoder.gop_size = 'yuv420p', 10, GROUP
    encoder.options = {
        'tune': 'zerolatency', 'preset': 'ultrafast', 'x265-params': 'log-level=none:bframes=0',
    } if codec == 'hevc' else {'tune': 'zerolatency', 'preset': 'ultrafast'}
    made = []
    random = np.random.default_rng(seed)
    base = random.integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
    for number in range(2 * GROUP):
        pixels = np.roll(base, 3 * number, axis=1)
        frame = av.VideoFrame.from_ndarray(pixels, format='bgr24')
        frame.pts = number
        if number % GROUP == 0:
            frame.pict_type = av.video.frame.PictureType.I
        made += [bytes(packet) for packet in encoder.encode(frame)]
    made += [bytes(packet) for packet in encoder.encode(None)]
    assert len(made) == 2 * GROUP
    return made


def again(group, codec):
    """Return a group that was decoded and encoded anew."""
    return encode_gop(decode_gop(group, codec), codec, crf=30)


def write(path, payloads, codec):
    types = STORE.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/video', VIDEO, typestore=STORE)
        for number, payload in enumerate(payloads):
            stamp = types['builtin_interfaces/msg/Time'](number, 0)
            message = types[VIDEO](stamp, 'c', np.frombuffer(payload, np.uint8), codec)
            writer.write(connection, number, STORE.serialize_cdr(message, VIDEO))
    return path


def verify(folder, before, after, hidden, codec, **options):
    source = write(folder / 'source', before, codec)
    target = write(folder / 'target', after, codec)
    with open_bag(source) as bag:
        plan = plan_topics(bag)
    regions = None if hidden is None else lambda _, number: hidden.get(number, Regions.empty())
    return verify_bags(source, target, plan=plan, regions=regions, **options)


@pytest.fixture(params=CODECS)
def codec(request):
    return request.param


def test_a_group_with_something_to_hide_may_change_as_a_whole(tmp_path, codec):
    before = packets(codec)
    after = again(before[:GROUP], codec) + before[GROUP:]
    report = verify(tmp_path, before, after, {1: HIDDEN}, codec)
    assert report.differences == ()
    verdict = report.topics['/video']
    assert (verdict.changed, verdict.unchanged, verdict.masked) == (GROUP, GROUP, 0)


def test_a_group_with_nothing_to_hide_may_not_change(tmp_path, codec):
    before = packets(codec)
    after = again(before[:GROUP], codec) + again(before[GROUP:], codec)
    report = verify(tmp_path, before, after, {1: HIDDEN}, codec)
    assert report.difference_count == 1
    assert report.differences[0].startswith(f'/video message {GROUP} at {GROUP} ns: nothing')


def test_a_group_that_should_have_changed_is_found(tmp_path, codec):
    before = packets(codec)
    report = verify(tmp_path, before, before, {GROUP + 2: HIDDEN}, codec)
    assert report.difference_count == 1
    assert f'/video message {GROUP} at' in report.differences[0]
    assert 'no byte of the group changed' in report.differences[0]


def test_masked_groups_are_counted(tmp_path, codec):
    before = packets(codec)
    after = masked_gop(before[:GROUP], codec) + [b''] * GROUP
    report = verify(tmp_path, before, after, {}, codec)
    assert report.differences == ()
    assert report.topics['/video'].masked == 2 * GROUP


def test_without_regions_sizes_are_still_compared(tmp_path, codec):
    before, other = packets(codec), packets(codec, (96, 48), 1)
    report = verify(tmp_path, before, other[:GROUP] + before[GROUP:], None, codec)
    assert 'the size was (64, 48) px and is (96, 48) px' in report.differences[0]
    assert report.difference_count == 1


def test_a_changed_group_that_nobody_can_decode_is_found(tmp_path, codec):
    before = packets(codec)
    broken = [b'\0\0\1nothing like a picture', *before[1:]]
    report = verify(tmp_path, before, broken, {0: HIDDEN}, codec)
    assert 'cannot be decoded' in report.differences[0]


def test_a_group_that_nobody_can_look_into_may_not_keep_its_bytes(tmp_path, codec):
    before = packets(codec)[1:]
    report = verify(tmp_path, before, before, None, codec)
    assert report.difference_count == 1
    assert 'nobody can look into it' in report.differences[0]
    assert report.differences[0].startswith('/video message 0')


def test_parameter_sets_that_came_once_serve_later_groups(tmp_path, codec):
    before = packets(codec)
    own = parameter_sets(before[GROUP], codec)
    units = split_units(before[GROUP])
    sets = split_units(own)
    before[GROUP] = b''.join(b'\0\0\0\1' + unit for unit in units if unit not in sets)
    report = verify(tmp_path, before, before, {}, codec)
    assert report.differences == ()
    assert report.topics['/video'].unchanged == 2 * GROUP


class FindsOne:
    def __init__(self):
        self.sizes = []

    def detect(self, image_bgr):
        self.sizes.append(image_bgr.shape)
        return Regions.of([[12, 12, 20, 20]], Kind.FACE)


def test_pictures_of_videos_are_searched(tmp_path, codec):
    before = packets(codec)
    after = again(before[:GROUP], codec) + before[GROUP:]
    detector = FindsOne()
    report = verify(
        tmp_path, before, after, {0: HIDDEN}, codec, search=Search(detector, every=3)
    )
    assert detector.sizes == [(48, 64, 3)] * 3
    assert [(each.index, each.is_hidden) for each in report.residuals] == [
        (0, True), (3, False), (6, False),
    ]
    assert report.searched == 3
