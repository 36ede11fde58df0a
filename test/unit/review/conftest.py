# SPDX-License-Identifier: Apache-2.0
"""A result in which somebody was missed, once made and copied for each test."""

import shutil

import pytest
from reviewed import Reviewed, make_result


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp('reviewed'))


@pytest.fixture
def reviewed(made, tmp_path):
    """Return a result that a test may change."""
    shutil.copytree(made.target, tmp_path / made.target.name)
    return Reviewed(made.source, tmp_path / made.target.name)
