# SPDX-License-Identifier: Apache-2.0
"""A fleet of real bags on real processes: the same results, whoever does which part of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bag_builder import BagBuilder, MagentaDetector, shows_magenta
from fleet_helper import (
    CAMERA,
    SETTINGS,
    MissingDetector,
    bag_bytes,
    fates,
    fill,
    messages_of,
)

from anon_ros.errors import ModelError, UsageError
from anon_ros.fleet.state import Topics
from anon_ros.runs.bag import BagJob, anonymize_bag

SEEDED = replace(SETTINGS, seed=7)


def test_workers_and_parts_give_what_one_process_gives(fleet, tmp_path):
    """Bags and parts of bags on two workers, against anonymize_bag here, to the byte."""
    result = fleet.run(SEEDED, workers=2, part_bytes=80_000)
    assert fates(result) == dict.fromkeys(fleet.names(), 'done')
    assert fleet.results() == fleet.names()
    assert fleet.leftovers() == []
    assert (result.frames, result.regions['face'], result.withheld) == (36, 36, 0)
    for name in fleet.names():
        (tmp_path / 'alone' / name).parent.mkdir(parents=True)
        anonymize_bag(BagJob(fleet.source / name, tmp_path / 'alone' / name), SEEDED,
                      detector=MagentaDetector())
    assert bag_bytes(fleet.target) == bag_bytes(tmp_path / 'alone')
    for name in fleet.names():
        pictures = [message for topic, _, _, message in messages_of(fleet.target / name)
                    if topic == CAMERA]
        assert not any(shows_magenta(each.data.reshape(each.height, each.width, 3))
                       for each in pictures)


def test_a_second_run_does_only_what_is_left(fleet):
    fleet.run(only=('vehicle_01/drive',))
    assert fleet.results() == ['vehicle_01/drive']
    before = (fleet.target / 'vehicle_01' / 'drive' / 'anon' / 'manifest.json').read_bytes()
    assert fates(fleet.run()) == {
        'vehicle_00/drive': 'done', 'vehicle_01/drive': 'skipped', 'vehicle_02/drive': 'done'}
    assert (fleet.target / 'vehicle_01/drive/anon/manifest.json').read_bytes() == before
    again = fleet.run(replace(SETTINGS, threads=2))
    assert set(fates(again).values()) == {'skipped'}
    assert again.workers == 0
    assert again.withheld == 0


def test_other_settings_and_changed_sources_replace_nothing_unasked(fleet):
    fleet.run()
    names = fleet.names()
    wider = replace(SETTINGS, margin=0.5)
    result = fleet.run(wider, command=('anon-ros', 'fleet', 'a b', 'c', '--only=x', '--only', 'y'))
    assert set(fates(result).values()) == {'failed'}
    assert 'other settings; --replace' in result.bags[0].cause
    assert result.bags[0].repeat == f"anon-ros fleet 'a b' c --only {names[0]}"
    assert fleet.results() == names
    path = fleet.source / names[0] / 'drive.mcap'
    path.unlink()
    (fleet.source / names[0] / 'metadata.yaml').unlink()
    (fleet.source / names[0]).rmdir()
    fill(BagBuilder(), 13, first=500).write(fleet.source / names[0])
    result = fleet.run()
    assert fates(result) == {names[0]: 'failed', names[1]: 'skipped', names[2]: 'skipped'}
    assert 'source has changed' in result.bags[0].cause
    result = fleet.run(may_replace=True)
    assert fates(result) == {names[0]: 'done', names[1]: 'skipped', names[2]: 'skipped'}
    assert len(messages_of(fleet.target / names[0])) == 26
    assert fleet.leftovers() == []


def test_what_was_corrected_later_is_left_alone_and_what_is_gone_is_told(fleet):
    fleet.run()
    first, second, third = fleet.names()
    corrected = fleet.target / first / 'drive.mcap'
    corrected.write_bytes(corrected.read_bytes() + b'corrected')
    (fleet.target / second / 'drive.mcap').unlink()
    for path in sorted((fleet.target / third).rglob('*'), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (fleet.target / third).rmdir()
    result = fleet.run()
    assert fates(result) == {first: 'skipped', second: 'failed', third: 'done'}
    assert corrected.read_bytes().endswith(b'corrected')
    assert 'drive.mcap is gone' in result.bags[1].cause


def test_what_no_fleet_made_is_never_overwritten(fleet):
    alien = fleet.target / 'vehicle_00' / 'drive'
    alien.mkdir(parents=True)
    (alien / 'thesis.txt').write_text('the only copy')
    result = fleet.run(may_replace=True)
    assert fates(result)['vehicle_00/drive'] == 'failed'
    assert 'never overwritten' in result.bags[0].cause
    assert (alien / 'thesis.txt').read_text() == 'the only copy'
    assert list(fates(result).values()).count('done') == 2


def test_lone_files_of_every_kind_keep_their_names(tmp_path, fleet):
    fleet.source = tmp_path / 'lone'
    fleet.source.mkdir()
    bag = fill(BagBuilder(), 5).write(tmp_path / 'x' / 'a')
    (bag / 'a.mcap').rename(fleet.source / 'a.mcap')
    fill(BagBuilder(), 5).write(fleet.source / 'b', 'ros1')
    (fleet.source / 'calibration.yaml').write_text('k: 1')
    result = fleet.run()
    assert fates(result) == {'a.mcap': 'done', 'b.bag': 'done'}
    assert result.other_files == 1
    assert sorted(path.name for path in fleet.target.iterdir()) == [
        '.anon-fleet', 'a.mcap', 'a.mcap.anon', 'b.bag', 'b.bag.anon']
    assert set(fates(fleet.run()).values()) == {'skipped'}


def test_the_secret_repeats_within_a_recording_and_is_nowhere_in_the_target(fleet, tmp_path):
    key = (tmp_path / 'key')
    fleet.run(key_file=key, only=('vehicle_00/drive',))
    first = bag_bytes(fleet.target)
    fleet.target = tmp_path / 'again'
    fleet.run(key_file=key, only=('vehicle_00/drive',), work=tmp_path / 'other')
    assert bag_bytes(fleet.target) == first
    fleet.target = tmp_path / 'other key'
    fleet.run(only=('vehicle_00/drive',))
    assert bag_bytes(fleet.target).keys() == first.keys()
    assert bag_bytes(fleet.target) != first
    secrets = [key.read_bytes(), (fleet.work / 'patterns.key').read_bytes()]
    for path in [*(tmp_path / 'target').rglob('*'), *fleet.target.rglob('*')]:
        if path.is_file():
            data = path.read_bytes()
            for secret in secrets:
                assert secret not in data
                assert secret.hex().encode() not in data
    manifest = json.loads((fleet.target / 'vehicle_00/drive/anon/manifest.json').read_text())
    assert manifest['settings']['seed'] == 0


def test_nothing_clear_is_left_anywhere(fleet):
    fleet.run(part_bytes=80_000)
    assert [path for path in fleet.work.rglob('*') if path.is_file()] == [
        fleet.work / 'patterns.key']


def test_topics_are_decided_for_all_bags_and_missing_decisions_name_the_bag(fleet):
    builder = fill(BagBuilder(), 3)
    builder.raw('/depth', 10**9, np.zeros((8, 8, 1), np.uint16), encoding='16UC1')
    builder.write(fleet.source / 'vehicle_09' / 'drive')
    result = fleet.run(topics=Topics(dropped=('/chatter',)))
    assert fates(result)['vehicle_09/drive'] == 'failed'
    assert '/depth' in result.bags[-1].cause
    assert list(fates(result).values()).count('done') == 3
    assert all(bag.outcome.withheld == 0 for bag in result.bags[:3])
    topics = {topic for topic, *_ in messages_of(fleet.target / 'vehicle_00' / 'drive')}
    assert topics == {CAMERA}


def test_networks_that_do_not_start_end_the_run_at_once(fleet):
    with pytest.raises(ModelError, match='the weights are nowhere'):
        fleet.run(detector=MissingDetector)
    assert fleet.results() == []
    assert fleet.leftovers() == []
    assert set(fates(fleet.run()).values()) == {'done'}


def test_bad_addresses_and_names_are_told(fleet, tmp_path):
    with pytest.raises(UsageError, match='holds no such bag'):
        fleet.run(only=('vehicle_77/drive',))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UsageError, match='holds no bag'):
        fleet.run(source=str(tmp_path / 'empty'))
    with pytest.raises(UsageError, match='one in the other'):
        fleet.run(target=str(fleet.source / 'vehicle_00'))
    assert not Path(fleet.target).exists()
