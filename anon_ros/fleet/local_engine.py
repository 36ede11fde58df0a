# SPDX-License-Identifier: Apache-2.0
"""Workers that are processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from anon_ros.fleet.engine import Failed, Finished, Reported
from anon_ros.fleet.tasks import Failure, Report, failure_of
from anon_ros.fleet.worker import Worker
from anon_ros.media.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnProcess

    from anon_ros.fleet.engine import Event
    from anon_ros.fleet.tasks import Job, Task

_POOLS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')
_JOIN_S = 5.0


@dataclass
class _Slot:
    process: SpawnProcess
    connection: Connection


class LocalEngine:
    """
    Processes, each a fresh interpreter.

    Whoever dies, for lack of memory or by a kill, takes one task along and is replaced. When this
    process ends, however it ends, they end too: their pipe closes.
    """

    def __init__(self, job: Job, workers: int) -> None:
        """Take the number of workers; the job's settings say how many threads each has."""
        self.slots = workers
        self._job = job
        self._context = multiprocessing.get_context('spawn')
        self._slots: dict[int, _Slot] = {}

    def __enter__(self) -> LocalEngine:
        for slot in range(self.slots):
            self._slots[slot] = self._spawn()
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._slots.values():
            _end(slot)
        self._slots.clear()

    def start(self, slot: int, task: Task) -> None:
        """Give a task to a worker; if it has died meanwhile, wait tells."""
        try:
            self._slots[slot].connection.send(task)
        except OSError:
            return

    def cancel(self, slot: int) -> None:
        """Kill a worker and start another one."""
        _end(self._slots[slot])
        self._slots[slot] = self._spawn()

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what workers have sent, and who of them has died."""
        by_handle = {
            handle: number for number, slot in self._slots.items()
            for handle in (slot.connection, slot.process.sentinel)
        }
        ready = {by_handle[handle] for handle in wait(list(by_handle), timeout_s)
                 if isinstance(handle, (Connection, int))}
        return [event for number in sorted(ready) for event in self._events(number)]

    def _events(self, number: int) -> Iterator[Event]:
        slot = self._slots[number]
        try:
            # What a worker has sent before it died counts.
            while slot.connection.poll():
                yield _event(number, slot.connection.recv())
        except (EOFError, OSError):
            pass
        else:
            if slot.process.is_alive():
                return
        slot.process.join(_JOIN_S)
        cause = _cause_of_death(slot.process.exitcode)
        self.cancel(number)
        yield Failed(number, Failure(cause), is_dead=True)

    def _spawn(self) -> _Slot:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve, args=(theirs, self._job), name='anon-fleet-worker', daemon=True)
        with _few_threads(self._job.settings.threads):
            process.start()
        theirs.close()
        return _Slot(process, ours)


def serve(connection: Connection, job: Job) -> None:
    """Do the tasks that come through a pipe until it closes; the main function of a worker."""
    # An interrupt from the keyboard reaches all processes; the one who planned ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
    worker = Worker(job)
    while True:
        task = tasks.get()
        try:
            answer: object = worker.run(task, connection.send)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who planned decides
            answer = failure_of(error)
        connection.send(answer)


def _receive(connection: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        # Nobody is left to work for; what is half done can be gone on with.
        os._exit(1)


def _event(slot: int, message: object) -> Event:
    if isinstance(message, Report):
        return Reported(slot, message)
    if isinstance(message, Failure):
        return Failed(slot, message)
    return Finished(slot, message)  # type: ignore[arg-type]  # workers send nothing else


def _end(slot: _Slot) -> None:
    slot.process.kill()
    slot.process.join(_JOIN_S)
    slot.connection.close()


def _cause_of_death(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return 'the worker was killed: by somebody, or for lack of memory (give it fewer threads)'
    if exit_code is not None and exit_code < 0:
        return f'the worker died by signal {signal.Signals(-exit_code).name}'
    return f'the worker ended by itself, with status {exit_code}'


@contextmanager
def _few_threads(threads: int) -> Iterator[None]:
    """Let libraries in a child process start no more threads than it has to itself."""
    before = {name: os.environ.get(name) for name in _POOLS}
    for name in _POOLS:
        os.environ.setdefault(name, str(max(threads, 1)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
