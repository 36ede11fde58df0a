# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own for every test."""

import pytest


@pytest.fixture
def domain(monkeypatch):
    """Return a free ROS domain, seen on this machine only."""
    from live import Domain

    found = Domain()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(found.number))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    yield found.number
    found.release()
