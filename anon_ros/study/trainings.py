# SPDX-License-Identifier: Apache-2.0
"""All trainings of a study, several side by side, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from anon_ros.errors import AnonError, UsageError
from anon_ros.study.curves import last_iteration
from anon_ros.study.job import is_complete, write_job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anon_ros.study.job import TrainingJob

_Handler: TypeAlias = Any
CURVE, LOG = 'curve.csv', 'log.txt'
_POLL_S = 0.5
_BAD_INPUT = 2
_LAST_LINES = 5


class TrainingError(AnonError):
    """A training ended before its time; the message says which and where its log lies."""


@dataclass(frozen=True)
class Crew:
    """
    How the trainings run.

    side_by_side: trainings at once. processes: of each training, by torchrun; one for each GPU.
    """

    side_by_side: int = 1
    processes: int = 1


@dataclass
class _Started:
    job: TrainingJob
    folder: Path
    process: subprocess.Popen[bytes]


@dataclass
class Trainings:
    """The jobs of a study, and how far they are."""

    jobs: Sequence[TrainingJob]
    root: Path
    crew: Crew
    running: list[_Started] = field(default_factory=list)
    _ended: int = field(default=0, init=False)
    """Iterations of the trainings that are over."""

    def run(self, progress: Callable[[int, int], None] = lambda *_: None) -> int:
        """
        Do all that is not done yet; return how many trainings that were.

        progress: called with iterations done and in all.
        Raises UsageError or TrainingError with what the first failing training said; the others
        are ended, and go on from their checkpoints next time.
        """
        waiting = [job for job in self.jobs if not is_complete(job, job.folder(self.root))]
        count = len(waiting)
        self._ended = sum(
            job.schedule.iterations for job in self.jobs if job not in waiting)
        before = _end_on_term()
        try:
            while waiting or self.running:
                while waiting and len(self.running) < self.crew.side_by_side:
                    self.running.append(self._start(waiting.pop(0)))
                time.sleep(_POLL_S)
                self.running = [each for each in self.running if not self._has_ended(each)]
                progress(*self._iterations())
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)
            for each in self.running:
                each.process.terminate()
            for each in self.running:
                each.process.wait()
        return count

    def _start(self, job: TrainingJob) -> _Started:
        folder = job.folder(self.root)
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, '-m']
        if self.crew.processes > 1:
            command += ['torch.distributed.run', '--standalone', '--nproc-per-node',
                        str(self.crew.processes), '-m']
        command += ['anon_ros.study.worker', str(write_job(job, folder))]
        # What a CUDA kernel needs to give the same sums twice.
        environment = {**os.environ, 'CUBLAS_WORKSPACE_CONFIG': ':4096:8'}
        if job.threads:
            environment['OMP_NUM_THREADS'] = str(job.threads)
        with (folder / LOG).open('ab') as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=environment)
        return _Started(job, folder, process)

    def _has_ended(self, started: _Started) -> bool:
        status = started.process.poll()
        if status is None:
            return False
        if status:
            last = _last_line(started.folder / LOG)
            text = f'{started.job.variant}, seed {started.job.seed}: {last}'
            if status == _BAD_INPUT:
                raise UsageError(text)
            raise TrainingError(
                f'{text} (ended with {status}); all of it is in {started.folder / LOG}')
        self._ended += started.job.schedule.iterations
        return True

    def _iterations(self) -> tuple[int, int]:
        # Of those that run, the curve alone: it is read twice a second.
        done = sum(last_iteration(each.folder / CURVE) for each in self.running)
        return self._ended + done, sum(job.schedule.iterations for job in self.jobs)


def _end_on_term() -> _Handler:
    """Let SIGTERM end this process by an exception, so that no training outlives it."""
    if threading.current_thread() is not threading.main_thread():
        return None

    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    return signal.signal(signal.SIGTERM, leave)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors='replace').strip().splitlines()
    said = [line for line in lines if line.startswith('anon-ros: ')]
    return (said or lines or ['it said nothing'])[-1].removeprefix('anon-ros: ')
