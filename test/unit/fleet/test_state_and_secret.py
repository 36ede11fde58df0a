# SPDX-License-Identifier: Apache-2.0
"""What a run remembers of a bag, and what it keeps to itself."""

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from anon_ros import factory
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.errors import UsageError
from anon_ros.fleet.local_place import LocalPlace
from anon_ros.fleet.secret import KEY_BYTES, key_id, load_key, seed_of
from anon_ros.fleet.state import BagState, Outcome, Topics, hash_of, read_state, write_state
from anon_ros.media.raw import RawImage, open_raw


def test_a_state_comes_back_as_it_was_written(tmp_path):
    place = LocalPlace(tmp_path)
    outcome = Outcome(12, 1, {'face': 3}, 2.5, {'v/bag/a.mcap': 10})
    state = BagState('done', 'f', 's', outcome=outcome, finished='now', tool_version='1')
    write_state(place, 'v/bag', state)
    assert read_state(place, 'v/bag') == state
    assert read_state(place, 'v/other') is None


@pytest.mark.parametrize('data', [b'', b'{', b'[]', b'{"status": "done"}', b'\xff\xfe'])
def test_a_damaged_state_is_none(tmp_path, data):
    place = LocalPlace(tmp_path)
    place.write('.anon-fleet/state/bag.json', data)
    assert read_state(place, 'bag') is None


def test_everything_but_threads_makes_other_results():
    settings, topics = Settings(), Topics()
    same = hash_of(settings, topics)
    assert hash_of(replace(settings, threads=7), topics) == same
    others = [
        hash_of(replace(settings, target=('body',)), topics),
        hash_of(replace(settings, seed=1), topics),
        hash_of(settings, Topics(dropped=('/a',))), hash_of(settings, Topics(copied=('/a',))),
    ]
    assert len({same, *others}) == 5


def test_a_key_is_drawn_once_and_is_its_owners_alone(tmp_path):
    path = tmp_path / 'deep' / 'patterns.key'
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(path), range(8)))
    assert len(keys) == 1
    assert len(keys.pop()) == KEY_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ['patterns.key']


def test_a_short_key_is_no_secret(tmp_path):
    path = tmp_path / 'key'
    path.write_bytes(b'password')
    with pytest.raises(UsageError, match='at least 32 random'):
        load_key(path)


def test_a_recording_keeps_its_seed_and_shares_it_with_none():
    key, other = b'1' * 32, b'2' * 32
    seeds = {seed_of(key, 'a'), seed_of(key, 'b'), seed_of(other, 'a'), seed_of(other, 'b')}
    assert len(seeds) == 4
    assert seed_of(key, 'a') in seeds
    assert min(seeds) > 2**64
    assert key_id(key) != key_id(other)


def test_a_secret_repeats_patterns_and_a_named_seed_goes_before_it():
    def hidden(settings, secret):
        image = np.full((32, 32, 3), 100, np.uint8)
        frame = open_raw(RawImage(32, 32, 'bgr8', False, 96, image.tobytes()))
        anonymizer = factory.build_anonymizer(settings, secret=secret)
        regions = Regions.of([[8, 8, 24, 24]], Kind.FACE)
        return bytes(anonymizer.anonymize(frame, regions).payload)

    assert hidden(Settings(), 2**100) == hidden(Settings(), 2**100) != hidden(Settings(), 2**101)
    assert hidden(Settings(seed=5), 2**100) == hidden(Settings(seed=5), 0)
