# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several rooms share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """Return the folder of development data; skip where it is not there."""
    folder = Path(os.environ.get('ANON_ROS_SHARED', ROOT.parent / 'shared'))
    if not folder.is_dir():
        pytest.skip(f'development data is not there: {folder}')
    return folder
