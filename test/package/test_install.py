# SPDX-License-Identifier: Apache-2.0
"""colcon builds the workspace, plain pip installs it, and everything lies where ROS looks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import anon_ros

ROOT = Path(__file__).resolve().parents[2]
COPIED = ('anon_ros', 'launch', 'config', 'resource', 'package.xml', 'setup.py', 'setup.cfg')


@pytest.fixture
def workspace(tmp_path):
    package = tmp_path / 'workspace' / 'src' / 'anon_ros'
    package.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(source, package / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, package / name)
    return tmp_path / 'workspace'


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def check_share(prefix):
    share = prefix / 'share'
    assert (share / 'ament_index' / 'resource_index' / 'packages' / 'anon_ros').is_file()
    assert (share / 'anon_ros' / 'package.xml').is_file()
    assert (share / 'anon_ros' / 'config' / 'anonymizer.yaml').is_file()


def test_colcon_builds_the_workspace(workspace):
    colcon = Path(sys.executable).with_name('colcon')
    if not colcon.exists():
        pytest.skip('colcon is not installed beside this Python')
    environment = {
        name: value for name, value in os.environ.items()
        if not name.startswith(('COV_', 'COVERAGE', 'PYTHONPATH'))
    }
    path = f'{colcon.parent}{os.pathsep}{environment["PATH"]}'
    run(
        [str(colcon), 'build', '--event-handlers', 'console_direct+'], cwd=workspace,
        env={**environment, 'PATH': path},
    )
    prefix = workspace / 'install' / 'anon_ros'
    check_share(prefix)
    # Where `ros2 run anon_ros anon-ros` looks.
    script = prefix / 'lib' / 'anon_ros' / 'anon-ros'
    assert script.is_file()
    assert os.access(script, os.X_OK)
    installed = next(prefix.glob('lib/python3*/site-packages/anon_ros'))
    shipped = {path.relative_to(ROOT / 'anon_ros') for path in (ROOT / 'anon_ros').rglob('*')
               if path.is_file() and '__pycache__' not in path.parts}
    there = {path.relative_to(installed) for path in installed.rglob('*') if path.is_file()}
    assert shipped <= there, f'not installed: {sorted(map(str, shipped - there))[:5]}'


def test_plain_pip_installs_it(workspace, tmp_path):
    prefix = tmp_path / 'prefix'
    run([
        sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--ignore-installed',
        '--prefix', str(prefix),
        '--no-build-isolation', str(workspace / 'src' / 'anon_ros'),
    ])
    check_share(prefix)
    scripts = [path for path in prefix.rglob('anon-ros') if path.is_file()]
    assert [path.parent.name for path in scripts] == ['bin']


def test_versions_agree():
    xml = ET.parse(ROOT / 'package.xml').getroot()
    assert xml.findtext('version') == anon_ros.__version__
    assert f"VERSION = '{anon_ros.__version__}'" in (ROOT / 'setup.py').read_text()
    assert xml.findtext('license') == 'Apache-2.0'
