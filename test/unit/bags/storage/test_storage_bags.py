# SPDX-License-Identifier: Apache-2.0
"""Whole bags: folders, splits, file compression, metadata.yaml, and what is never overwritten."""

import resource
import tempfile
from pathlib import Path

import pytest
import yaml
import zstandard
from rosbags.highlevel import AnyReader

from anon_ros.bags.storage import compression, create_bag, open_bag
from anon_ros.errors import BagError, InputError, OutputError

ROOT = 'rosbag2_bagfile_information'


def make_split(tools, path, plugin):
    """Make one bag of three files out of three."""
    suffix = {'mcap': '.mcap', 'sqlite3': '.db3'}[plugin]
    path.mkdir()
    files = []
    for index in range(3):
        part = tools.make_ros2(path.parent / f'part{index}', plugin, 'none', 20 + index)
        information = yaml.safe_load((part / 'metadata.yaml').read_text())[ROOT]
        (part / f'part{index}{suffix}').rename(path / f'bag_{10 - index}{suffix}')
        files.append({**information['files'][0], 'path': f'bag_{10 - index}{suffix}'})
    information['relative_file_paths'] = [each['path'] for each in files]
    information['files'] = files
    information['message_count'] = 63
    (path / 'metadata.yaml').write_text(yaml.safe_dump({ROOT: information}, sort_keys=False))
    return path


def names(folder):
    return sorted(each.name for each in Path(folder).iterdir())


def information_of(path):
    return yaml.safe_load((path / 'metadata.yaml').read_text())[ROOT]


@pytest.mark.parametrize('plugin', ['mcap', 'sqlite3'])
def test_splits_stay_in_the_order_of_the_metadata(tools, tmp_path, plugin):
    source = make_split(tools, tmp_path / 'in', plugin)
    target = tools.rewrite(source, tmp_path / 'out')
    assert names(target) == names(source)
    assert (target / 'metadata.yaml').read_bytes() == (source / 'metadata.yaml').read_bytes()
    rows = tools.read(target)
    assert rows == tools.read(source)
    assert [len([row for row in rows if row[0].startswith(f'bag_{n}.')]) for n in (10, 9, 8)] == [
        20, 21, 22]


@pytest.mark.parametrize('plugin', ['mcap', 'sqlite3'])
def test_metadata_follows_what_was_dropped(tools, tmp_path, plugin):
    source = make_split(tools, tmp_path / 'in', plugin)
    target = tools.rewrite(source, tmp_path / 'out', keep=lambda each: each.topic != '/camera')
    before, after = information_of(source), information_of(target)
    counts = {each['topic_metadata']['name']: each['message_count']
              for each in after['topics_with_message_count']}
    rows = tools.read(target)
    assert counts == {name: sum(row[2] == name for row in rows) for name in ('/imu', '/own')}
    assert after['message_count'] == len(rows) == sum(e['message_count'] for e in after['files'])
    assert after['starting_time']['nanoseconds_since_epoch'] == min(row[6] for row in rows)
    assert after['duration']['nanoseconds'] == max(row[6] for row in rows) - min(
        row[6] for row in rows)
    for name in ('version', 'storage_identifier', 'custom_data', 'ros_distro',
                 'relative_file_paths'):
        assert after[name] == before[name]
    kept = [each for each in before['topics_with_message_count']
            if each['topic_metadata']['name'] != '/camera']
    assert [each['topic_metadata'] for each in after['topics_with_message_count']] == [
        each['topic_metadata'] for each in kept]
    with AnyReader([target]) as reader:
        assert reader.message_count == len(rows)


@pytest.mark.parametrize('plugin', ['mcap', 'sqlite3'])
def test_metadata_inside_the_file_follows_too(tools, tmp_path, plugin):
    source = tools.make_ros2(tmp_path / 'in', plugin, 'none', 50)
    target = tools.rewrite(source, tmp_path / 'out', keep=lambda each: each.topic != '/camera')
    file = next(each for each in target.iterdir() if each.name != 'metadata.yaml')
    assert b'/camera' not in file.read_bytes()


@pytest.mark.parametrize('plugin', ['mcap', 'sqlite3'])
def test_files_compressed_as_a_whole(tools, tmp_path, plugin):
    source = tools.make_ros2(tmp_path / 'in', plugin, 'file', 60)
    before = set(names(tempfile.gettempdir()))
    target = tools.rewrite(source, tmp_path / 'out')
    left = set(names(tempfile.gettempdir())) - before
    assert not [each for each in left if each.startswith('anon_ros_')]
    assert names(target) == names(source)
    packed = next(each for each in target.iterdir() if each.suffix == '.zstd')
    assert packed.read_bytes()[:4] == compression.ZSTD_MAGIC
    assert tools.read(target) == tools.read(source)
    with AnyReader([target]) as reader:
        assert [bytes(data) for _, _, data in reader.messages()] == [
            data for _, _, data in tools.payloads(60)]


