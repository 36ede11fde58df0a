# SPDX-License-Identifier: Apache-2.0
"""At most one works on a bag, whoever dies, sleeps or hurries."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from anon_ros.errors import OutputError
from anon_ros.fleet.lease import Leases
from anon_ros.fleet.local_place import LocalPlace

TAKE = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from anon_ros.fleet.lease import Leases
from anon_ros.fleet.local_place import LocalPlace
leases = Leases(LocalPlace(Path(sys.argv[1])), beat_s=0.05).__enter__()
print(leases.acquire('bag') is not None, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path):
    return LocalPlace(tmp_path)


def files(place):
    return sorted(file.name for file in place.files())


def wait_for(condition, deadline_s=20.0):
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, 'it never came to be'
        time.sleep(0.01)


def forget_machine(place, lease):
    """Make a lease look as if another machine had taken it."""
    data = place.read(lease.name).replace(b'"machine": "', b'"machine": "elsewhere ')
    place.write(lease.name, data)


def test_a_bag_is_one_runs_until_it_is_given_back(place):
    with Leases(place) as one, Leases(place) as two:
        lease = one.acquire('v/bag')
        assert lease.is_held(place)
        assert two.acquire('v/bag') is None
        assert two.acquire('v/bag2') is not None
        one.release('v/bag')
        assert not lease.is_held(place)
        assert two.acquire('v/bag') is not None
    assert files(place) == []


def test_a_lease_that_is_renewed_is_never_stale(place):
    with Leases(place, beat_s=0.02) as one, Leases(place, stale_s=0.5) as two:
        lease = one.acquire('bag')
        end_s = time.monotonic() + 1.5
        while time.monotonic() < end_s:
            assert two.acquire('bag') is None
            time.sleep(0.02)
        assert lease.is_held(place)


def test_who_is_silent_for_long_loses_the_bag_and_is_told(place):
    sleeper = Leases(place, beat_s=3600)
    lease = sleeper.acquire('bag')
    forget_machine(place, lease)
    with Leases(place, stale_s=0.2) as other:
        assert other.acquire('bag') is None
        time.sleep(0.3)
        taken = other.acquire('bag')
        assert taken is not None
        assert not lease.is_held(place)
        sleeper._renew('bag')
        assert sleeper.lost() == {'bag'}
        assert sleeper.lost() == set()
        assert taken.is_held(place)
        sleeper.release('bag')
        assert taken.is_held(place)


def test_nobody_waits_for_a_process_that_was_killed(place, tmp_path):
    root = os.fspath(__file__).split('/test/')[0]
    process = subprocess.Popen(
        [sys.executable, '-c', TAKE, str(tmp_path), root], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b'True\n'
    with Leases(place, stale_s=3600) as other:
        assert other.acquire('bag') is None
        process.kill()
        process.wait()
        process.stdout.close()
        assert other.acquire('bag') is not None


def test_a_lease_that_nobody_can_read_goes_stale(place):
    place.write('.anon-fleet/leases/bag.lease/000003', b'not json')
    with Leases(place, stale_s=0.1) as leases:
        assert leases.acquire('bag') is None
        time.sleep(0.15)
        assert leases.acquire('bag').name.endswith('000004')


def test_of_many_who_hurry_at_most_one_holds_it(place):
    """Every run takes, holds and gives back as fast as it can; nobody ever meets another."""
    inside, met, turns = [], [], []
    lock = threading.Lock()

    def work(_):
        leases = Leases(place, beat_s=3600, stale_s=3600)
        for _ in range(30):
            if leases.acquire('bag') is None:
                continue
            with lock:
                inside.append(1)
                met.append(len(inside))
            time.sleep(0.001)
            with lock:
                inside.pop()
                turns.append(1)
            leases.release('bag')

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert turns
    assert max(met) == 1


def test_of_many_who_take_over_at_most_one_gets_it(place):
    for _ in range(10):
        gone = Leases(place, beat_s=3600)
        forget_machine(place, gone.acquire('bag'))
        watchers = [Leases(place, beat_s=3600, stale_s=0.05) for _ in range(5)]
        assert [watcher.acquire('bag') for watcher in watchers] == [None] * 5
        time.sleep(0.06)
        with ThreadPoolExecutor(5) as pool:
            taken = list(pool.map(lambda watcher: watcher.acquire('bag'), watchers))
        holders = [lease for lease in taken if lease is not None and lease.is_held(place)]
        assert len(holders) <= 1
        place.remove('.anon-fleet')


def test_the_thread_renews_what_is_held_and_nothing_else(place):
    with Leases(place, beat_s=0.01) as leases:
        lease = leases.acquire('bag')
        first = place.read(lease.name)
        wait_for(lambda: place.read(lease.name) != first)
        leases.release('bag')
        time.sleep(0.05)
        assert files(place) == []


def test_what_a_kill_left_of_a_lease_is_swept(place, tmp_path):
    folder = tmp_path / '.anon-fleet' / 'leases' / 'a.lease'
    folder.mkdir(parents=True)
    (folder / '.000001.half').write_bytes(b'{')
    with Leases(place) as leases:
        assert leases.acquire('a') is not None
        assert [path.name for path in folder.iterdir()] == ['000001']
    assert list(folder.iterdir()) == []


def test_who_is_swept_while_it_writes_has_no_lease(place, monkeypatch):
    write = LocalPlace._write_beside

    def swept(self, path, data):
        beside = write(self, path, data)
        beside.unlink()
        return beside

    monkeypatch.setattr(LocalPlace, '_write_beside', swept)
    with Leases(place) as leases:
        assert leases.acquire('a') is None
    with pytest.raises(OutputError, match='cannot be written'):
        place.write('b', b'')
