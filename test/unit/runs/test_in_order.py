# SPDX-License-Identifier: Apache-2.0
"""Results come in the order of the calls; few are taken ahead; a failure ends it."""

import functools
import time

import pytest

from anon_ros.errors import FrameError
from anon_ros.runs.in_order import CALLS_PER_THREAD, results_in_order


@pytest.mark.parametrize('threads', [1, 3])
def test_results_come_in_the_order_of_the_calls(threads):
    def late(number):
        time.sleep(0.002 * (number % 3 == 0))
        return number

    calls = (functools.partial(late, number) for number in range(40))
    assert list(results_in_order(calls, threads)) == list(range(40))


def test_without_calls_there_is_nothing():
    assert list(results_in_order(iter(()), 2)) == []


def test_few_calls_are_taken_ahead_of_who_asks():
    taken = []

    def calls():
        for number in range(1000):
            taken.append(number)
            yield lambda: None

    results = results_in_order(calls(), 2)
    next(results)
    assert len(taken) == 2 * CALLS_PER_THREAD
    results.close()


def test_a_failure_comes_in_its_turn_and_ends_it():
    begun = []

    def call(number):
        begun.append(number)
        if number == 1:
            raise FrameError('broken')
        return number

    results = results_in_order((functools.partial(call, number) for number in range(100)), 2)
    assert next(results) == 0
    with pytest.raises(FrameError, match='broken'):
        next(results)
    assert len(begun) <= 2 * CALLS_PER_THREAD + 1
    assert list(results) == []