def test_file_systems_that_cannot_link_get_a_copy(tools, tmp_path, monkeypatch):
    source = tools.make_ros2(tmp_path / 'in', 'sqlite3', 'file', 20)

    def refuse(*_args, **_options):
        raise OSError(1, 'no links here')

    before = names(tempfile.gettempdir())
    monkeypatch.setattr(compression.os, 'link', refuse)
    rows = tools.read(source)
    assert [row[-1] for row in rows] == [data for _, _, data in tools.payloads(20)]
    assert not [each for each in set(names(tempfile.gettempdir())) - set(before)
                if each.startswith('anon_ros_')]


def test_folder_of_several_kinds(tools, tmp_path):
    source = tools.make_ros2(tmp_path / 'in', 'mcap', 'none', 5)
    (source / 'metadata.yaml').unlink()
    tools.make_ros1(source / 'other.bag', count=5)
    with pytest.raises(BagError, match='several kinds'):
        open_bag(source)


def test_lone_compressed_file(tools, tmp_path):
    raw = tools.make_mcap(tmp_path / 'raw.mcap', 30)
    source = tmp_path / 'in.mcap.zstd'
    source.write_bytes(zstandard.compress(raw.read_bytes()))
    target = tools.rewrite(source, tmp_path / 'out.mcap.zstd')
    stream = zstandard.ZstdDecompressor().decompressobj()
    assert stream.decompress(target.read_bytes()) == raw.read_bytes()
    source.write_bytes(source.read_bytes()[:-50])
    with pytest.raises(BagError, match=r'in\.mcap\.zstd: truncated'):
        open_bag(source)
    source.write_bytes(b'\x28\xb5\x2f\xfd' + bytes(range(200)))
    with pytest.raises(BagError, match=r'in\.mcap\.zstd: damaged zstd'):
        open_bag(source)


def test_folder_without_metadata_is_read_in_natural_order(tools, tmp_path):
    source = make_split(tools, tmp_path / 'in', 'mcap')
    (source / 'metadata.yaml').unlink()
    target = tools.rewrite(source, tmp_path / 'out')
    assert names(target) == ['bag_10.mcap', 'bag_8.mcap', 'bag_9.mcap']
    with open_bag(target) as bag:
        assert [each.name for each in bag.files] == ['bag_8.mcap', 'bag_9.mcap', 'bag_10.mcap']


def test_missing_files_are_noted_and_leave_the_metadata(tools, tmp_path):
    source = make_split(tools, tmp_path / 'in', 'mcap')
    (source / 'bag_9.mcap').unlink()
    with open_bag(source) as bag:
        assert len(bag.notes) == 1
        assert '1 of 3 files' in bag.notes[0]
    target = tools.rewrite(source, tmp_path / 'out')
    information = information_of(target)
    assert information['relative_file_paths'] == ['bag_10.mcap', 'bag_8.mcap']
    assert information['message_count'] == 42
    with AnyReader([target]) as reader:
        assert sum(1 for _ in reader.messages()) == 42


@pytest.mark.parametrize('text', ['', '[1, 2', 'a: b', f'{ROOT}: 3', '\x00',
                                  f'{ROOT}: {{topics_with_message_count: [3]}}'])
def test_unreadable_metadata(tools, tmp_path, text):
    source = tools.make_ros2(tmp_path / 'in', 'mcap', 'none', 5)
    (source / 'metadata.yaml').write_text(text)
    with pytest.raises(BagError, match=r'metadata\.yaml: ') as info:
        open_bag(source)
    assert '\n' not in str(info.value)


def test_things_that_are_no_bags(tmp_path):
    with pytest.raises(InputError, match='there is no such file'):
        open_bag(tmp_path / 'nothing')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BagError, match='not a bag: it holds no'):
        open_bag(tmp_path / 'empty')
    for data, cause in ((b'', 'is empty'), (b'some text', 'not a bag'),
                        (b'#ROSBAG V1.2\n', 'another version')):
        (tmp_path / 'x.bag').write_bytes(data)
        with pytest.raises(BagError, match=cause):
            open_bag(tmp_path / 'x.bag')


@pytest.mark.parametrize('what', ['file', 'folder', 'link'])
def test_an_existing_target_is_never_overwritten(tools, tmp_path, what):
    source = tools.make_mcap(tmp_path / 'in.mcap', 5)
    target = tmp_path / 'out.mcap'
    if what == 'file':
        target.write_bytes(b'mine')
    elif what == 'folder':
        target.mkdir()
    else:
        target.symlink_to(tmp_path / 'nowhere')
    with pytest.raises(OutputError, match=r'out\.mcap: exists already'):
        tools.rewrite(source, target)
    assert not (tmp_path / 'out.mcap.partial').exists()


