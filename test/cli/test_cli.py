# SPDX-License-Identifier: Apache-2.0
"""What the command line says and with which status it ends, as a process of its own."""

import json

import cv2
import numpy as np
import pytest
from bag_builder import BagBuilder, picture
from command_line import anon_ros, fails


@pytest.fixture
def bag(tmp_path):
    builder = BagBuilder()
    for i in range(6):
        builder.jpeg('/camera/front/compressed', (i + 1) * 10**8, picture(seed=i))
        builder.text('/chatter', (i + 1) * 10**8, 'hello')
    return builder.write(tmp_path / 'bag')


@pytest.fixture
def models(shared_dir):
    return shared_dir / 'models'


def test_help_and_version():
    assert anon_ros('--help').returncode == 0
    for command in ('bag', 'verify', 'image', 'video', 'report', 'demo', 'models', 'bench'):
        assert anon_ros(command, '--help').returncode == 0, command
    assert anon_ros('--version').stdout.startswith('anon-ros ')


def test_help_shows_every_setting_with_its_default():
    text = ' '.join(anon_ros('bag', '--help').stdout.split())
    assert '--window-s' in text
    assert '(default: balanced)' in text


def test_bag_report_verify(bag, tmp_path, models):
    target = tmp_path / 'target'
    done = anon_ros('bag', bag, target, '--target', 'face', '--effort', 'fast', '--json',
                    models=models)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert manifest['settings']['effort'] == 'fast'
    assert manifest['models'][0]['name'] == 'yunet'
    verified = anon_ros('verify', bag, target, '--detect-every', '2', models=models)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert 'nothing else changed' in verified.stdout
    assert '/camera/front/compressed' in anon_ros('report', target).stdout


def test_withheld_frames_end_with_status_3(tmp_path, models):
    builder = BagBuilder()
    builder.jpeg('/camera', 1, picture())
    builder.compressed('/camera', 2, b'\xff\xd8\xff\xe0 broken')
    source = builder.write(tmp_path / 'source')
    done = anon_ros('bag', source, tmp_path / 'target', '--target', 'face', models=models)
    assert done.returncode == 3, done.stderr
    assert 'withheld: /camera: 1 times' in done.stdout


def test_verify_notices_one_changed_byte(bag, tmp_path, models):
    target = tmp_path / 'target'
    anon_ros('bag', bag, target, '--target', 'face', models=models)
    path = next(target.glob('*.mcap'))
    data = bytearray(path.read_bytes())
    at = data.rfind(b'hello')
    data[at] ^= 1
    path.write_bytes(data)
    result = anon_ros('verify', bag, target, '--detect-every', '0', models=models)
    assert result.returncode == 2


def test_bad_topics(bag, tmp_path, models):
    fails(anon_ros('bag', bag, tmp_path / 't', '--drop-topic', '/chater', models=models),
          '/chater', '/chatter')
    assert not (tmp_path / 't').exists()


def test_bad_settings(bag, tmp_path, models):
    target = tmp_path / 't'
    fails(anon_ros('bag', bag, target, '--effort', 'lazy', models=models), 'lazy', 'thorough')
    fails(anon_ros('bag', bag, target, '--margin', '7', models=models), 'margin', '7')
    config = tmp_path / 'c.yaml'
    config.write_text('/**:\n  ros__parameters:\n    marginn: 0.2\n')
    fails(anon_ros('bag', bag, target, '--config', config, models=models), 'marginn')
    config.write_text('- [')
    fails(anon_ros('bag', bag, target, '--config', config, models=models), 'c.yaml')


def test_options_win_over_the_file(bag, tmp_path, models):
    config = tmp_path / 'c.yaml'
    config.write_text('/**: {ros__parameters: {margin: 0.2, target: [face], seed: 4}}')
    done = anon_ros('bag', bag, tmp_path / 't', '--config', config, '--margin', '0.3', '--json',
                    models=models)
    settings = json.loads(done.stdout)['settings']
    assert (settings['margin'], settings['seed'], settings['target']) == (0.3, 4, ['face'])


def test_bad_paths(bag, tmp_path, models, shared_dir):
    fails(anon_ros('bag', tmp_path / 'nothing', tmp_path / 't', models=models), 'nothing')
    fails(anon_ros('bag', bag, bag, models=models), 'exists')
    occupied = tmp_path / 'file'
    occupied.write_text('')
    fails(anon_ros('bag', bag, occupied / 't', '--target', 'face', models=models), str(occupied))
    damaged = shared_dir / 'data' / 'bags' / 'damaged'
    for name, word in (('test_truncated.bag', 'reindex'), ('test_unindexed.bag', 'reindex'),
                       ('test_sample_truncated.mcap', 'truncated')):
        result = anon_ros('bag', damaged / name, tmp_path / 't', models=models)
        fails(result, name, word)
        assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / 't').exists()


def test_bad_models(bag, tmp_path):
    folder = tmp_path / 'models'
    folder.mkdir()
    (folder / 'yunet_n_dynamic.onnx').write_bytes(b'not the weights')
    result = anon_ros('bag', bag, tmp_path / 't', '--target', 'face', models=folder)
    fails(result, 'sha256', 'yunet_n_dynamic.onnx')
    assert not (tmp_path / 't').exists()


def test_a_huge_header_is_withheld_not_decoded(tmp_path, models):
    data = bytearray(cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    at = data.index(b'\xff\xc0') + 5
    data[at:at + 4] = (60000).to_bytes(2, 'big') * 2
    builder = BagBuilder()
    builder.compressed('/camera', 1, bytes(data))
    source = builder.write(tmp_path / 'source')
    done = anon_ros('bag', source, tmp_path / 'target', '--target', 'face', models=models)
    assert done.returncode == 3, done.stderr
    assert '60000' in done.stdout


def test_images(tmp_path, models, shared_dir):
    face = next((shared_dir / 'data' / 'faces_synthetic').glob('*.jpg'))
    done = anon_ros('image', face, tmp_path / 'out.jpg', '--target', 'face', '--json',
                    models=models)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)['topics'][0]['camera']['regions_by_kind']
    assert counts['face'] >= 1
    assert (tmp_path / 'out.jpg').read_bytes() != face.read_bytes()


def test_models_are_listed(models):
    listed = anon_ros('models', 'list', models=models)
    assert listed.returncode == 0
    assert 'yunet' in listed.stdout
    assert 'ready' in listed.stdout
    fails(anon_ros('models', 'pull', 'no-such-model', models=models), 'no-such-model')
