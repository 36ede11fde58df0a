# SPDX-License-Identifier: Apache-2.0
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from anon_ros.detection.people_batches import Batches
from anon_ros.errors import ModelError

WAIT_S = 30


def test_a_lone_caller_is_a_batch_of_one():
    sizes = []
    batches = Batches(lambda items: [sizes.append(len(items)) or item + 1 for item in items], 8)
    assert [batches.submit(i) for i in range(3)] == [1, 2, 3]
    assert sizes == [1, 1, 1]


def test_everyone_gets_the_own_result_and_no_batch_is_too_large():
    sizes = []

    def run(items):
        sizes.append(len(items))
        return [item * item for item in items]

    batches = Batches(run, 3)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(batches.submit, range(200))) == [i * i for i in range(200)]
    assert sum(sizes) == 200
    assert max(sizes) <= 3


def test_who_comes_while_it_runs_shares_the_next_batches():
    started, go_on, sizes = threading.Event(), threading.Event(), []

    def run(items):
        sizes.append(len(items))
        started.set()
        assert go_on.wait(WAIT_S)
        return items

    batches = Batches(run, 2)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batches.submit, 0)
        assert started.wait(WAIT_S)
        others = [pool.submit(batches.submit, i) for i in (1, 2, 3)]
        while len(batches._waiting) < 3:
            threading.Event().wait(0.001)
        go_on.set()
        assert [future.result(WAIT_S) for future in (first, *others)] == [0, 1, 2, 3]
    assert sizes == [1, 2, 1]


def test_an_error_reaches_every_caller_of_the_batch():
    def run(items):
        raise ModelError('out of memory')

    batches = Batches(run, 4)
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(batches.submit, i) for i in range(6)]
        for future in futures:
            with pytest.raises(ModelError, match='out of memory'):
                future.result(WAIT_S)


def test_a_defect_leaves_nobody_waiting():
    def run(items):
        raise ZeroDivisionError

    batches = Batches(run, 4)
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(batches.submit, i) for i in range(6)]
        for future in futures:
            with pytest.raises((ZeroDivisionError, ModelError)):
                future.result(WAIT_S)


def test_too_few_results_leave_nobody_waiting():
    with pytest.raises((ValueError, ModelError)):
        Batches(lambda items: items[:-1], 4).submit(1)