def test_a_target_that_appears_meanwhile_is_kept(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', 5)
    target = tmp_path / 'out.mcap'

    def appear(message):
        target.write_bytes(b'mine')

    with pytest.raises(OutputError, match='exists already'):
        tools.rewrite(source, target, edit=appear)
    assert target.read_bytes() == b'mine'


@pytest.mark.parametrize('kind', ['folder', 'file'])
def test_sidecar_is_published_with_the_bag(tools, tmp_path, kind):
    source = tools.make_ros2(tmp_path / 'in', 'mcap', 'none', 5)
    if kind == 'file':
        source /= 'in.mcap'
    target = tmp_path / 'out'
    with open_bag(source) as bag, create_bag(
            target, bag, keep=lambda _: True, keep_attachment=lambda _: True) as out:
        out.sidecar_path.mkdir()
        (out.sidecar_path / 'manifest.json').write_text('{}')
        for message in bag.files[0].messages():
            out.file(bag.files[0]).write(message, message.data)
        assert not target.exists()
        out.finish()
    sidecar = target / 'anon' if kind == 'folder' else tmp_path / 'out.anon'
    assert (sidecar / 'manifest.json').read_text() == '{}'
    assert len(tools.read(target)) == 5
    assert not (tmp_path / 'out.partial').exists()


def test_what_is_unfinished_does_not_open(tools, tmp_path):
    source = tools.make_ros2(tmp_path / 'in', 'sqlite3', 'none', 50)

    class StopError(Exception):
        pass

    def stop(message):
        if message.log_ns > tools.START_NS + 300_000_000:
            raise StopError

    with pytest.raises(StopError):
        tools.rewrite(source, tmp_path / 'out', edit=stop)
    partial = tmp_path / 'out.partial'
    assert not (tmp_path / 'out').exists()
    for folder in (partial, partial / 'bag'):
        with pytest.raises(BagError):
            open_bag(folder)
        assert not any(each.suffix in {'.db3', '.yaml'} for each in folder.iterdir())
    with pytest.raises(OutputError, match='left by a run that did not end'):
        tools.rewrite(source, tmp_path / 'out')
    with pytest.raises(OutputError, match='begun with another choice of topics'):
        tools.rewrite(source, tmp_path / 'out', resume=True, keep=lambda _: False)
    other = tools.make_ros2(tmp_path / 'other', 'sqlite3', 'none', 51)
    with pytest.raises(OutputError, match='begun with another source'):
        tools.rewrite(other, tmp_path / 'out', resume=True)
    target = tools.rewrite(source, tmp_path / 'out', resume=True)
    assert tools.read(target) == tools.read(source)


def test_only_one_run_writes_at_a_time(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', 5)
    with (
        open_bag(source) as bag,
        create_bag(tmp_path / 'out', bag, keep=lambda _: True, keep_attachment=lambda _: True),
        pytest.raises(OutputError, match='another run is writing there'),
    ):
        tools.rewrite(source, tmp_path / 'out', resume=True)


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1', 'file'])
def test_full_disk_is_one_clear_line_and_can_be_resumed(tools, tmp_path, kind):
    if kind == 'ros1':
        source = tools.make_ros1(tmp_path / 'in.bag')
    else:
        plugin = 'mcap' if kind == 'file' else kind
        source = tools.make_ros2(tmp_path / 'in', plugin, 'file' if kind == 'file' else 'none')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_bag(source) as _:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        try:
            with pytest.raises(OutputError, match='cannot be written') as info:
                tools.rewrite(source, tmp_path / 'out')
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert '\n' not in str(info.value)
    assert not (tmp_path / 'out').exists()
    target = tools.rewrite(source, tmp_path / 'out', resume=True)
    assert [row[1:] for row in tools.read(target)] == [row[1:] for row in tools.read(source)]


def test_folder_that_cannot_be_made(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap', 5)
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='cannot be made'):
        tools.rewrite(source, tmp_path / 'file' / 'out')


@pytest.mark.parametrize('name', [
    'mcap_all_types', 'mcap_message_zstd', 'sqlite3_all_types', 'sqlite3_webcam/sample.db3',
    'ros1/example-bz2.bag', 'ros1/example-lz4.bag', 'ros1/no-messages.bag',
    'damaged/test_sample.bag', 'damaged/test_sample.mcap.zstd'])
def test_bags_of_others(tools, tmp_path, shared_dir, name):
    source = shared_dir / 'data' / 'bags' / name
    target = tools.rewrite(source, tmp_path / source.name)
    assert tools.read(target) == tools.read(source)
    changed = tools.rewrite(source, tmp_path / f'changed-{source.name}',
                            edit=lambda message: bytes(message.data) + b'more')
    old, new = tools.read(source), tools.read(changed)
    assert [(*row[1:-1], row[-1] + b'more') for row in old] == [row[1:] for row in new]
    if source.suffix not in {'.db3', '.zstd'}:
        with AnyReader([target]) as reader:
            assert sum(1 for _ in reader.messages()) == len(old)


@pytest.mark.parametrize(('name', 'cause'), [
    ('test_sample_truncated.mcap', 'truncated'),
    ('test_truncated.bag', 'not indexed'),
    ('test_unindexed.bag', 'not indexed'),
])
def test_damaged_bags_of_others(tools, shared_dir, name, cause):
    with pytest.raises(BagError, match=cause) as info:
        tools.read(shared_dir / 'data' / 'bags' / 'damaged' / name)
    assert name in str(info.value)
    assert '\n' not in str(info.value)
