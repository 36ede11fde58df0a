# SPDX-License-Identifier: Apache-2.0
"""mcap: what does not change keeps its bytes."""

import random

import pytest
import zstandard
from mcap.reader import make_reader
from mcap.records import Attachment, Channel, Message, Schema, Statistics
from rosbags.highlevel import AnyReader

from anon_ros.bags.storage import create_bag, mcap_records, open_bag
from anon_ros.bags.storage.source_bag import SourceBag
from anon_ros.errors import BagError, OutputError

OPTIONS = {
    'zstd': {},
    'lz4': {'compression': 'LZ4'},
    'none': {'compression': 'NONE'},
    'unchunked': {'use_chunking': False},
    'without message indexes': {'index_types': 'CHUNK'},
    'without any index': {'index_types': 'NONE'},
    'without statistics': {'use_statistics': False},
    'without repeated records': {'repeat_channels': False, 'repeat_schemas': False},
    'without summary offsets': {'use_summary_offsets': False},
    'without checksums': {'enable_crcs': False},
    'with a data checksum': {'enable_data_crcs': True},
    'without a summary': {
        'index_types': 'NONE', 'use_statistics': False, 'repeat_channels': False,
        'repeat_schemas': False, 'use_summary_offsets': False},
}


@pytest.fixture(params=OPTIONS)
def any_mcap(request, tools, tmp_path):
    options = dict(OPTIONS[request.param])
    if 'compression' in options:
        options['compression'] = tools.CompressionType[options['compression']]
    if 'index_types' in options:
        options['index_types'] = tools.IndexType[options['index_types']]
    return tools.make_mcap(tmp_path / 'in.mcap', **options)


def change_cameras(message):
    if message.connection.topic == '/camera' and message.log_ns % 3 == 0:
        return bytes(reversed(message.data))[:-7]
    return None


def test_unchanged_is_identical_to_the_byte(any_mcap, tools, tmp_path):
    target = tools.rewrite(any_mcap, tmp_path / 'out.mcap')
    assert target.read_bytes() == any_mcap.read_bytes()


@pytest.mark.parametrize('mode', ['none', 'storage', 'message', 'file'])
@pytest.mark.parametrize('count', [0, 1, 150])
def test_rosbags_own_files_stay_identical(tools, tmp_path, mode, count):
    source = tools.make_ros2(tmp_path / 'in', 'mcap', mode, count)
    target = tools.rewrite(source, tmp_path / 'out')
    assert (target / 'metadata.yaml').read_bytes() == (source / 'metadata.yaml').read_bytes()
    name = next(each.name for each in source.iterdir() if each.name != 'metadata.yaml')
    one, two = ((folder / name).read_bytes() for folder in (source, target))
    if mode == 'file':
        one, two = (zstandard.ZstdDecompressor().decompressobj().decompress(each)
                    for each in (one, two))
    # rosbags announces the group of metadata indexes, and of nothing else, in the wrong place.
    assert len(one) == len(two)
    assert sum(a != b for a, b in zip(one, two, strict=True)) <= 8


def test_only_changed_payloads_differ(any_mcap, tools, tmp_path):
    target = tools.rewrite(any_mcap, tmp_path / 'out.mcap', edit=change_cameras)
    before, after = tools.mcap_records(any_mcap), tools.mcap_records(target)
    assert [type(each) for each in before] == [type(each) for each in after]
    changed = 0
    for old, new in zip(before, after, strict=True):
        if not isinstance(old, Message | Attachment | Schema | Channel):
            continue
        if isinstance(old, Message) and old.data != new.data:
            changed += 1
            assert new.data == bytes(reversed(old.data))[:-7]
            old.data = new.data
        assert old == new
    assert changed > 5


