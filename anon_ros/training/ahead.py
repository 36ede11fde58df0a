# SPDX-License-Identifier: Apache-2.0
"""Samples for the next step of a training, made while it learns from those of the last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import cv2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Batch = TypeVar('Batch')


def made_ahead(
    make: Callable[[int], Batch], first_step: int, steps: int
) -> Iterator[Batch]:
    """Yield what `make` returns for each step from the first on, made one step ahead."""
    # OpenCV's own threads would only get in the way of the network's.
    cv2.setNumThreads(1)
    if first_step >= steps:
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, first_step)
        for step in range(first_step + 1, steps + 1):
            batch = ahead.result()
            if step < steps:
                ahead = pool.submit(make, step)
            yield batch
