# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster does what local processes do; so does a store of objects for a folder."""

import importlib.util
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bag_builder import BagBuilder, MagentaDetector
from fleet_helper import (
    FAST,
    SETTINGS,
    OnceDeadlyDetector,
    bag_bytes,
    fates,
    fill,
    write_bags,
)

from anon_ros.errors import OutputError, UsageError
from anon_ros.fleet.bags import find_bags
from anon_ros.fleet.local_engine import LocalEngine
from anon_ros.fleet.places import open_place
from anon_ros.fleet.ray_engine import RayEngine, RayOptions
from anon_ros.fleet.run import FleetJob, Workers, run_fleet
from anon_ros.fleet.scratch import scratch
from anon_ros.fleet.tasks import Job
from anon_ros.fleet.work import LARGEST_PART_BYTES, LEAST_PART_BYTES, part_bytes, parts_of

SEEDED = replace(SETTINGS, seed=7)
HELPERS = Path(__file__).resolve().parents[2] / 'helpers'


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    """Start a Ray cluster of this machine, with two pretended GPUs; return a file of its own."""
    ray = pytest.importorskip('ray', reason='Ray is not installed: pip install .[fleet]')
    mark = tmp_path_factory.mktemp('cluster') / 'killed'
    # What workers see is what there is when the cluster starts.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', os.pathsep.join([str(HELPERS.parents[1]), str(HELPERS)]))
        patch.setenv('ANON_ROS_TEST_MARK', str(mark))
        patch.setenv('RAY_worker_niceness', '0')
        ray.init(address='local', num_cpus=2, num_gpus=2, include_dashboard=False,
                 log_to_driver=False, logging_level='ERROR')
        yield mark
        ray.shutdown()


@pytest.mark.filterwarnings('ignore')
def test_a_cluster_gives_the_same_bytes_also_when_a_worker_dies(cluster, fleet, tmp_path):
    fleet.run(SEEDED)
    expected = bag_bytes(fleet.target)
    fleet.target = tmp_path / 'ray'
    result = fleet.run(
        SEEDED, Workers(2, RayOptions(gpus=0.5)), OnceDeadlyDetector, part_bytes=100_000)
    assert cluster.exists()
    assert fates(result) == dict.fromkeys(fleet.names(), 'done')
    assert result.withheld == 0
    assert bag_bytes(fleet.target) == expected
    assert fleet.leftovers() == []
    assert (result.engine, result.workers) == ('ray auto', 2)


@pytest.mark.filterwarnings('ignore')
def test_more_than_the_cluster_has_is_told_at_once(cluster, fleet):
    for options, what in ((RayOptions(gpus=3), '3 GPU'), (RayOptions(cpus=99), '99 CPU')):
        settings = replace(SETTINGS, threads=options.cpus)
        with pytest.raises(UsageError, match=what):
            fleet.run(settings, Workers(1, options))


def test_without_ray_it_says_what_to_install(monkeypatch, fleet):
    if importlib.util.find_spec('ray') is not None:
        monkeypatch.setitem(__import__('sys').modules, 'ray', None)
    with pytest.raises(UsageError, match=r"pip install 'anon_ros\[fleet\]'"):
        RayEngine(None, RayOptions())


@pytest.fixture
def store():
    """Return the address of a store of objects that this process alone sees."""
    pytest.importorskip('fsspec', reason='fsspec is not installed: pip install .[fleet]')
    return f'memory://fleet-{time.monotonic_ns()}'


def upload(place, folder):
    for path in sorted(folder.rglob('*')):
        if path.is_file():
            place.write(path.relative_to(folder).as_posix(), path.read_bytes())


