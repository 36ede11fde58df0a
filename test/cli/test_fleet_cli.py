# SPDX-License-Identifier: Apache-2.0
"""`anon-ros fleet` as a process of its own, with real networks."""

import json

import pytest
from bag_builder import BagBuilder, picture
from command_line import anon_ros, fails

OPTIONS = ('--target', 'face', '--effort', 'fast', '--workers', '1', '--threads', '1')


@pytest.fixture
def models(shared_dir):
    return shared_dir / 'models'


@pytest.fixture
def source(tmp_path):
    for vehicle in ('one', 'two'):
        builder = BagBuilder()
        for i in range(6):
            builder.jpeg('/camera/front/compressed', (i + 1) * 10**8, picture(seed=i))
            builder.text('/chatter', (i + 1) * 10**8, vehicle)
        (tmp_path / 'source').mkdir(exist_ok=True)
        builder.write(tmp_path / 'source' / vehicle)
    return tmp_path / 'source'


def test_bags_get_done_failures_are_listed_and_the_command_repeats_them(source, tmp_path, models):
    file = source / 'two' / 'two.mcap'
    whole = file.read_bytes()
    file.write_bytes(whole[:500])
    target, work = tmp_path / 'a target', tmp_path / 'work'
    done = anon_ros('fleet', source, target, *OPTIONS, '--work', work, models=models)
    fails(done, 'two', 'two.mcap', 'repeat: anon-ros fleet ')
    assert '1 bags done, 0 done before, 1 failed' in done.stdout
    repeat = next(line for line in done.stderr.splitlines() if line.startswith('repeat: '))
    assert repeat.endswith('--only two')
    assert f"'{target}'" in repeat
    file.write_bytes(whole)
    again = anon_ros('fleet', source, target, *OPTIONS, '--work', work, '--only', 'two', '--json',
                     models=models)
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert (told['frames'], told['failed'], told['bags'][0]['fate']) == (6, 0, 'done')
    verified = anon_ros('verify', source / 'two', target / 'two', '--detect-every', '0')
    assert verified.returncode == 0, verified.stdout
    manifest = json.loads((target / 'two' / 'anon' / 'manifest.json').read_text())
    assert manifest['models'][0]['name'] == 'yunet'
    assert manifest['command'][1] == 'fleet'


def test_withheld_frames_end_with_status_3(source, tmp_path, models):
    builder = BagBuilder()
    builder.jpeg('/camera', 1, picture())
    builder.compressed('/camera', 2, b'no picture')
    builder.write(source / 'three')
    done = anon_ros('fleet', source, tmp_path / 'target', *OPTIONS, '--only', 'three',
                    '--work', tmp_path / 'work', models=models)
    assert done.returncode == 3, done.stderr
    assert '1 withheld' in done.stdout


def test_a_dry_run_tells_hours_and_writes_nothing(source, tmp_path, models):
    target = tmp_path / 'target'
    done = anon_ros('fleet', source, target, *OPTIONS, '--dry-run', '--work', tmp_path / 'work',
                    models=models)
    assert done.returncode == 0, done.stderr
    assert '2 bags to do' in done.stdout
    assert 'about 12 frames' in done.stdout
    assert 'hours' in done.stdout
    assert not target.exists()


@pytest.mark.parametrize(('options', 'message'), [
    (('--engine', 'slurm'), 'none of local, ray'),
    (('--only', 'nothing'), 'holds no such bag'),
    (('--target', 'cat'), 'cat'),
])
def test_bad_usage_is_one_line(source, tmp_path, options, message):
    fails(anon_ros('fleet', source, tmp_path / 'target', *options), message)
