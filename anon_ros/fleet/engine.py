# SPDX-License-Identifier: Apache-2.0
"""What runs tasks: several workers, each with one task at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from anon_ros.fleet.tasks import Failure, Report, Result, Task


@dataclass(frozen=True)
class Reported:
    """A worker is on its way."""

    slot: int
    report: Report


@dataclass(frozen=True)
class Finished:
    """A worker has a result and is free."""

    slot: int
    result: Result


@dataclass(frozen=True)
class Failed:
    """A worker could not do its task and is free; is_dead: it died of it, and is replaced."""

    slot: int
    failure: Failure
    is_dead: bool = False


Event: TypeAlias = 'Reported | Finished | Failed'


class Engine(Protocol):
    """Workers in numbered slots; a context manager that leaves none behind."""

    @property
    def slots(self) -> int:
        """How many workers there are."""

    def start(self, slot: int, task: Task) -> None:
        """Give a task to a worker that has none."""

    def cancel(self, slot: int) -> None:
        """End what a worker does; no event comes of it, and the slot is free."""

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what happened; wait for it as long as that, and return [] for nothing."""

    def __enter__(self) -> Engine:
        """Start the workers."""

    def __exit__(self, *exception: object) -> None:
        """End all workers."""
