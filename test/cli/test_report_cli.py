# SPDX-License-Identifier: Apache-2.0
"""`anon-ros verify RESULT` and `anon-ros report`, as processes of their own."""

import pytest
from bag_builder import BagBuilder, MagentaDetector, picture
from command_line import anon_ros, fails

from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag


@pytest.fixture
def target(tmp_path):
    builder = BagBuilder()
    for i in range(6):
        builder.jpeg('/camera', (i + 1) * 10**8, picture(seed=i))
    target = tmp_path / 'results' / 'target'
    target.parent.mkdir()
    anonymize_bag(BagJob(builder.write(tmp_path / 'bag'), target),
                  Settings(target=('face',), threads=1), detector=MagentaDetector())
    return target


def test_a_result_is_verified_alone(target, tmp_path):
    sealed = anon_ros('verify', target)
    assert sealed.returncode == 0, sealed.stderr
    assert sealed.stdout.startswith('sealed: the result is what the seal says: 6 messages, root ')
    assert anon_ros('verify', target, '--root', sealed.stdout.split()[-1][:8]).returncode == 0
    fails(anon_ros('verify', tmp_path / 'bag'), 'neither a result')
    (target / 'anon' / 'regions.jsonl').write_text('{}')
    changed = anon_ros('verify', target)
    assert changed.returncode == 2
    assert changed.stdout.startswith('changed: ')
    assert 'regions.jsonl: was changed' in changed.stdout
    assert 'Traceback' not in changed.stderr
    many = anon_ros('verify', target.parent)
    assert many.returncode == 2
    assert 'target: changed: ' in many.stdout


def test_a_sample_is_drawn_and_refused_while_nobody_has_labelled_it(target, tmp_path):
    sampled = anon_ros('report', target, '--sample', '3')
    assert sampled.returncode == 0, sampled.stderr
    assert '3 of 6 frames' in sampled.stdout
    folder = target.with_name('target_sample')
    assert len(list((folder / 'frames').iterdir())) == 3
    fails(anon_ros('report', target, '--labels', folder / 'labels.json'), '3 of 3 frames are not')
    fails(anon_ros('report', target, '--sign', tmp_path / 'key.pem'), '--signer')


def test_reports_of_one_and_of_many(target, tmp_path):
    assert '/camera' in anon_ros('report', target).stdout
    many = anon_ros('report', target.parent)
    assert many.stdout.startswith('1 result, 6 frames, 0 withheld')
    assert (target.parent / 'report.html').is_file()
    fails(anon_ros('report', tmp_path / 'nothing'), 'neither a result')
