# SPDX-License-Identifier: Apache-2.0
"""Anonymize a dataset by its own annotations; the tree, the names and the labels stay."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.frame_regions import FrameRegions, from_plain
from anon_ros.audit.manifest import (
    REGIONS_NAME,
    SIDECAR,
    BagRecord,
    FileRecord,
    FlagRecord,
    TopicRecord,
)
from anon_ros.audit.regions_file import RegionsReader, RegionsWriter, Source
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Kind
from anon_ros.core.settings import REALISTIC, Settings, method_by_kind
from anon_ros.datasets.disk_set import DiskSet
from anon_ros.datasets.files import IMAGE_SUFFIXES, copy, put_json, walk
from anon_ros.datasets.formats import check_format, open_dataset
from anon_ros.datasets.paper import LEAST_SIDE_PX
from anon_ros.datasets.problems import ON_ERROR, Problems
from anon_ros.datasets.protocols import (
    PAPER_FACE_THRESHOLDS,
    PROTOCOLS,
    check_paper_method,
    paper_sampling,
)
from anon_ros.datasets.records import ImageRecord
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.gan.histograms import NONE, PERSON, Tones
from anon_ros.runs.dataset_image import FACES, LEFT_AS_THEY_ARE, ImageWorker
from anon_ros.runs.dataset_job import DATASET
from anon_ros.runs.in_order import results_in_order
from anon_ros.runs.records import Run, new_header, write_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.datasets.formats import DatasetReader
    from anon_ros.runs.dataset_job import DatasetJob

PROBLEMS_NAME = 'problems.json'
REGIONS_OF = {'face': Kind.FACE, 'body': Kind.BODY}
ALL_INDICES = 1 << 62
NO_PART = 'a file that is no part of the dataset'
UNNAMED = 'an image that no chosen annotation names'
TAKEN_TONES = 'does not hold: the tones were taken from the people who were replaced'


@dataclass
class DatasetResult:
    """
    What came of it.

    weaknesses: why what was done does not hold, whatever it looks like.
    problems: how often what was wrong. left_out: images that were not written, by reason, and
    files that are no part of the dataset. untouched: people who are shown as they were, by
    reason; none with the safe protocol. splits: those that were asked for, () for all.
    """

    manifest: Manifest
    sidecar: Path
    problems: Mapping[str, int]
    left_out: Mapping[str, int]
    untouched: Mapping[str, int]
    splits: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()

    @property
    def is_short(self) -> bool:
        """Whether an image is missing that was asked for; a split that was not chosen is none."""
        is_unnamed = UNNAMED in self.left_out and not self.splits
        return bool(self.manifest.withheld or self.problems or is_unnamed)


def anonymize_dataset(
    job: DatasetJob,
    settings: Settings,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
    detector: RegionDetector | None = None,
) -> DatasetResult:
    """
    Write an anonymized copy of a dataset.

    progress: called with images done and in all, -1 for unknown.
    detector: what finds faces; None to build it from the settings.
    Raises UsageError, InputError, OutputError or ModelError; what was written by then lies in
    TARGET.partial and can be gone on with.
    """
    settings = _checked(job, settings)
    problems = Problems(job.on_error)
    reader = open_dataset(
        job.source, job.format, problems, splits=job.splits, annotations=job.annotations)
    partial = _find_place(job)
    run = Run(settings, job.command)
    if job.region == 'face' and job.faces != 'annotated' and detector is None:
        detector = factory.build_detector(settings, run.store)
    worker = ImageWorker.of(job, partial, settings, detector, problems, run.store)
    _prepare(partial, is_resumed=job.resume)
    source = _source(job, reader)
    task = _Task(job, reader, worker, run, partial)
    header = new_header(source, settings)
    path = partial / SIDECAR / REGIONS_NAME
    is_begun = path.exists()
    with RegionsWriter(path, header, append_after=ALL_INDICES if is_begun else None) as writer:
        done = task.take_up(path) if is_begun else 0
        for frame in task.frames(done, factory.thread_count(settings)):
            writer.write(frame)
            task.count(frame)
            progress(frame.index + 1, -1)
    weaknesses = tuple(_weaknesses(job))
    for reason in weaknesses:
        run.recorder.flag(FlagRecord(reason, '', 0, 0, job.region))
    task.copy_labels()
    # Sorted, since several threads report.
    put_json(partial / SIDECAR / PROBLEMS_NAME, {
        'counts': problems.counts, 'first': sorted(str(problem) for problem in problems.first)})
    manifest = task.write_manifest(source)
    _publish(partial, job.target)
    return DatasetResult(
        manifest, job.target / SIDECAR, problems.counts, task.left_out, task.untouched,
        job.splits, weaknesses)


@dataclass
class _Task:
    """One run over a dataset, and what it counts."""

    job: DatasetJob
    reader: DatasetReader
    worker: ImageWorker
    run: Run
    partial: Path
    left_out: dict[str, int] = field(default_factory=dict)
    untouched: dict[str, int] = field(default_factory=dict)

    def take_up(self, path: Path) -> int:
        """Count what an earlier run did; return how many images that are."""
        done = 0
        for line in RegionsReader(path).lines(is_whole=False):
            frame = from_plain(line.value)
            self.count(frame)
            done = frame.index + 1
        return done

    def frames(self, done: int, threads: int) -> Iterator[FrameRegions]:
        """Return what became of each image after the first `done`, in order."""
        calls = (
            functools.partial(self.worker.run, record, index)
            for index, record in enumerate(self._records()) if index >= done
        )
        return results_in_order(calls, threads)

    def count(self, frame: FrameRegions) -> None:
        """Count what became of an image."""
        split = frame.topic.rsplit('/', 1)[0] if '/' in frame.topic else '.'
        self.run.recorder.frame(
            split, frame.stamp_ns, frame.regions, Outcome(frame.outcome).value,
            frame.reason or None, frame.synthesis)
        if frame.outcome == Outcome.MASKED.value:
            kind = frame.reason.split(': ', 1)[0] if frame.reason else 'no reason'
            self.left_out[kind] = self.left_out.get(kind, 0) + 1
        elif frame.reason.startswith(LEFT_AS_THEY_ARE):
            for reason, number in json.loads(frame.reason[len(LEFT_AS_THEY_ARE):]).items():
                self.untouched[reason] = self.untouched.get(reason, 0) + number

    def copy_labels(self) -> None:
        """Copy all annotations as they are."""
        for path in self.reader.label_files:
            is_inside = path.is_relative_to(self.job.source)
            name = path.relative_to(self.job.source) if is_inside else path.name
            copy(path, self.partial / name)

    def write_manifest(self, source: Source) -> Manifest:
        """Write the manifest and the report."""
        regions = self.partial / SIDECAR / REGIONS_NAME
        kind = self.job.format + DATASET
        return write_records(
            self.partial / SIDECAR, run=self.run,
            source=BagRecord(source.name, kind, source.fingerprint),
            result=BagRecord(self.job.target.name, self.job.result_storage, files=(
                FileRecord(f'{SIDECAR}/{REGIONS_NAME}', regions.stat().st_size),)),
            topics=tuple(
                TopicRecord(split, kind, 'anonymized', counts.frames, counts)
                for split, counts in self.run.recorder.counts().items()))

    def _records(self) -> Iterator[ImageRecord]:
        """Yield the annotated images, then those that nobody annotated, if they can be done."""
        seen = DiskSet()
        try:
            for record in self.reader.records():
                if seen.add(record.path):
                    yield record
                else:
                    text = self.worker.problems.report('duplicate id', record.path, record.id)
                    yield replace(record, problems=(*record.problems, text))
            yield from self._unlabelled(seen)
        finally:
            seen.close()

    def _unlabelled(self, seen: DiskSet) -> Iterator[ImageRecord]:
        """Yield images that nobody annotated; count every other file that is left behind."""
        labels = DiskSet()
        for path in self.reader.label_files:
            labels.add(str(path))
        can_do = self.worker.needs_no_labels and not self.job.splits
        for path in walk(self.job.source):
            name = path.relative_to(self.job.source).as_posix()
            if name in seen or str(path) in labels:
                continue
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                self._leave_out(NO_PART)
            elif can_do:
                yield ImageRecord(path.stem, '', name, None, is_labelled=False)
            else:
                self._leave_out(UNNAMED)
        labels.close()

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def _checked(job: DatasetJob, settings: Settings) -> Settings:
    """Return the settings of this job; raise UsageError for what cannot be."""
    check_format(job.format)
    for name, value, known in (
        ('region', job.region, tuple(REGIONS_OF)), ('protocol', job.protocol, PROTOCOLS),
        ('faces', job.faces or FACES[0], FACES), ('on-error', job.on_error, ON_ERROR),
    ):
        if value not in known:
            raise UsageError(f"{name}: '{value}' is none of {', '.join(known)}")
    settings = replace(settings, target=(job.region,))
    kind, tones = REGIONS_OF[job.region], Tones(settings.histogram, job.reference)
    method = method_by_kind(settings)[kind]
    if settings.histogram != NONE and method != REALISTIC:
        raise UsageError(f"histogram: '{method}' has no tones to fit; name --method {REALISTIC}")
    if job.min_size < 1:
        raise UsageError(f'min-size: {job.min_size} is below the least value 1')
    if job.protocol == 'paper':
        check_paper_method(method)
        return _as_paper(settings, job.format, kind)
    if job.min_size != LEAST_SIDE_PX:
        raise UsageError('min-size: the safe protocol hides everybody; name --protocol paper')
    if tones.takes_from_person:
        raise UsageError(
            f"reference: '{PERSON}' passes on his colours; only --protocol paper has it")
    return settings


def _as_paper(settings: Settings, name: str, kind: Kind) -> Settings:
    """Return settings with what the paper takes for all that nobody set."""
    usual = Settings()
    if settings.threshold(Kind.FACE) is None:
        settings = replace(settings, face_threshold=PAPER_FACE_THRESHOLDS[name])
    if (settings.sampling, settings.truncation) == (usual.sampling, usual.truncation):
        settings = replace(settings, sampling=paper_sampling(name, kind), truncation=0.0)
    return settings


def _weaknesses(job: DatasetJob) -> Iterator[str]:
    """Yield why a run does not hold what its pictures seem to promise."""
    if job.reference == PERSON:
        yield TAKEN_TONES


def _find_place(job: DatasetJob) -> Path:
    """Return the folder to write into, which need not be there yet."""
    if job.target.exists():
        raise OutputError(f'{job.target} exists already; name another target, or move it')
    if job.target.resolve().is_relative_to(job.source.resolve()):
        raise UsageError(f'{job.target} lies inside {job.source}; name a target elsewhere')
    return job.target.with_name(job.target.name + '.partial')


def _prepare(partial: Path, *, is_resumed: bool) -> None:
    """Make the folder to write into; nothing of an earlier run is left unless it is resumed."""
    try:
        if partial.exists() and not is_resumed:
            if not (partial / SIDECAR / REGIONS_NAME).is_file():
                raise OutputError(f'{partial} exists and is no dataset begun here; move it')
            shutil.rmtree(partial)
        (partial / SIDECAR).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'{partial}: cannot be written: {error.strerror}') from error


def _source(job: DatasetJob, reader: DatasetReader) -> Source:
    """Return what tells this dataset and what is done to it from others."""
    digest = hashlib.sha256(repr(
        (job.format, job.region, job.protocol, job.faces, job.splits, job.on_error, job.min_size,
         job.reference)).encode())
    try:
        for path in reader.label_files:
            digest.update(f'{path.name} {path.stat().st_size}\n'.encode())
    except OSError as error:
        raise InputError(f'{error.filename}: cannot be read: {error.strerror}') from error
    return Source(job.source.name, digest.hexdigest())


def _publish(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error.strerror}') from error
