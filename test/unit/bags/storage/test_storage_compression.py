# SPDX-License-Identifier: Apache-2.0
"""Compressed data: every form round, every damage a ValueError, no bombs."""

import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.bags.storage.compression import (
    compress,
    decompress,
    open_decompressed,
    read_exact,
    write_all,
)
from anon_ros.bags.storage.piece import spread
from anon_ros.bags.storage.typenames import normalise
from anon_ros.errors import BagError, OutputError

KINDS = ['', 'none', 'zstd', 'lz4', 'bz2']


@pytest.mark.parametrize('kind', KINDS)
@given(data=st.binary(max_size=3000))
def test_round_trip(kind, data):
    packed = compress(data, kind)
    assert decompress(packed, kind) == data
    assert decompress(memoryview(packed), kind, len(data)) == data


@pytest.mark.parametrize('kind', KINDS)
def test_another_size_than_announced(kind):
    with pytest.raises(ValueError, match='announced'):
        decompress(compress(b'x' * 100, kind), kind, 99)


@pytest.mark.parametrize('kind', ['zstd', 'lz4', 'bz2'])
@pytest.mark.parametrize('cut', [1, 5, 20])
def test_damage(kind, cut):
    packed = compress(os.urandom(5000), kind)
    for data in (packed[:-cut], b'', packed[:3], bytes(reversed(packed))):
        with pytest.raises(ValueError, match=kind):
            decompress(data, kind)


def test_unknown_compression():
    with pytest.raises(ValueError, match="unknown compression 'xz'"):
        decompress(b'', 'xz')


def test_zstd_that_does_not_tell_its_size():
    packer = zstandard.ZstdCompressor(write_content_size=False)
    stream = packer.compressobj()
    packed = stream.compress(b'y' * 5000) + stream.flush()
    assert decompress(packed, 'zstd') == b'y' * 5000
    with pytest.raises(ValueError, match='zstd'):
        decompress(packed[:-2], 'zstd')


def test_zstd_that_announces_too_much_is_not_even_tried():
    stream = zstandard.ZstdCompressor().compressobj(size=1 << 40)
    head = stream.compress(b'z' * 300_000) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    with pytest.raises(ValueError, match='announced in one piece'):
        decompress(head, 'zstd')
    with pytest.raises(ValueError, match='announced in one piece'):
        decompress(compress(b'z' * 1000, 'zstd'), 'zstd', 10)


def test_a_file_of_several_frames(tmp_path):
    path = tmp_path / 'x.zstd'
    path.write_bytes(zstandard.compress(b'one') + zstandard.compress(b'two' * 99999))
    descriptor = open_decompressed(path)
    assert os.fstat(descriptor).st_nlink == 0
    assert read_exact(descriptor, 0, 300000, path) == b'one' + b'two' * 99999
    os.close(descriptor)


def test_reading_beyond_the_end_and_writing_to_what_cannot_be_written(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(b'12345')
    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(BagError, match='truncated'):
        read_exact(descriptor, 3, 5, path)
    with pytest.raises(OutputError, match='cannot be written'):
        write_all(descriptor, b'1', path)
    os.close(descriptor)
    with pytest.raises(BagError, match='cannot be read'):
        read_exact(descriptor, 0, 1, path)


@given(total=st.integers(0, 1000), count=st.integers(1, 50))
def test_spread(total, count):
    places = spread(total, count)
    assert places == sorted(set(places))
    assert len(places) == min(total, count)
    assert all(0 <= each < total for each in places)
    if len(places) > 1:
        assert (places[0], places[-1]) == (0, total - 1)


@pytest.mark.parametrize(('name', 'serialization', 'expected'), [
    ('sensor_msgs/Image', 'cdr', 'sensor_msgs/msg/Image'),
    ('sensor_msgs/Image', 'ros1', 'sensor_msgs/msg/Image'),
    ('sensor_msgs/msg/Image', 'cdr', 'sensor_msgs/msg/Image'),
    ('foxglove.CompressedImage', 'protobuf', 'foxglove.CompressedImage'),
    ('a/B', 'json', 'a/B'), ('', 'cdr', ''), ('Image', 'cdr', 'Image'),
])
def test_type_names(name, serialization, expected):
    assert normalise(name, serialization) == expected
