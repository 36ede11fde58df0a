# SPDX-License-Identifier: Apache-2.0
"""A chain says of each message what became of it, survives a kill, and tells damage."""

import hashlib
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.audit.chain import (
    NOTHING,
    RECORD_BYTES,
    ChainReader,
    ChainWriter,
    Fate,
    Link,
    message_hash,
)
from anon_ros.errors import InputError, OutputError

A, B = ('/a', 'std_msgs/msg/String'), ('/b', 'sensor_msgs/msg/Image')
ONE, TWO = bytes([1]) * 32, bytes([2]) * 32


def fill(writer, count, first=0):
    for i in range(first, first + count):
        if i % 3:
            writer.copied(writer.number(A), i, i, 0, b'x' * i)
        else:
            writer.write(B, i, Link(Fate.ANONYMIZED, ONE, TWO))


def whole(path, count):
    with ChainWriter(path, [B, A, A]) as writer:
        fill(writer, count)
    return path


def test_it_comes_back_as_it_was_written(tmp_path):
    reader = ChainReader(whole(tmp_path / 'chain.bin', 7))
    assert reader.header.topics == (A, B)
    records = list(reader)
    assert [record.log_ns for record in records] == list(range(7))
    assert [reader.name(record) for record in records[:3]] == [B, A, A]
    assert records[0][1:] == (Fate.ANONYMIZED, 0, ONE, TWO)
    assert records[1].before == records[1].after == message_hash(1, 1, 0, b'x')
    assert reader.record(6) == records[6]
    assert reader.count == len(records)


def test_a_messages_hash_is_the_documented_one():
    for size in (0, 5, 10_000):
        data = bytes(size)
        expected = hashlib.sha256(struct.pack('<qqq', 1, -2, 3) + data).digest()
        assert message_hash(1, -2, 3, data) == message_hash(1, -2, 3, memoryview(data)) == expected


def test_a_topics_digest_is_the_documented_one(tmp_path):
    path = whole(tmp_path / 'chain.bin', 7)
    body = path.read_bytes().partition(b'\n')[2]
    records = [body[at:at + RECORD_BYTES] for at in range(0, len(body), RECORD_BYTES)]
    for number, (name, kind) in enumerate([A, B]):
        own = b''.join(each[4:] for each in records if each[0] == number)
        expected = hashlib.sha256(json.dumps([name, kind]).encode() + own).hexdigest()
        assert ChainReader(path).digests()[name] == expected


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_a_run_that_goes_on_writes_the_same_file(tmp_path_factory, done, lost):
    folder = tmp_path_factory.mktemp('chain')
    expected = whole(folder / 'whole.bin', 60).read_bytes()
    path = folder / 'chain.bin'
    # Killed: what is in memory only is lost. No frame is among that.
    killed = ChainWriter(path, [A, B])
    fill(killed, max(done, lost))
    killed.__exit__(KeyboardInterrupt, None, None)
    with ChainWriter(path, [A, B], done) as writer:
        assert writer.count <= done
        assert all(i % 3 for i in range(writer.count, done)), 'copied ones are found anew'
        fill(writer, 60 - writer.count, writer.count)
    assert path.read_bytes() == expected


def test_another_recordings_chain_is_not_gone_on_with(tmp_path):
    path = whole(tmp_path / 'chain.bin', 5)
    with pytest.raises(OutputError, match='another recording'):
        ChainWriter(path, [A], 3)


def test_a_chain_of_nothing_is_one(tmp_path):
    reader = ChainReader(whole(tmp_path / 'chain.bin', 0))
    assert (reader.count, list(reader)) == (0, [])
    assert set(reader.digests()) == {'/a', '/b'}


@pytest.mark.parametrize('change', [
    lambda _: b'', lambda data: b'\xff' + data, lambda data: data[:-1], lambda data: data[:20],
    lambda data: data.replace(b'anon_ros/chain', b'anon_ros/other'),
    lambda data: data.replace(b'["/a", ', b'['), lambda data: b'{}\n' + data,
])
def test_damage_is_named(tmp_path, change):
    path = whole(tmp_path / 'chain.bin', 5)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=r'chain\.bin'):
        list(ChainReader(path))


def test_numbers_that_lead_nowhere_are_named(tmp_path):
    path = whole(tmp_path / 'chain.bin', 5)
    reader = ChainReader(path)
    for index in (5, -1, 10**18):
        with pytest.raises(InputError, match='no record'):
            reader.record(index)
    data = bytearray(path.read_bytes())
    data[-RECORD_BYTES] = 7
    path.write_bytes(data)
    with pytest.raises(InputError, match='no topic of number 7'):
        ChainReader(path).digests()
    with pytest.raises(InputError, match='no topic of number 7'):
        reader.name(reader.record(4))
    with pytest.raises(InputError, match='cannot be read'):
        ChainReader(tmp_path / 'nothing')
    with pytest.raises(OutputError):
        ChainWriter(tmp_path / 'missing' / 'chain.bin', [A])


def test_what_was_left_out_has_no_hash_after():
    assert [fate.is_kept for fate in Fate] == [True, True, True, True, False, False]
    assert not any(NOTHING)
