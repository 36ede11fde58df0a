# SPDX-License-Identifier: Apache-2.0
"""Workers that are actors of a Ray cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anon_ros.errors import UsageError
from anon_ros.fleet.engine import Failed, Finished, Reported
from anon_ros.fleet.tasks import Failure, Report, RewriteTask, failure_of
from anon_ros.fleet.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anon_ros.fleet.engine import Event
    from anon_ros.fleet.tasks import Job, Result, Task

LOCAL = 'local'
"""The address of a cluster that is started for one run and ends with it."""


@dataclass(frozen=True)
class RayOptions:
    """
    Where the cluster is, and what a worker takes of it.

    address: as ray.init takes it. workers: how many, 0 for as many as the cluster holds.
    cpus, gpus: of each worker; two workers with half a GPU share one.
    """

    address: str = 'auto'
    workers: int = 0
    cpus: int = 1
    gpus: float = 0.0


class Actor:
    """A worker as a Ray actor: it answers for its progress while it works."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)
        self._report = Report(0.0)

    def run(self, task: Task) -> Result | Failure:
        """Return a task's result, or why there is none."""
        self._report = Report(0.0)
        try:
            return self._worker.run(task, self._take)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who planned decides
            return failure_of(error)

    def progress(self) -> Report:
        """Return how far the task is."""
        return self._report

    def _take(self, report: Report) -> None:
        self._report = report


@dataclass
class _Slot:
    actor: Any
    running: Any = None
    asked: Any = None


class RayEngine:
    """
    Actors of a Ray cluster, each with one set of networks.

    An actor that dies, also with its machine, takes one task along and is replaced. Whatever the
    cluster cannot hold waits until it can.
    """

    def __init__(self, job: Job, options: RayOptions) -> None:
        """Raise UsageError where Ray is not installed."""
        try:
            import ray
        except ImportError as error:
            raise UsageError("--engine ray: needs Ray: pip install 'anon_ros[fleet]'") from error
        self._ray: Any = ray
        self._job = job
        self._options = options
        self._slots: dict[int, _Slot] = {}
        self._is_ours = False
        self.slots = options.workers

    def __enter__(self) -> RayEngine:
        self._connect()
        options, resources = self._options, self._ray.cluster_resources()
        if not self.slots:
            held = [resources.get('CPU', 0) // max(options.cpus, 1)]
            if options.gpus:
                held.append(resources.get('GPU', 0) // options.gpus)
            self.slots = max(int(min(held)), 1)
        self._check(resources)
        for slot in range(self.slots):
            self._slots[slot] = _Slot(self._new_actor())
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._slots.values():
            self._ray.kill(slot.actor)
        self._slots.clear()
        if self._is_ours:
            self._ray.shutdown()

    def start(self, slot: int, task: Task) -> None:
        """Give a task to a worker; what was looked into travels along."""
        if isinstance(task, RewriteTask):
            task = replace(task, looks=tuple(
                each.read_bytes() if isinstance(each, Path) else each for each in task.looks))
        self._slots[slot].running = self._slots[slot].actor.run.remote(task)

    def cancel(self, slot: int) -> None:
        """Kill a worker and ask for another one."""
        self._ray.kill(self._slots[slot].actor)
        self._slots[slot] = _Slot(self._new_actor())

    def wait(self, timeout_s: float) -> list[Event]:
        """Return who has finished or died, and how far the others are."""
        running = {slot.running: number for number, slot in self._slots.items()
                   if slot.running is not None}
        if not running:
            return []
        ready, _ = self._ray.wait(list(running), num_returns=1, timeout=timeout_s)
        more, _ = self._ray.wait(list(running), num_returns=len(running), timeout=0)
        events = [self._ended(running[each]) for each in dict.fromkeys([*ready, *more])]
        return events + list(self._reports())

    def _ended(self, number: int) -> Event:
        slot = self._slots[number]
        try:
            answer = self._ray.get(slot.running)
        except self._ray.exceptions.RayError as error:
            self.cancel(number)
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return Failed(number, Failure(f'the worker died: {lines[0]}'), is_dead=True)
        slot.running = slot.asked = None
        return Failed(number, answer) if isinstance(answer, Failure) else Finished(number, answer)

    def _reports(self) -> Iterator[Event]:
        for number, slot in self._slots.items():
            if slot.running is None:
                continue
            if slot.asked is None:
                slot.asked = slot.actor.progress.remote()
            if self._ray.wait([slot.asked], timeout=0)[0]:
                asked, slot.asked = slot.asked, None
                try:
                    report = self._ray.get(asked)
                except self._ray.exceptions.RayError:  # it died: its task tells
                    continue
                yield Reported(number, report)

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        # A cluster that is started here tells nobody that it was used.
        os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
        # Its workers are the run itself, and no less than whatever else goes on here.
        os.environ.setdefault('RAY_worker_niceness', '0')
        options = {'include_dashboard': False} if self._options.address == LOCAL else {}
        try:
            self._ray.init(
                address=self._options.address, log_to_driver=False, logging_level='ERROR',
                **options,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = ' '.join(str(error).split())
            raise UsageError(
                f'--address {self._options.address}: no Ray cluster: {reason}') from error
        self._is_ours = True

    def _check(self, resources: dict[str, float]) -> None:
        """Raise UsageError where not even one worker would ever start."""
        wanted = {'CPU': float(self._options.cpus), 'GPU': self._options.gpus}
        for name, amount in wanted.items():
            if amount > resources.get(name, 0.0):
                raise UsageError(
                    f'a worker wants {amount:g} {name}, the cluster has '
                    f'{resources.get(name, 0.0):g} in all')

    def _new_actor(self) -> Any:
        actor = self._ray.remote(Actor).options(
            num_cpus=self._options.cpus, num_gpus=self._options.gpus, max_concurrency=2,
        )
        return actor.remote(self._job)
