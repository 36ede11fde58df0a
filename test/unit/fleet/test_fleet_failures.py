# SPDX-License-Identifier: Apache-2.0
"""Workers, runs, disks and bags that die: what is good gets done, nothing is half there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bag_builder import BagBuilder, picture
from fleet_helper import (
    CAMERA,
    FAST,
    DeadlyDetector,
    OnceDeadlyDetector,
    bag_bytes,
    fates,
    fill,
    write_bags,
)

RUN_IN_LITTLE_SPACE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.argv = ['fleet_helper.py', *sys.argv[1:]]
sys.path.insert(0, {helpers!r})
import fleet_helper
if __name__ == '__main__':
    fleet_helper.main()
"""


def wait_for(condition, process=None, deadline_s=240.0):
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, 'it never came to be'
        assert process is None or process.poll() is None, process.stderr.read().decode()
        time.sleep(0.01)


def spoil(path):
    """Cut a bag's file in its middle, as a recorder without power does."""
    file = path / 'drive.mcap'
    file.write_bytes(file.read_bytes()[:len(file.read_bytes()) // 2])


def replace_bag(path, frames=12):
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    fill(BagBuilder(), frames).write(path)


def test_bad_bags_are_named_and_the_good_ones_get_done(fleet):
    """One bag is damaged, one kills whoever looks into it, one is empty: on real workers."""
    write_bags(fleet.source / 'more', 2)
    for number, path in enumerate(sorted((fleet.source / 'more').iterdir()), 3):
        path.rename(fleet.source / f'vehicle_{number:02d}')
    (fleet.source / 'more').rmdir()
    deadly = fill(BagBuilder(), 8)
    image = picture(seed=0)
    image[0, 0] = (255, 0, 0)
    deadly.raw(CAMERA, 9 * 10**9, image)
    for file in (fleet.source / 'vehicle_01' / 'drive').iterdir():
        file.unlink()
    (fleet.source / 'vehicle_01' / 'drive').rmdir()
    deadly.write(fleet.source / 'vehicle_01' / 'drive')
    spoil(fleet.source / 'vehicle_02' / 'drive')
    (fleet.source / 'vehicle_03' / 'drive' / 'drive.mcap').write_bytes(b'')
    pace = FAST.__class__(retries=1, pause_s=0.05)
    result = fleet.run(workers=2, detector=DeadlyDetector, pace=pace, command=('anon-ros',))
    assert fates(result) == {
        'vehicle_00/drive': 'done', 'vehicle_01/drive': 'failed', 'vehicle_02/drive': 'failed',
        'vehicle_03/drive': 'failed', 'vehicle_04/drive': 'done',
    }, [bag.cause for bag in result.bags]
    killed, damaged, empty = (result.bags[number] for number in (1, 2, 3))
    assert 'killed' in killed.cause
    assert killed.tries == 2
    assert 'drive.mcap' in damaged.cause
    assert damaged.tries == 1
    assert 'empty' in empty.cause
    assert killed.repeat == 'anon-ros --only vehicle_01/drive'
    assert fleet.results() == ['vehicle_00/drive', 'vehicle_04/drive']
    assert fleet.leftovers() == []
    assert fleet.state('vehicle_01/drive')['status'] == 'failed'
    for name in ('vehicle_01', 'vehicle_02', 'vehicle_03'):
        replace_bag(fleet.source / name / 'drive')
    again = fleet.run(detector=DeadlyDetector)
    assert [bag.name for bag in again.bags if bag.fate == 'done'] == [
        'vehicle_01/drive', 'vehicle_02/drive', 'vehicle_03/drive']
    assert fleet.results() == fleet.names()


@pytest.mark.parametrize('part_bytes', [0, 100_000])
def test_a_worker_killed_in_the_middle_changes_nothing(fleet, tmp_path, monkeypatch, part_bytes):
    monkeypatch.setenv('ANON_ROS_TEST_MARK', str(tmp_path / 'killed'))
    result = fleet.run(workers=2, detector=OnceDeadlyDetector, part_bytes=part_bytes)
    assert (tmp_path / 'killed').exists()
    assert fates(result) == dict.fromkeys(fleet.names(), 'done')
    assert fleet.results() == fleet.names()
    assert fleet.leftovers() == []
    disturbed = bag_bytes(fleet.target)
    fleet.target = tmp_path / 'undisturbed'
    fleet.run(key_file=fleet.work / 'patterns.key')
    assert bag_bytes(fleet.target) == disturbed


def workers_of(pid):
    """Return the processes below one."""
    found = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(pid)], capture_output=True,
                           text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def is_alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_a_run_that_is_killed_leaves_nothing_that_opens_and_goes_on(fleet):
    process = fleet.start(detector='SlowDetector', workers=2)
    work = fleet.target / '.anon-fleet' / 'growing'
    wait_for(lambda: list(work.rglob('*.part')), process)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not any(is_alive(pid) for pid in workers))
    assert len(workers) >= 2
    assert not list(fleet.target.glob('vehicle_*/drive'))
    assert set(fates(fleet.run()).values()) == {'done'}
    assert fleet.results() == fleet.names()
    assert fleet.leftovers() == []


