# SPDX-License-Identifier: Apache-2.0
"""How long it would take is told from a sample, and nothing is written."""

import pytest
from bag_builder import BagBuilder, MagentaDetector
from fleet_helper import SETTINGS, fill

from anon_ros.fleet.estimate import estimate
from anon_ros.fleet.run import FleetJob, Workers


def told(fleet, **options):
    job = FleetJob(str(fleet.source), str(fleet.target), work=fleet.work,
                   new_detector=MagentaDetector, **options)
    return estimate(job, SETTINGS, Workers(2))


def test_frames_and_hours_follow_from_a_sample(fleet):
    fill(BagBuilder(), 40).write(fleet.source / 'vehicle_07' / 'drive')
    found = told(fleet)
    assert (found.bags, found.done, found.problems) == (4, 0, ())
    assert found.frames == pytest.approx(76, rel=0.02)
    assert 0 < found.sampled_frames < 76
    assert found.hours == pytest.approx(found.frames / found.frames_per_s / 2 / 3600)
    assert not fleet.target.exists()


def test_what_is_done_is_not_counted(fleet):
    fleet.run(only=('vehicle_01/drive',))
    found = told(fleet)
    assert (found.bags, found.done) == (2, 1)
    assert told(fleet, only=('vehicle_01/drive',)).hours == 0.0


def test_a_damaged_sample_is_a_problem(fleet):
    for path in fleet.source.glob('*/drive/drive.mcap'):
        path.write_bytes(path.read_bytes()[:1000])
    found = told(fleet)
    assert len(found.problems) == 3
    assert 'vehicle_00/drive: ' in found.problems[0]
    assert found.frames_per_s == 0.0


def test_the_sample_of_a_store_is_one_bag_and_is_removed(fleet):
    pytest.importorskip('fsspec')
    from anon_ros.fleet.places import open_place

    source = open_place('memory://estimate/in')
    for path in fleet.source.rglob('*'):
        if path.is_file():
            source.write(path.relative_to(fleet.source).as_posix(), path.read_bytes())
    job = FleetJob(source.url, 'memory://estimate/out', work=fleet.work,
                   new_detector=MagentaDetector)
    found = estimate(job, SETTINGS, Workers(1))
    assert found.frames == pytest.approx(36, rel=0.02)
    assert not [path for path in fleet.work.rglob('*') if path.is_file()]
