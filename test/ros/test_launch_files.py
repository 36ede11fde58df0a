# SPDX-License-Identifier: Apache-2.0
"""The launch files, where launch_ros and launch_testing are installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ('rclpy', 'launch_ros', 'launch_testing', 'launch_testing_ros')


@pytest.fixture
def needs_launch():
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f'{", ".join(missing)} are not installed: they come with a ROS distribution')
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        get_package_prefix('anon_ros')
    except PackageNotFoundError:
        pytest.skip('anon_ros is not in AMENT_PREFIX_PATH: build it by colcon and source it')


def run(code, tmp_path, **environment):
    return subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=180, env={**os.environ, 'ROS_LOG_DIR': str(tmp_path), **environment},
    )


@pytest.mark.parametrize('name', ['anonymizer', 'multi_camera'])
def test_every_argument_is_described(needs_launch, tmp_path, name):
    code = (
        'from launch import LaunchContext\n'
        'from launch.launch_description_sources import PythonLaunchDescriptionSource\n'
        f'source = PythonLaunchDescriptionSource("launch/{name}.launch.py")\n'
        'found = source.get_launch_description(LaunchContext()).get_launch_arguments()\n'
        'for each in found:\n'
        '    assert each.description[:2] not in ("", "no"), each.name\n'
        'print(" ".join(each.name for each in found))\n'
    )
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    common = {'params_file', 'namespace', 'autostart', 'respawn', 'use_sim_time', 'log_level',
              'dds_profile', 'input', 'output', 'transport'}
    assert common <= set(result.stdout.split())


def test_the_node_runs_as_launched(needs_launch, domain, tmp_path, shared_dir):
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text(
        '/**:\n  ros__parameters:\n    target: [face]\n    effort: fast\n'
        '    max_latency_ms: 20000.0\n'
    )
    code = (
        'import sys\n'
        'from launch_testing.loader import LoadTestsFromPythonModule\n'
        'from launch_testing.test_runner import LaunchTestRunner\n'
        'sys.path.insert(0, "test/ros")\n'
        'import live_launch\n'
        'runner = LaunchTestRunner(LoadTestsFromPythonModule(live_launch))\n'
        'runner.validate()\n'
        'results = runner.run().values()\n'
        'sys.exit(not all(result.wasSuccessful() for result in results))\n'
    )
    result = run(
        code, tmp_path, ANON_ROS_TEST_PARAMS=str(parameters),
        ANON_ROS_MODELS=str(shared_dir / 'models'),
    )
    assert result.returncode == 0, result.stdout + result.stderr