def test_an_interrupted_run_gives_its_bags_back(fleet):
    process = fleet.start(detector='SlowDetector', workers=1)
    work = fleet.target / '.anon-fleet' / 'growing'
    wait_for(lambda: list(work.rglob('*.part')), process)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate()
    wait_for(lambda: not any(is_alive(pid) for pid in workers))
    assert not list((fleet.target / '.anon-fleet' / 'leases').rglob('0*'))
    assert set(fates(fleet.run()).values()) == {'done'}


def test_two_runs_on_one_target_share_the_bags(fleet):
    processes = [fleet.start(detector='SlowDetector', workers=1) for _ in range(2)]
    told = []
    for process in processes:
        out, error = process.communicate()
        assert process.returncode == 0, error.decode()
        told.append(json.loads(out))
    for name in fleet.names():
        # A run ends when all bags are there, by whomever.
        assert sorted(each[name] for each in told) in (['done', 'skipped'],)
    assert fleet.results() == fleet.names()
    assert fleet.leftovers() == []


def test_a_run_that_sleeps_loses_its_bag_and_never_meets_who_took_it(fleet):
    """The one who plans is stopped, its worker is not; another run takes over and waits for it."""
    replace_bag(fleet.source / 'vehicle_00' / 'drive', frames=150)
    sleeper = fleet.start(detector='SlowDetector', workers=1, only=['vehicle_00/drive'])
    work = fleet.target / '.anon-fleet' / 'growing'
    wait_for(lambda: list(work.rglob('*.part')), sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    result = fleet.run()
    assert fates(result) == dict.fromkeys(fleet.names(), 'done')
    before = bag_bytes(fleet.target)
    sleeper.send_signal(signal.SIGCONT)
    out, error = sleeper.communicate()
    assert sleeper.returncode == 0, error.decode()
    assert json.loads(out) == {'vehicle_00/drive': 'skipped'}
    assert bag_bytes(fleet.target) == before
    assert fleet.leftovers() == []


def test_files_that_may_not_grow_fail_their_bags_and_no_others(fleet):
    fill(BagBuilder(), 60).write(fleet.source / 'vehicle_07' / 'drive')
    size_bytes = (fleet.source / 'vehicle_00' / 'drive' / 'drive.mcap').stat().st_size
    helpers = Path(__file__).resolve().parents[2] / 'helpers'
    script = fleet.source.parent / 'little_space.py'
    script.write_text(RUN_IN_LITTLE_SPACE.format(limit=2 * size_bytes, helpers=str(helpers)))
    done = subprocess.run(
        [sys.executable, str(script), str(fleet.source), str(fleet.target), str(fleet.work),
         json.dumps({'workers': 1})], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'vehicle_00/drive': 'done', 'vehicle_01/drive': 'done', 'vehicle_02/drive': 'done',
        'vehicle_07/drive': 'failed'}
    assert fleet.results() == [f'vehicle_0{number}/drive' for number in range(3)]
    assert fleet.leftovers() == []
    assert 'File too large' in fleet.state('vehicle_07/drive')['error']
    assert set(fates(fleet.run()).values()) == {'done', 'skipped'}


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts a file system of a few bytes; skip where nobody may."""
    mounted = []

    def mount(size_bytes):
        folder = tmp_path / 'disk'
        folder.mkdir()
        command = ['mount', '-t', 'tmpfs', '-o', f'size={size_bytes}', 'tmpfs', str(folder)]
        is_root = os.geteuid() == 0
        if not is_root or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip('only root may mount a small file system')
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(['umount', '-l', str(folder)], check=True)


def test_a_disk_that_fills_keeps_the_bags_that_fit(fleet, small_disk):
    fill(BagBuilder(), 80).write(fleet.source / 'vehicle_07' / 'drive')
    fleet.target = small_disk(1_600_000) / 'target'
    result = fleet.run()
    assert fates(result) == {
        'vehicle_00/drive': 'done', 'vehicle_01/drive': 'done', 'vehicle_02/drive': 'done',
        'vehicle_07/drive': 'failed'}
    assert 'No space left' in result.bags[-1].cause
    assert fleet.results() == [f'vehicle_0{number}/drive' for number in range(3)]
    assert fleet.leftovers() == []