def test_bags_of_a_store_come_back_as_those_of_a_folder(fleet, store, tmp_path):
    bag = fill(BagBuilder(), 5).write(tmp_path / 'x' / 'a')
    (bag / 'a.mcap').rename(fleet.source / 'lone.mcap')
    fleet.run(SEEDED)
    expected = bag_bytes(fleet.target)
    source, target = open_place(f'{store}/in'), open_place(f'{store}/out')
    upload(source, fleet.source)
    options = {'source': source.url, 'target': target.url, 'part_bytes': 50_000}
    result = fleet.run(SEEDED, **options)
    assert set(fates(result).values()) == {'done'}
    found = {file.name: target.read(file.name) for file in target.files()}
    of_bags = {name: data for name, data in found.items()
               if 'anon' not in name.replace('.anon/', '/anon/').split('/')
               and not name.startswith('.anon-fleet')}
    assert of_bags == {name: data for name, data in expected.items() if '.anon/' not in name}
    assert 'vehicle_00/drive/anon/manifest.json' in found
    assert 'lone.mcap.anon/manifest.json' in found
    assert [name for name in found if name.startswith('.anon-fleet')
            and 'state' not in name] == []
    assert set(fates(fleet.run(SEEDED, **options)).values()) == {'skipped'}
    assert [path.name for path in fleet.work.rglob('*') if path.is_file()] == ['patterns.key']


def test_an_upload_that_breaks_off_is_no_bag_and_is_done_again(fleet, store, monkeypatch):
    source, target = open_place(f'{store}/in'), open_place(f'{store}/out')
    upload(source, fleet.source)
    options = {'source': source.url, 'target': target.url, 'only': ('vehicle_00/drive',)}
    copy = type(target._fs).cp_file
    copied = []

    def break_off(self, path1, path2, **options):
        copied.append(path2)
        if len(copied) % 3 == 0:
            raise ConnectionError('the store is gone')
        return copy(self, path1, path2, **options)

    monkeypatch.setattr(type(target._fs), 'cp_file', break_off)
    result = fleet.run(pace=replace(FAST, retries=1), **options)
    assert fates(result) == {'vehicle_00/drive': 'failed'}
    assert 'the store is gone' in result.bags[0].cause
    assert target.read('vehicle_00/drive/metadata.yaml') is None
    monkeypatch.undo()
    assert fates(fleet.run(**options)) == {'vehicle_00/drive': 'done'}
    names = [file.name for file in target.files('vehicle_00')]
    assert len(names) == len(set(names))
    assert target.read('vehicle_00/drive/metadata.yaml') is not None


def test_what_a_dead_worker_has_fetched_is_swept(tmp_path):
    with scratch(tmp_path) as one:
        (one / 'clear.mcap').write_bytes(b'clear')
        dead = tmp_path / 'scratch' / 'of-a-dead-one'
        dead.mkdir()
        (dead / 'clear.mcap').write_bytes(b'clear')
        with scratch(tmp_path) as two:
            assert one.exists()
            assert two.exists()
            assert not dead.exists()
    assert not list((tmp_path / 'scratch').iterdir())


def test_bags_are_split_by_files_and_within_large_ones(tmp_path):
    write_bags(tmp_path / 'source', 1, frames=30)
    place = open_place(str(tmp_path / 'source'))
    bag = find_bags(place.files()).bags[0]
    third = bag.size_bytes // 3
    assert [(part.number, part.of) for part in parts_of(bag, third, is_local=True)] == [
        (0, 3), (1, 3), (2, 3)]
    assert parts_of(bag, third, is_local=False) == ()
    assert parts_of(bag, bag.size_bytes, is_local=True) == ()


def test_parts_keep_all_workers_busy_within_bounds():
    assert part_bytes(10**12, 4) == LARGEST_PART_BYTES
    assert part_bytes(0, 4) == LEAST_PART_BYTES
    assert part_bytes(16 * 10**9, 8) == 16 * 10**9 // 32


def test_cancelled_workers_are_replaced(fleet):
    job = Job(open_place(str(fleet.source)), open_place(str(fleet.target), make=True), SETTINGS,
              None, 'hash', fleet.work, new_detector=MagentaDetector)
    with LocalEngine(job, 1) as engine:
        first = engine._slots[0].process.pid
        engine.cancel(0)
        assert engine._slots[0].process.pid != first
        assert engine.wait(0.0) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path, fleet):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='cannot be made'):
        run_fleet(FleetJob(str(fleet.source), str(tmp_path / 'file' / 'x'), work=fleet.work),
                  SETTINGS)
