# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import os

import pytest

from anon_ros.audit.manifest import (
    SCHEMA_VERSION,
    BagRecord,
    FileRecord,
    Manifest,
    ModelRecord,
    TopicRecord,
    fingerprint,
    is_anonymized,
    manifest_path,
    read_manifest,
    write_manifest,
)
from anon_ros.audit.recorder import RunRecorder
from anon_ros.core import settings
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import InputError, OutputError


@pytest.fixture
def manifest():
    recorder = RunRecorder()
    recorder.frame('/cam', 5, Regions.of([[0, 0, 9, 30]], Kind.FACE), 'anonymized')
    recorder.frame('/cam', 9, Regions.empty(), 'masked', 'no "image"\n\U0001f600 \ud83d')
    recorder.timing('detect', 0.25)
    return Manifest(
        tool_version='1.2.3',
        command=('anon-ros', 'bag', 'a', 'b'),
        started='2026-01-02T03:04:05+00:00',
        finished='2026-01-02T03:05:05+00:00',
        wall_s=60.0,
        settings=settings.to_mapping(settings.Settings()),
        models=(ModelRecord('yunet', 'ab' * 32, 'Apache-2.0'),),
        source=BagRecord('a', 'mcap', fingerprint(1, [2], {'/cam': 2}), 1, 2, 3),
        result=BagRecord('b', 'mcap', files=(FileRecord('b_0.mcap', 4),)),
        topics=(
            TopicRecord('/cam', 'sensor_msgs/msg/Image', 'anonymized', 2,
                        camera=recorder.counts()['/cam']),
            TopicRecord('/imu', 'sensor_msgs/msg/Imu', 'copied', 200),
            TopicRecord('/depth', 'sensor_msgs/msg/Image', 'dropped', 4, dropped={'asked': 4}),
        ),
        timings=recorder.timings(),
        regions_file=FileRecord('regions.jsonl', 7, 'cd' * 32),
    )


def damaged(manifest, change):
    content = json.loads(manifest.to_json())
    change(content)
    return json.dumps(content)


def test_round_trip(manifest, tmp_path):
    path = tmp_path / 'manifest.json'
    write_manifest(manifest, path)
    assert read_manifest(path) == manifest


def test_settings_come_back_as_settings(manifest):
    again = Manifest.from_json(manifest.to_json())
    assert settings.from_mapping(again.settings) == settings.Settings()


def test_sums(manifest):
    assert (manifest.frames, manifest.withheld) == (2, 1)
    assert manifest.regions_by_kind == {'face': 1, 'body': 0, 'plate': 0}
    assert manifest.frames_per_s == pytest.approx(2 / 60)
    assert dataclasses.replace(manifest, wall_s=0.0).frames_per_s == 0.0


def test_unknown_keys_are_ignored(manifest):
    text = damaged(manifest, lambda content: content.update(new=[1]))
    assert Manifest.from_json(text) == manifest


def test_missing_keys_take_defaults(manifest):
    text = damaged(manifest, lambda content: content.pop('regions_file'))
    assert Manifest.from_json(text).regions_file is None


