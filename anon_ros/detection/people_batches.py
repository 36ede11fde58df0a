# SPDX-License-Identifier: Apache-2.0
"""Bring the images of several threads together, because a GPU is fastest on many at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from anon_ros.errors import AnonError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar('Item')
Result = TypeVar('Result')


class Batches(Generic[Item, Result]):
    """
    Runs a function of many items for callers that have one each.

    Whoever comes while nothing runs starts at once; those who come meanwhile are the next batch.
    So a lone caller never waits for company. Safe to call from several threads at once.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], largest: int) -> None:
        """Take the function, which gives one result for each item, and its largest batch."""
        self._run = run
        self._largest = largest
        self._is_running = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[tuple[Item, Future[Result]]] = []

    def submit(self, item: Item) -> Result:
        """
        Return the item's result.

        Raises what the function raised for the item's batch, as long as it is an AnonError;
        otherwise ModelError, and the error itself in the thread that ran the batch.
        """
        future: Future[Result] = Future()
        with self._guard:
            self._waiting.append((item, future))
        while not future.done():
            with self._is_running:
                if not future.done():
                    self._run_next()
        return future.result()

    def _run_next(self) -> None:
        with self._guard:
            batch = self._waiting[:self._largest]
            del self._waiting[:self._largest]
        futures = [future for _, future in batch]
        try:
            results = self._run([item for item, _ in batch])
            for future, result in zip(futures, results, strict=True):
                future.set_result(result)
        except AnonError as error:
            _fail(futures, error)
        finally:
            # Whatever else happened, nobody may wait for ever.
            _fail(futures, ModelError('a batch of images failed'))


def _fail(futures: Sequence[Future[Result]], error: AnonError) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
