# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the GAN's tests."""

import pytest


@pytest.fixture(autouse=True, scope='session')
def one_thread():
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
