# SPDX-License-Identifier: Apache-2.0
"""A bag to fill, for every test of this folder."""

import pytest
from bag_builder import BagBuilder


@pytest.fixture
def builder():
    return BagBuilder()
