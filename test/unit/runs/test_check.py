# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed afterwards is noticed, and the first thing is named."""

import json
import shutil
import sqlite3

import pytest
from bag_builder import BagBuilder, MagentaDetector, picture

from anon_ros.audit.chain import RECORD_BYTES, ChainReader, Fate
from anon_ros.audit.manifest import read_manifest
from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.check import check_seal
from anon_ros.runs.images import anonymize_images

RAW, JPEG, TEXT, DEPTH = '/camera', '/camera/compressed', '/chatter', '/depth'
CHANGE = "UPDATE messages SET data = CAST(data || X'00' AS BLOB) WHERE timestamp = 400000002"
SETTINGS = Settings(target=('face',), threads=2, seed=1)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Return source and result of each storage, with a topic that is dropped and a bad frame."""
    folder = tmp_path_factory.mktemp('made')
    bags = {}
    for storage in ('mcap', 'sqlite3', 'ros1'):
        builder = BagBuilder()
        for i in range(10):
            at_ns = (i + 1) * 10**8
            builder.raw(RAW, at_ns, picture(squares=((20 + i, 16),)))
            builder.raw(DEPTH, at_ns + 1, picture()[:, :, 0], encoding='mono8')
            builder.text(TEXT, at_ns + 2, f'message {i}')
            builder.jpeg(JPEG, at_ns + 3, picture(squares=()))
        builder.compressed(JPEG, 2 * 10**9, b'\xff\xd8\xff\xe0 broken')
        suffix = '.bag' if storage == 'ros1' else ''
        source = builder.write(folder / f'source_{storage}', storage)
        target = folder / f'target_{storage}{suffix}'
        job = BagJob(source, target, dropped=(DEPTH,))
        anonymize_bag(job, SETTINGS, detector=MagentaDetector())
        bags[storage] = source, target
    return bags


@pytest.fixture
def copy(made, tmp_path):
    """Return a source and a copy of its result to change; sqlite3 by default."""
    def make(storage='sqlite3'):
        source, target = made[storage]
        if target.is_dir():
            shutil.copytree(target, tmp_path / target.name)
        else:
            shutil.copy(target, tmp_path)
            shutil.copytree(f'{target}.anon', tmp_path / f'{target.name}.anon')
        return source, tmp_path / target.name
    return make


def sidecar(target):
    return target / 'anon' if target.is_dir() else target.with_name(target.name + '.anon')


def flip(path, at=None, needle=None):
    data = bytearray(path.read_bytes())
    place = data.rfind(needle) if needle else at % len(data)
    assert place >= 0
    data[place] ^= 1
    path.write_bytes(data)


def change_rows(target, statement, *values):
    database = sqlite3.connect(next(target.glob('*.db3')))
    with database:
        assert database.execute(statement, values).rowcount >= 1
    database.close()


def first_change(target, source=None, **options):
    found = check_seal(target, source, **options)
    assert not found.ok
    return found.changes[0]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_what_nobody_changed_is_whole(made, storage):
    source, target = made[storage]
    found = check_seal(target, source)
    assert found.ok, found.changes
    assert (found.messages, found.has_source) == (41, True)
    assert check_seal(target).ok
    fates = [record.fate for record in ChainReader(sidecar(target) / 'chain.bin')]
    assert fates == [Fate.ANONYMIZED, Fate.DROPPED, Fate.COPIED, Fate.UNCHANGED] * 10 + [
        Fate.MASKED]


def test_a_root_noted_elsewhere_is_compared(made):
    _, target = made['mcap']
    root = check_seal(target).root
    assert check_seal(target, root=root[:12].upper()).ok
    assert root in first_change(target, root='0' * 64)


def test_two_runs_have_one_root_and_other_settings_another(made, tmp_path):
    source, target = made['mcap']
    again = anonymize_bag(
        BagJob(source, tmp_path / 'again', dropped=(DEPTH,)), SETTINGS,
        detector=MagentaDetector())
    root = read_manifest(sidecar(target) / 'manifest.json').seal.root
    assert again.manifest.seal.root == root
    other = anonymize_bag(
        BagJob(source, tmp_path / 'other', dropped=(DEPTH,)),
        Settings(target=('face',), threads=2, seed=2), detector=MagentaDetector())
    assert other.manifest.seal.root != root


@pytest.mark.parametrize('at', range(0, 10**6, 61_803))
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_no_byte_of_a_result_changes_unseen(copy, storage, at):
    _, target = copy(storage)
    path = target
    if target.is_dir():
        path = next(p for p in target.iterdir() if p.suffix in {'.mcap', '.db3'})
    flip(path, at)
    first_change(target)


def test_a_changed_byte_of_a_message_is_named_with_its_message(copy):
    _, target = copy()
    change_rows(target, CHANGE)
    assert f'{TEXT} message 14 at 400000002 ns: was changed' in first_change(target)


def test_a_payload_that_became_a_text_is_damage(copy):
    _, target = copy()
    change_rows(target, "UPDATE messages SET data = 'text' WHERE timestamp = 400000002")
    assert 'is no blob' in first_change(target)


def test_a_missing_message_is_named(copy):
    _, target = copy()
    change_rows(target, 'DELETE FROM messages WHERE timestamp = 400000002')
    assert first_change(target).startswith(f'{TEXT} message 14 at 400000002 ns: is missing')


def test_the_last_message_missing_is_named(copy):
    _, target = copy()
    change_rows(target, 'DELETE FROM messages WHERE timestamp = 2000000000')
    assert 'is missing' in first_change(target)
    assert 'message 40 at 2000000000 ns' in first_change(target)


def test_messages_in_another_order_are_named(copy):
    _, target = copy()
    for a, b in ((7, -1), (8, 7), (-1, 8)):
        change_rows(target, 'UPDATE messages SET id = ? WHERE id = ?', b, a)
    assert 'comes too late' in first_change(target)


def test_a_message_that_was_put_in_is_named(copy):
    _, target = copy()
    change_rows(target, 'INSERT INTO messages (topic_id, timestamp, data) '
                        'SELECT topic_id, 3000000000, data FROM messages LIMIT 1')
    assert 'at 3000000000 ns: was put in' in first_change(target)


def test_another_stamp_is_noticed(copy):
    _, target = copy()
    change_rows(target, 'UPDATE messages SET timestamp = timestamp + 1 WHERE id = 9')
    assert 'message 8' in first_change(target) or 'is missing' in first_change(target)


@pytest.mark.parametrize('name', ['metadata.yaml', 'anon/regions.jsonl', 'anon/chain.bin'])
def test_each_file_is_named(copy, name):
    _, target = copy()
    flip(target / name, 1000)
    assert name.split('/')[-1] in first_change(target)
    (target / name).unlink()
    assert name.split('/')[-1] in first_change(target)


def test_a_cut_chain_is_named(copy):
    _, target = copy()
    path = target / 'anon' / 'chain.bin'
    path.write_bytes(path.read_bytes()[:-RECORD_BYTES])
    assert 'chain.bin: was changed' in first_change(target)


@pytest.mark.parametrize('change', [
    lambda plain: plain['settings'].update(margin=0.5),
    lambda plain: plain['models'].append({'name': 'x', 'sha256': '', 'licence': ''}),
    lambda plain: plain.update(finished='2020-01-01T00:00:00+00:00'),
    lambda plain: plain['topics'][0].update(messages=7),
    lambda plain: plain['timings'].pop(),
    lambda plain: plain.update(unheard_of=1),
    lambda plain: plain['seal'].update(root='0' * 64),
    lambda plain: plain['seal'].update(record='0' * 64),
    lambda plain: plain['seal']['topics'].update({RAW: '0' * 64}),
    lambda plain: plain['seal']['sections'].update(topics='0' * 64),
    lambda plain: plain['seal']['sections'].pop('wall_s'),
    lambda plain: plain['seal']['chain_file'].update(sha256='0' * 64),
    lambda plain: plain['regions_file'].update(sha256='0' * 64),
    lambda plain: plain.pop('flags'),
])
def test_every_field_of_the_manifest_is_sealed(copy, change):
    _, target = copy()
    path = target / 'anon' / 'manifest.json'
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
    assert 'manifest.json' in first_change(target)


def test_a_manifest_without_a_seal_says_so(copy):
    _, target = copy()
    path = target / 'anon' / 'manifest.json'
    plain = json.loads(path.read_text())
    del plain['seal']
    path.write_text(json.dumps(plain))
    assert 'no seal' in first_change(target)


def test_another_source_is_named(copy, tmp_path):
    source, target = copy()
    other = tmp_path / 'other_source'
    shutil.copytree(source, other)
    change_rows(other, CHANGE)
    change = first_change(target, other)
    assert f'{TEXT} message 14 at 400000002 ns: was changed' in change
    assert 'anonymized' in change


def test_images_are_sealed_by_their_hashes(tmp_path, shared_dir):
    face = next((shared_dir / 'data' / 'faces_synthetic').glob('*.jpg'))
    shutil.copytree(face.parent, tmp_path / 'in', ignore=lambda _, names: [
        name for name in names if name != face.name])
    target = tmp_path / 'out'
    anonymize_images(tmp_path / 'in', target, SETTINGS, detector=MagentaDetector())
    assert check_seal(target).ok
    flip(target / face.name, 1000)
    assert face.name in first_change(target)
