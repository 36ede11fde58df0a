# SPDX-License-Identifier: Apache-2.0
"""Every test talks to real processes on a ROS domain of its own."""

import importlib.util

import pytest

HAS_ROS = importlib.util.find_spec('rclpy') is not None


@pytest.fixture
def domain(monkeypatch):
    """Return a free ROS domain, seen on this machine only."""
    if not HAS_ROS:
        pytest.skip("rclpy is not installed: pip install 'anon_ros[ros]'")
    from live import Domain

    found = Domain()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(found.number))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setenv('ROS_LOCALHOST_ONLY', '0')
    monkeypatch.setenv('ROS_PYTHON_CHECK_FIELDS', '1')
    yield found.number
    found.release()


@pytest.fixture
def client(domain):
    """Return a client of the test's domain."""
    from live import Client

    opened = Client(domain)
    yield opened
    opened.close()


@pytest.fixture
def start(domain, tmp_path):
    """Return a function that starts a node with parameters; it is stopped at the end."""
    from live import LiveNode

    running = []

    def run(*parameters, **options):
        running.append(LiveNode(tmp_path, *parameters, **options))
        return running[-1]

    yield run
    for node in running:
        node.process.kill()
        node.stop()
