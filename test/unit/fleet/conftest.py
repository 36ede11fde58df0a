# SPDX-License-Identifier: Apache-2.0
"""A fleet of three small bags."""

import pytest
from fleet_helper import Fleet, write_bags


@pytest.fixture
def fleet(tmp_path):
    return Fleet(write_bags(tmp_path / 'source'), tmp_path / 'target', tmp_path / 'work')
