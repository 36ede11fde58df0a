# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several rooms share."""

import os
from pathlib import Path

import pytest

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # not in the environment of the official tools
    pass
else:
    # How long something takes on a busy machine says nothing about what it does.
    settings.register_profile(
        'untimed', deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile('untimed')

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """Return the folder of development data; skip where it is not there."""
    folder = Path(os.environ.get('ANON_ROS_SHARED', ROOT.parent / 'shared'))
    if not folder.is_dir():
        pytest.skip(f'development data is not there: {folder}')
    return folder


@pytest.fixture(scope='session')
def one_torch_thread():
    """Compute on one thread: several wait for each other where other work keeps cores busy."""
    try:
        import torch
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
