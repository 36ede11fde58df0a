# SPDX-License-Identifier: Apache-2.0
"""What a worker does with a task; its networks are loaded once and serve all of them."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from anon_ros import __version__, factory
from anon_ros.bags.looks import Looks
from anon_ros.errors import OutputError, RegionsError
from anon_ros.fleet.scratch import local_bag, scratch
from anon_ros.fleet.staging import files_of, publish, staging, staging_name
from anon_ros.fleet.state import Outcome
from anon_ros.fleet.tasks import LookDone, LookTask, Report, RewriteDone
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, Means, anonymize_bag
from anon_ros.runs.look import LookJob, look_into

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.audit.recorder import RunRecorder
    from anon_ros.bags.rewrite import Progress
    from anon_ros.factory import Networks
    from anon_ros.fleet.tasks import Job, Result, RewriteTask, Task

REPORT_S = 0.5


def looks_made_by(settings_hash: str) -> str:
    """Return what packed looks depend on beside the messages."""
    return f'{settings_hash} {__version__}'


class Worker:
    """Does one task after another."""

    def __init__(self, job: Job) -> None:
        """Take what all tasks share; nothing is loaded before the first task."""
        self._job = job

    def run(self, task: Task, report: Callable[[Report], None]) -> Result:
        """Return a task's result; raise whatever goes wrong. report: called now and then."""
        if isinstance(task, LookTask):
            return self._look(task, _Throttle(report))
        return self._rewrite(task, _Throttle(report))

    @cached_property
    def networks(self) -> Networks:
        """All networks, loaded at the first use."""
        if self._job.new_detector is not None:
            return factory.Networks(self._job.new_detector(), None, ModelStore())
        return factory.load_networks(self._job.settings, ModelStore())

    def _look(self, task: LookTask, report: _Throttle) -> LookDone:
        start_s = time.perf_counter()
        job, topics = self._job, self._job.topics
        needed = [file for file in task.bag.files
                  if file not in task.bag.recording_files or _last(file.name) == task.part.file]
        with local_bag(job.source, task.bag, needed, job.work) as source:
            found = look_into(
                LookJob(source, task.part, looks_made_by(job.settings_hash),
                        topics.selected, topics.copied, topics.dropped),
                job.settings, self.networks, progress=report.share,
            )
        return LookDone(found.looks, found.frames, time.perf_counter() - start_s)

    def _rewrite(self, task: RewriteTask, report: _Throttle) -> RewriteDone:
        start_s = time.perf_counter()
        job, target, bag = self._job, self._job.target, task.bag
        with local_bag(job.source, bag, bag.files, job.work) as source, scratch(job.work) as own:
            folder = (target.folder or own) / staging_name(bag.name)
            with staging(task, job.settings_hash, folder) as staged:
                manifest = self._anonymize(task, source, staged, report)
                files = files_of(staged, bag.name)
                if not task.lease.is_held(target):
                    raise OutputError(f'{bag.name}: another run has taken it over')
                publish(staged, target, bag.name)
        return RewriteDone(_outcome(manifest, time.perf_counter() - start_s, files))

    def _anonymize(
        self, task: RewriteTask, source: Path, staged: Path, report: _Throttle
    ) -> Manifest:
        is_resumed = staged.with_name(f'{staged.name}.partial').exists()
        topics = self._job.topics
        job = BagJob(
            source, staged, topics.selected, topics.copied, topics.dropped, resume=is_resumed,
            command=self._job.command,
        )
        means = Means(self.networks, task.secret, self._looks(task))
        try:
            return anonymize_bag(
                job, self._job.settings, progress=report.frames, means=means).manifest
        except RegionsError as error:
            if not is_resumed:
                raise
            # What was left behind is not to be gone on with; it is gone at the next try.
            raise OutputError(f'{task.bag.name}: begun anew: {error}') from error

    def _looks(self, task: RewriteTask) -> Looks | None:
        try:
            return Looks.of(task.looks, looks_made_by(self._job.settings_hash))
        except RegionsError:  # then everything is looked into here
            return None


class _Throttle:
    """Passes reports on, but not too many."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._last_s = 0.0

    def share(self, done: int, total: int) -> None:
        """Report what is done of how much."""
        if self._is_due():
            self._report(Report(done / max(total, 1)))

    def frames(self, progress: Progress, recorder: RunRecorder) -> None:
        """Report a run's progress and what its recorder counts."""
        if self._is_due():
            totals = recorder.totals()
            share = progress.done / progress.total if progress.total > 0 else 0.0
            self._report(Report(share, totals.frames, totals.withheld, totals.regions))

    def _is_due(self) -> bool:
        now_s = time.monotonic()
        is_due = now_s - self._last_s >= REPORT_S
        if is_due:
            self._last_s = now_s
        return is_due


def _outcome(manifest: Manifest, wall_s: float, files: dict[str, int]) -> Outcome:
    dropped = sum(sum(topic.dropped.values()) for topic in manifest.topics)
    return Outcome(
        frames=manifest.frames, withheld=manifest.withheld + dropped,
        regions=dict(manifest.regions_by_kind), wall_s=wall_s, files=files,
    )


def _last(name: str) -> str:
    return name.rpartition('/')[2]