def test_reference_reader_finds_everything_by_its_indexes(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', enable_data_crcs=True)
    target = tools.rewrite(source, tmp_path / 'out.mcap', edit=change_cameras)
    with target.open('rb') as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        count = sum(1 for _ in reader.iter_messages(topics=['/camera']))
        names = [each.name for each in reader.iter_attachments()]
        metadata = [each.metadata for each in reader.iter_metadata()]
    assert count == 40
    assert summary.statistics.message_count == 200
    assert names == ['face.jpg', 'log.txt']
    assert metadata == [{'fx': '1.5', 'fy': '2'}]


def test_untouched_chunks_keep_their_compressed_bytes(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap')

    def last_only(message):
        return b'new' if message.sequence == 199 * 3 else None

    target = tools.rewrite(source, tmp_path / 'out.mcap', edit=last_only)
    with open_bag(source) as before, open_bag(target) as after:
        old, new = before.files[0], after.files[0]
        assert len(old.chunk_indexes) == len(new.chunk_indexes) > 3
        for one, two in list(zip(old.chunk_indexes, new.chunk_indexes, strict=True))[:-1]:
            assert old.read(one.offset, one.length) == new.read(two.offset, two.length)


def test_dropped_topic_is_gone_and_the_rest_the_same(any_mcap, tools, tmp_path):
    target = tools.rewrite(any_mcap, tmp_path / 'out.mcap',
                           keep=lambda each: each.topic != '/camera')
    expected = [row for row in tools.read(any_mcap) if row[2] != '/camera']
    assert [row[1:] for row in tools.read(target)] == [row[1:] for row in expected]
    records = tools.mcap_records(target)
    assert {each.topic for each in records if isinstance(each, Channel)} == {'/imu', '/own'}
    assert {each.name for each in records if isinstance(each, Schema)} == {'sensor_msgs/msg/Imu'}
    for statistics in (each for each in records if isinstance(each, Statistics)):
        assert statistics.message_count == len(expected) == 160
        assert (statistics.channel_count, statistics.schema_count) == (2, 1)
        assert sum(statistics.channel_message_counts.values()) == 160
        assert statistics.message_start_time == min(row[6] for row in expected)
    assert b'/camera' not in target.read_bytes()


def test_dropping_everything_leaves_a_readable_file(any_mcap, tools, tmp_path):
    target = tools.rewrite(any_mcap, tmp_path / 'out.mcap', keep=lambda _: False)
    assert tools.read(target) == []
    assert not [each for each in tools.mcap_records(target) if isinstance(each, Channel)]


def test_single_drops_of_a_kept_topic(any_mcap, tools, tmp_path):
    target = tools.rewrite(any_mcap, tmp_path / 'out.mcap', drop=lambda m: m.sequence % 2)
    expected = [row[1:] for row in tools.read(any_mcap) if row[8] % 2 == 0]
    assert [row[1:] for row in tools.read(target)] == expected
    assert len(expected) == 100


def test_attachments_are_listed_and_copied_only_by_permission(any_mcap, tools, tmp_path):
    with open_bag(any_mcap) as bag:
        found = [(each.name, each.media_type, each.size, each.data) for each in bag.attachments]
    assert found == [('face.jpg', 'image/jpeg', 7, b'\xff\xd8 face'),
                     ('log.txt', 'text/plain', 5, b'hello')]
    target = tools.rewrite(any_mcap, tmp_path / 'out.mcap',
                           keep_attachment=lambda each: each.media_type == 'text/plain')
    names = [each.name for each in tools.mcap_records(target) if isinstance(each, Attachment)]
    assert names == ['log.txt']
    assert b'face.jpg' not in target.read_bytes()


def test_private_records_count_as_attachments(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', use_chunking=False, enable_crcs=False,
                             index_types=tools.IndexType.NONE, use_statistics=False,
                             repeat_channels=False, repeat_schemas=False,
                             use_summary_offsets=False)
    data = source.read_bytes()
    tail = mcap_records.TAIL_BYTES + mcap_records.DATA_END_BYTES
    source.write_bytes(data[:-tail] + mcap_records.pack(0x90, b'\xff\xd8 secret') + data[-tail:])
    target = tools.rewrite(source, tmp_path / 'kept.mcap')
    assert target.read_bytes() == source.read_bytes()
    target = tools.rewrite(source, tmp_path / 'out.mcap', keep_attachment=lambda _: False)
    assert b'secret' not in target.read_bytes()
    assert len(tools.read(target)) == 200


def test_compressed_messages_stay_compressed(tools, tmp_path):
    source = tools.make_ros2(tmp_path / 'in', 'mcap', 'message', 40)
    with open_bag(source) as bag:
        plain = [bytes(each.data) for each in bag.files[0].messages()]
    assert plain == [data for _, _, data in tools.payloads(40)]
    target = tools.rewrite(source, tmp_path / 'out', edit=change_cameras)
    with AnyReader([target]) as reader:
        read = [data for _, _, data in reader.messages()]
    old = tools.payloads(40)
    assert [bytes(a) == b for a, (_, _, b) in zip(read, old, strict=True)] == [
        not (topic == '/camera' and stamp_ns % 3 == 0) for topic, stamp_ns, _ in old]


def test_samples_spread_over_the_file(any_mcap, tools):
    with open_bag(any_mcap) as bag:
        file = bag.files[0]
        camera = next(each for each in file.connections if each.topic == '/camera')
        everything = [bytes(m.data) for m in file.messages() if m.connection is camera]
        places = [everything.index(bytes(data)) for data in file.sample(camera, 6)]
    assert 0 < len(places) <= 6
    assert places == sorted(set(places))
    assert places[-1] - places[0] > len(everything) // 2


def test_samples_of_an_index_that_lies(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', 30, compression=tools.CompressionType.NONE)
    data = bytearray(source.read_bytes())
    with open_bag(source) as bag:
        chunk = next(each for each in bag.files[0].pieces() if each.indexes)
        _, offset, length = chunk.indexes[0]
    data[offset + length - 8:offset + length] = (77).to_bytes(8, 'little')
    source.write_bytes(data)
    with open_bag(source) as bag:
        file = bag.files[0]
        connection = next(each for each in file.connections if each.id == chunk.indexes[0][0])
        with pytest.raises(BagError, match='message index points to'):
            list(file.sample(connection, 100))


def test_skipping_gives_the_rest(any_mcap):
    with open_bag(any_mcap) as bag:
        rest = [m.sequence for m in bag.files[0].messages(57)]
        assert rest == [index * 3 for index in range(57, 200)]
        assert list(bag.files[0].messages(200)) == []


def test_truncated_anywhere_is_one_clear_line(tools, tmp_path):
    data = tools.make_mcap(tmp_path / 'in.mcap', 20).read_bytes()
    short = tmp_path / 'short.mcap'
    for size in [*range(60), *range(60, len(data), 997), len(data) - 1]:
        short.write_bytes(data[:size])
        with pytest.raises(BagError, match=r'short\.mcap: (truncated|is empty|not a bag)') as info:
            tools.read(short)
        assert '\n' not in str(info.value)


@pytest.mark.parametrize('compression', ['NONE', 'ZSTD', 'LZ4'])
def test_any_flipped_byte_is_a_clear_error_or_harmless(tools, tmp_path, compression):
    source = tools.make_mcap(tmp_path / 'in.mcap', 30, chunk_size=20000,
                             compression=tools.CompressionType[compression])
    data = bytearray(source.read_bytes())
    dice = random.Random(1)
    broken = tmp_path / 'broken.mcap'
    places = [dice.randrange(len(data)) for _ in range(100)]
    told = []
    for place in [*places, *range(len(data) - 400, len(data), 3)]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << dice.randrange(8)
        broken.write_bytes(flipped)
        try:
            tools.read(broken)
            with open_bag(broken) as bag:
                assert all(each.data is not None for each in bag.attachments)
        except BagError as error:
            told.append(str(error))
    assert all('broken.mcap' in each for each in told)
    assert len(told) > 50


def test_damage_inside_a_chunk_is_found_by_its_checksum(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', 10, compression=tools.CompressionType.NONE)
    data = bytearray(source.read_bytes())
    place = data.index(tools.payloads(1)[0][2]) + 100
    data[place] ^= 1
    source.write_bytes(data)
    with pytest.raises(BagError, match='checksum of a chunk is wrong'):
        tools.read(source)


@pytest.mark.parametrize('fault', ['twice', 'left out', 'swapped', 'ends early', 'not kept'])
def test_a_rewriter_that_loses_order_is_stopped(any_mcap, tmp_path, fault):
    def run(bag: SourceBag) -> None:
        keep = (lambda each: each.topic != '/own') if fault == 'not kept' else (lambda _: True)
        with create_bag(tmp_path / 'out.mcap', bag, keep=keep,
                        keep_attachment=lambda _: True) as out:
            messages = list(bag.files[0].messages())
            if fault == 'twice':
                messages.insert(90, messages[3])
            elif fault == 'left out':
                del messages[100:102]
            elif fault == 'swapped':
                messages[50], messages[51] = messages[51], messages[50]
            elif fault == 'ends early':
                del messages[150:]
            for message in messages:
                out.file(bag.files[0]).write(message, message.data)
            out.finish()

    with open_bag(any_mcap) as bag, pytest.raises(OutputError):
        run(bag)
    assert not (tmp_path / 'out.mcap').exists()