@pytest.mark.parametrize(('change', 'message'), [
    (lambda c: c.update(schema='other'), "schema is 'other'"),
    (lambda c: c.update(schema_version=SCHEMA_VERSION + 1), 'schema_version is 2'),
    (lambda c: c.pop('wall_s'), 'wall_s is missing'),
    (lambda c: c.update(wall_s='soon'), "wall_s is 'soon', expected a float"),
    (lambda c: c.update(wall_s=True), 'wall_s is True'),
    (lambda c: c.update(wall_s=10**400), 'wall_s is inf'),
    (lambda c: c.update(command='rm'), "command is 'rm', expected a list"),
    (lambda c: c.update(command=[1]), r'command\[0\] is 1, expected a str'),
    (lambda c: c.update(settings=[]), 'settings is'),
    (lambda c: c.update(source=None), 'source is no object'),
    (lambda c: c['topics'].append(c['topics'][0]), 'topics names one twice'),
    (lambda c: c['topics'][0].update(action='leaked'), r"topics\[0\].action is 'leaked'"),
    (lambda c: c['topics'][0].update(messages=2.5), r'topics\[0\].messages is 2.5'),
    (lambda c: c['topics'][0].update(messages=2**65), r'topics\[0\].messages is 3689'),
    (lambda c: c['topics'][0]['camera'].update(withheld=-1), 'negative'),
    (lambda c: c['topics'][0]['camera']['over_time'].update(frames=[-1]), 'frames holds a neg'),
    (lambda c: c['topics'][0]['camera']['over_time'].update(bin_ns=0), 'bin_ns'),
    (lambda c: c['topics'][0]['camera']['over_time']['frames'].append(1), 'withheld has 1 val'),
    (lambda c: c['topics'][0]['camera']['heights'].update(edges_px=[]), 'face has 13 values'),
    (lambda c: c['topics'][2]['dropped'].update(asked=None), 'dropped.asked is None'),
])
def test_wrong_content_names_file_and_field(manifest, tmp_path, change, message):
    path = tmp_path / 'manifest.json'
    path.write_text(damaged(manifest, change))
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('content', [
    b'', b'{', b'[]', b'null', b'\xff\xfe', b'[' * 100_000, b'{"wall_s": NaN}', b'{"a":' * 50_000,
    b'\x00' * 100,
])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    path = tmp_path / 'manifest.json'
    path.write_bytes(content)
    with pytest.raises(InputError, match='no manifest of anon_ros'):
        read_manifest(path)


def test_a_sparse_file_of_gigabytes_is_refused_unread(tmp_path):
    path = tmp_path / 'manifest.json'
    path.touch()
    os.truncate(path, 2**36)
    with pytest.raises(InputError, match='larger than 64 MiB'):
        read_manifest(path)


def test_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match='cannot read the manifest: No such file'):
        read_manifest(tmp_path / 'manifest.json')


def test_a_target_that_cannot_be_written_is_named(manifest, tmp_path):
    with pytest.raises(OutputError, match='cannot write the manifest'):
        write_manifest(manifest, tmp_path / 'missing' / 'anon' / 'manifest.json')


def test_a_result_is_known_by_its_manifest_and_its_files(manifest, tmp_path):
    assert not is_anonymized(tmp_path)
    write_manifest(manifest, manifest_path(tmp_path))
    assert not is_anonymized(tmp_path)
    (tmp_path / 'b_0.mcap').write_bytes(b'1234')
    assert is_anonymized(tmp_path)
    (tmp_path / 'b_0.mcap').write_bytes(b'12345')
    assert not is_anonymized(tmp_path)


def test_a_manifest_without_files_proves_nothing(manifest, tmp_path):
    bare = dataclasses.replace(manifest, result=BagRecord('b', 'mcap'))
    write_manifest(bare, manifest_path(tmp_path))
    assert not is_anonymized(tmp_path)


def test_a_lone_file_has_its_manifest_beside_it(manifest, tmp_path):
    bag = tmp_path / 'b_0.mcap'
    bag.write_bytes(b'1234')
    write_manifest(manifest, manifest_path(bag))
    assert (tmp_path / 'b_0.mcap.anon' / 'manifest.json').is_file()
    assert is_anonymized(bag)


def test_fingerprint_tells_recordings_apart():
    base = fingerprint(1, [2, 3], {'/a': 1, '/b': 2})
    assert base == fingerprint(1, [2, 3], {'/b': 2, '/a': 1})
    others = {
        fingerprint(2, [2, 3], {'/a': 1, '/b': 2}), fingerprint(1, [3, 2], {'/a': 1, '/b': 2}),
        fingerprint(1, [2, 3], {'/a': 2, '/b': 2}), fingerprint(1, [2, 3], {'/a': 1}),
    }
    assert len(others | {base}) == 5
