# SPDX-License-Identifier: Apache-2.0
"""A training gets what was made for each of its steps, in order, from the step it begins with."""

import pytest

from anon_ros.training.ahead import made_ahead


@pytest.mark.parametrize(('first', 'steps'), [(0, 5), (3, 5), (4, 5), (5, 5), (6, 5), (0, 0)])
def test_each_step_once_and_in_order(first, steps):
    made = []

    def make(step):
        made.append(step)
        return f'batch {step}'

    assert list(made_ahead(make, first, steps)) == [f'batch {i}' for i in range(first, steps)]
    assert made == list(range(first, steps))


def test_what_cannot_be_made_is_told_in_its_turn():
    def make(step):
        if step == 2:
            raise ValueError('no sample')
        return step

    batches = made_ahead(make, 0, 5)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match='no sample'):
        next(batches)
