# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the trainings' tests."""

import pytest


@pytest.fixture(autouse=True, scope='session')
def one_thread(one_torch_thread):
    """Compute on one thread in all of them: their networks are small."""
