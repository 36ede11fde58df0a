# SPDX-License-Identifier: Apache-2.0
"""Calls that run side by side, and whose results come in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = TypeVar('Result')
CALLS_PER_THREAD = 4


def results_in_order(
    calls: Iterable[Callable[[], Result]], threads: int
) -> Iterator[Result]:
    """
    Run calls on so many threads; yield their results in the order of the calls.

    A few calls a thread are taken ahead, so memory does not depend on how many there are. Those
    that have not begun are dropped where one fails or the caller stops.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) >= threads * CALLS_PER_THREAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
