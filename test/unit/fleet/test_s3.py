# SPDX-License-Identifier: Apache-2.0
"""
A store of objects behind its real protocol: killed, gone on with, damaged, replaced.

test_engines.py does the same with a store in memory, except for the kill.
"""

import signal
import time
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
import s3fs
from bag_builder import BagBuilder
from fleet_helper import SETTINGS, bag_bytes, fates, fill
from moto.server import ThreadedMotoServer

from anon_ros.fleet.places import open_place

pytestmark = pytest.mark.filterwarnings('ignore')
SEEDED = replace(SETTINGS, seed=7)
DRIVE = 'vehicle_00/drive'


@pytest.fixture(scope='module')
def server():
    """Serve S3 on this machine, for this process and all that it starts."""
    serving = ThreadedMotoServer(ip_address='127.0.0.1', port=0)
    serving.start()
    host, port = serving.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('AWS_ENDPOINT_URL', f'http://{host}:{port}')
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            patch.setenv(name, 'testing')
        patch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
        yield
    serving.stop()


@pytest.fixture
def bucket(server):
    name = f'fleet-{time.monotonic_ns()}'
    s3fs.S3FileSystem().mkdir(name)
    return f's3://{name}'


def upload(url, folder):
    place = open_place(url, make=True)
    for path in sorted(folder.rglob('*')):
        if path.is_file():
            place.write(path.relative_to(folder).as_posix(), path.read_bytes())


def bags_in(place):
    """Return the files of all bags in a store, without what is written about them."""
    return {
        file.name: place.read(file.name) for file in place.files()
        if 'anon' not in file.name.split('/') and not file.name.startswith('.anon-fleet')
    }


def test_a_run_on_s3_is_killed_gone_on_with_and_the_same_to_the_byte(fleet, bucket):
    fleet.run(SEEDED)
    expected = bag_bytes(fleet.target)
    damaged = fleet.source / 'vehicle_08' / 'drive'
    damaged.parent.mkdir()
    fill(BagBuilder(), 12).write(damaged)
    (damaged / 'drive.mcap').write_bytes((damaged / 'drive.mcap').read_bytes()[:5000])
    upload(f'{bucket}/in', fleet.source)
    fleet.source, fleet.target = f'{bucket}/in', f'{bucket}/out'
    fleet.work = fleet.work.with_name('work_s3')
    process = fleet.start(detector='SlowDetector', workers=1)
    target = open_place(f'{bucket}/out', make=True)
    end_s = time.monotonic() + 300
    while not any('lease' in file.name for file in target.files()):
        assert time.monotonic() < end_s
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.2)
    time.sleep(2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    shown = bags_in(target)
    assert not shown or all(
        f'{PurePosixPath(name).parent}/metadata.yaml' in shown for name in shown)
    result = fleet.run(SEEDED)
    assert fates(result) == {
        'vehicle_00/drive': 'done', 'vehicle_01/drive': 'done', 'vehicle_02/drive': 'done',
        'vehicle_08/drive': 'failed'}
    assert 'drive.mcap' in result.bags[-1].cause
    assert bags_in(target) == expected
    assert {bag.fate for bag in fleet.run(SEEDED).bags} == {'skipped', 'failed'}


def test_a_bag_on_s3_that_changed_is_replaced_only_when_asked(fleet, bucket):
    upload(f'{bucket}/in', fleet.source)
    source = fleet.source
    fleet.source, fleet.target = f'{bucket}/in', f'{bucket}/out'
    options = {'only': (DRIVE,)}
    assert fates(fleet.run(SEEDED, **options)) == {DRIVE: 'done'}
    target = open_place(fleet.target)
    before = bags_in(target)
    other = fill(BagBuilder(), 9, first=50).write(source.parent / 'other' / 'drive')
    open_place(fleet.source).write(f'{DRIVE}/drive.mcap', (other / 'drive.mcap').read_bytes())
    assert fates(fleet.run(SEEDED, **options)) == {DRIVE: 'failed'}
    assert bags_in(target) == before
    assert fates(fleet.run(SEEDED, **options, may_replace=True)) == {DRIVE: 'done'}
    assert bags_in(target).keys() == before.keys()
    assert bags_in(target) != before
