# SPDX-License-Identifier: Apache-2.0
"""ROS 1: chunks, connection headers and indexes survive."""

import random

import lz4.frame
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Reader

from anon_ros.bags.storage import open_bag
from anon_ros.bags.storage.compression import LZ4_HEAD_BYTES, compress
from anon_ros.errors import BagError


@pytest.fixture(params=['none', 'bz2', 'lz4'])
def any_bag(request, tools, tmp_path):
    return tools.make_ros1(tmp_path / 'in.bag', request.param)


def change_cameras(message):
    return bytes(reversed(message.data))[:-3] if message.connection.topic == '/camera' else None


def test_unchanged_is_identical_to_the_byte(any_bag, tools, tmp_path):
    target = tools.rewrite(any_bag, tmp_path / 'out.bag')
    assert target.read_bytes() == any_bag.read_bytes()


def test_no_messages(tools, tmp_path):
    source = tools.make_ros1(tmp_path / 'in.bag', count=0)
    target = tools.rewrite(source, tmp_path / 'out.bag')
    assert target.read_bytes() == source.read_bytes()


def test_only_changed_payloads_differ(any_bag, tools, tmp_path):
    target = tools.rewrite(any_bag, tmp_path / 'out.bag', edit=change_cameras)
    old, new = tools.read(any_bag), tools.read(target)
    assert [row[1:-1] for row in old] == [row[1:-1] for row in new]
    for before, after in zip(old, new, strict=True):
        expected = bytes(reversed(before[-1]))[:-3] if before[2] == '/camera' else before[-1]
        assert after[-1] == expected
    with Reader(any_bag) as before, Reader(target) as after:
        assert [(each.ext, each.digest) for each in before.connections] == [
            (each.ext, each.digest) for each in after.connections]
        assert len(before.chunk_infos) == len(after.chunk_infos) > 3
        assert [len(data) for _, _, data in after.messages()] == [len(row[-1]) for row in new]


def test_dropped_topic_is_gone(any_bag, tools, tmp_path):
    target = tools.rewrite(any_bag, tmp_path / 'out.bag',
                           keep=lambda each: each.topic != '/camera')
    expected = [row[2:] for row in tools.read(any_bag) if row[2] != '/camera']
    assert [row[2:] for row in tools.read(target)] == expected
    with AnyReader([target]) as reader:
        assert list(reader.topics) == ['/imu']
        assert reader.message_count == len(expected)
        assert sum(1 for _ in reader.messages()) == len(expected)


def test_single_drops(any_bag, tools, tmp_path):
    target = tools.rewrite(any_bag, tmp_path / 'out.bag', drop=lambda m: m.ordinal % 2 == 1)
    with open_bag(any_bag) as bag:
        expected = [bytes(m.data) for m in bag.files[0].messages() if m.ordinal % 2 == 0]
    assert [row[-1] for row in tools.read(target)] == expected


def test_samples(any_bag, tools):
    everything = [row[-1] for row in tools.read(any_bag) if row[2] == '/camera']
    with open_bag(any_bag) as bag:
        file = bag.files[0]
        camera = next(each for each in file.connections if each.topic == '/camera')
        places = [everything.index(bytes(data)) for data in file.sample(camera, 5)]
    assert len(places) == 5
    assert places == sorted(set(places))
    assert places[-1] - places[0] > len(everything) // 2


def test_not_indexed(any_bag, tools):
    data = bytearray(any_bag.read_bytes())
    place = data.index(b'index_pos=') + len(b'index_pos=')
    data[place:place + 8] = bytes(8)
    any_bag.write_bytes(data)
    with pytest.raises(BagError, match=r'not indexed.*rosbag reindex'):
        open_bag(any_bag)


def test_encrypted(any_bag):
    data = any_bag.read_bytes()
    start = data.index(b'\x0a\x00\x00\x00chunk_count') if b'\x0a\x00\x00\x00chunk_count' in data \
        else data.index(b'chunk_count=') - 4
    field = b'encryptor=rosbag/AesCbcEncryptor'
    size = int.from_bytes(data[13:17], 'little') + 4 + len(field)
    padding = len(field) + 4
    head = data[13:start]
    pad_at = 17 + int.from_bytes(data[13:17], 'little')
    pad = int.from_bytes(data[pad_at:pad_at + 4], 'little') - padding
    any_bag.write_bytes(
        data[:13] + size.to_bytes(4, 'little') + head[4:] + len(field).to_bytes(4, 'little')
        + field + data[start:pad_at] + pad.to_bytes(4, 'little')
        + data[pad_at + 4 + padding:])
    with pytest.raises(BagError, match='encrypted'):
        open_bag(any_bag)


def test_truncated_anywhere_is_one_clear_line(any_bag, tools, tmp_path):
    data = any_bag.read_bytes()
    short = tmp_path / 'short.bag'
    for size in [*range(1, 30), *range(30, len(data), len(data) // 40), len(data) - 1]:
        short.write_bytes(data[:size])
        with pytest.raises(BagError, match=r'short\.bag: ') as info:
            tools.read(short)
        assert '\n' not in str(info.value)


@pytest.mark.parametrize('compression', ['none', 'bz2', 'lz4'])
def test_any_flipped_byte_is_a_clear_error_or_harmless(tools, tmp_path, compression):
    data = tools.make_ros1(tmp_path / 'in.bag', compression, 30).read_bytes()
    dice = random.Random(3)
    broken = tmp_path / 'broken.bag'
    told = []
    for place in [*range(0, 110, 3), *(dice.randrange(len(data)) for _ in range(40)),
                  *range(len(data) - 300, len(data), 7)]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << dice.randrange(8)
        broken.write_bytes(flipped)
        try:
            tools.read(broken)
        except BagError as error:
            told.append(str(error))
    assert all('broken.bag' in each for each in told)
    assert len(told) > 30


@pytest.mark.parametrize('linked', [True, False])
@pytest.mark.parametrize('checksum', [True, False])
@pytest.mark.parametrize('block_size', [lz4.frame.BLOCKSIZE_MAX64KB, lz4.frame.BLOCKSIZE_MAX4MB])
def test_lz4_frames_keep_their_flags(linked, checksum, block_size):
    """The reader of ROS 1 itself takes independent blocks only."""
    frame = lz4.frame.compress(b'data' * 99999, block_linked=linked, content_checksum=checksum,
                               store_size=not checksum, block_checksum=linked,
                               block_size=block_size)
    again = compress(b'other' * 99999, 'lz4', frame[:LZ4_HEAD_BYTES])
    assert again[:LZ4_HEAD_BYTES] == frame[:LZ4_HEAD_BYTES]
    assert lz4.frame.decompress(again) == b'other' * 99999


def test_lz4_flags_of_others(tools, tmp_path, shared_dir):
    source = shared_dir / 'data' / 'bags' / 'ros1' / 'example-lz4.bag'
    target = tools.rewrite(source, tmp_path / 'out.bag', edit=lambda m: bytes(m.data))
    heads = []
    for path in (source, target):
        with open_bag(path) as bag:
            file = bag.files[0]
            heads.append({file.read(each.data_offset, 6) for each in file.pieces()})
    assert heads[0] == heads[1]
