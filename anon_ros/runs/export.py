# SPDX-License-Identifier: Apache-2.0
"""A training set from an anonymized bag."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anon_ros import __version__
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.manifest import (
    MANIFEST_NAME,
    REGIONS_NAME,
    SIDECAR,
    BagRecord,
    FileRecord,
    Flags,
    TopicRecord,
    is_anonymized,
    manifest_path,
    read_manifest,
    sidecar_path,
    write_manifest,
)
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.regions_file import Header, RegionsIndex, RegionsWriter, Source
from anon_ros.audit.seal import hashed_file
from anon_ros.bags.camera_types import PayloadKind, camera_type
from anon_ros.bags.storage import open_bag
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Kind, Regions
from anon_ros.datasets.cityscapes import city_name
from anon_ros.datasets.coco_files import CocoWriter
from anon_ros.datasets.files import put_json
from anon_ros.datasets.formats import check_format, create_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.pseudo_labels import to_instances
from anon_ros.datasets.selection import Rule, TimeSplit
from anon_ros.errors import FrameError, InputError, OutputError, UsageError
from anon_ros.runs.dataset_job import DATASET
from anon_ros.runs.export_frame import Naming, Picture, open_picture
from anon_ros.runs.export_survey import Ride, RideTopics, Survey, survey
from anon_ros.runs.records import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.bags.storage import Message, SourceBag
    from anon_ros.datasets.records import Instance

EXPORT_NAME, PSEUDO = 'export.json', 'pseudo'
GPS_NOTE = (
    'The vehicle files tell where the pictures were taken: with the time that is where somebody '
    'was, and often where somebody lives. Export without GPS what you give away.')
NO_PEOPLE_NOTE = (
    'Nobody searched this bag for people (--target body): the pseudo-labels hold none, though '
    'the pictures may; do not train a people detector on them.')
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    'weather': ('rainy', 'snowy', 'clear', 'overcast', 'undefined', 'partly cloudy', 'foggy'),
    'timeofday': ('daytime', 'night', 'dawn/dusk', 'undefined'),
    'scene': ('tunnel', 'residential', 'parking lot', 'undefined', 'city street',
              'gas stations', 'highway'),
}


@dataclass(frozen=True)
class ExportJob:
    """
    What to do.

    topics: cameras, () for all that were anonymized. rule: which frames. shares, gap_s: of
    train, val and test, see TimeSplit. ride: topics of calibration and motion.
    city: how Cityscapes calls the place, '' for the bag's name. attributes: of every frame.
    pseudo_labels: whether regions become annotations. allow_original: whether a bag may be
    exported that no manifest says is anonymized. command: for the manifest.
    """

    source: Path
    target: Path
    format: str
    topics: tuple[str, ...] = ()
    rule: Rule = field(default_factory=Rule)
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    gap_s: float = 5.0
    ride: RideTopics = field(default_factory=RideTopics)
    city: str = ''
    attributes: Mapping[str, str] = field(default_factory=dict)
    pseudo_labels: bool = False
    allow_original: bool = False
    command: tuple[str, ...] = ()


@dataclass
class ExportResult:
    """
    What came of it.

    images: by split. left_out: frames that were chosen and not written, by reason.
    notes: what a user should know, one line each.
    """

    images: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def export_bag(
    job: ExportJob, *, progress: Callable[[int, int], None] = lambda *_: None
) -> ExportResult:
    """
    Write a training set of a bag's frames.

    progress: called with images written and chosen.
    Raises UsageError where the bag is not anonymized or a topic is no camera's, InputError and
    OutputError; the target appears whole or not at all.
    """
    _check(job)
    manifest = read_manifest(manifest_path(job.source)) if is_anonymized(job.source) else None
    partial = job.target.with_name(job.target.name + '.partial')
    with open_bag(job.source) as source:
        topics = _topics(job, source, manifest)
        found = survey(source, topics, job.rule, job.ride)
        if not found.chosen:
            raise InputError(f'{job.source}: no frame is chosen of {", ".join(topics)}')
        task = _Task(job, source, topics, found, manifest)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            task.write(partial, progress)
            if not task.result.images:
                raise InputError(
                    f'{job.source}: no frame can be exported: '
                    + '; '.join(f'{k} {n}' for k, n in task.result.left_out.items()))
            partial.rename(job.target)
        except OSError as error:
            raise OutputError(f'{job.target}: cannot be written: {error}') from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return task.result


@dataclass
class _Task:
    """One export, and what it counts."""

    job: ExportJob
    source: SourceBag
    topics: tuple[str, ...]
    survey: Survey
    manifest: Manifest | None
    result: ExportResult = field(default_factory=ExportResult)
    clock: Clock = field(default_factory=Clock)
    recorder: RunRecorder = field(default_factory=RunRecorder)

    def write(self, root: Path, progress: Callable[[int, int], None]) -> None:
        """Write everything below the root."""
        job, problems = self.job, Problems()
        split = TimeSplit(self.survey.start_ns, self.survey.end_ns, job.shares, job.gap_s)
        naming = Naming(
            job.format, job.city or city_name(job.source.stem), self.topics, dict(job.attributes))
        regions = self._regions()
        writer = create_dataset(root, job.format, problems)
        everything = CocoWriter(root / PSEUDO, problems)
        (root / SIDECAR).mkdir(parents=True)
        origin = Source(job.source.name, '' if self.manifest is None else
                        self.manifest.source.fingerprint)
        header = Header(
            __version__, origin, {} if self.manifest is None else self.manifest.settings)
        with RegionsWriter(root / SIDECAR / REGIONS_NAME, header) as lines:
            for number, picture in enumerate(self._pictures(split, regions)):
                record = naming.record(picture, number, self._labels(picture, job))
                data = picture.encoded(job.format)
                path = writer.add(record, data)
                if job.pseudo_labels and job.format != 'coco':
                    everything.add(replace(record, path=path, split=picture.split), None)
                lines.write(FrameRegions(
                    path, number, picture.stamp_ns, picture.log_ns, picture.size_wh,
                    picture.regions, picture.outcome.value))
                self.recorder.frame(
                    picture.topic, picture.stamp_ns, picture.regions, picture.outcome.value)
                self.result.images[picture.split] = self.result.images.get(picture.split, 0) + 1
                progress(number + 1, len(self.survey.chosen))
        writer.close()
        everything.close()
        self._tell(root)

    def _pictures(self, split: TimeSplit, known: RegionsIndex | None) -> Iterator[Picture]:
        """Yield the chosen frames that can be shown."""
        for index, message, ride in _chosen(self.source, self.survey, self.job.ride):
            name = split.of(message.log_ns)
            topic = message.connection.topic
            if name is None:
                self._leave_out('between two splits')
                continue
            found = None if known is None else known.find(topic, index)
            if found is not None and found.outcome == Outcome.MASKED.value:
                self._leave_out('withheld when the bag was anonymized')
                continue
            if found is None and known is not None:
                self._leave_out('no region file speaks of it')
                continue
            try:
                yield open_picture(
                    message, name, Regions.empty() if found is None else found.regions,
                    camera=self.survey.camera(topic), vehicle=ride.vehicle.to_json() or None)
            except FrameError as error:
                self._leave_out(f'cannot be shown: {error}')

    def _regions(self) -> RegionsIndex | None:
        path = sidecar_path(self.job.source) / REGIONS_NAME
        if self.manifest is not None and path.is_file():
            return RegionsIndex(path)
        if self.job.pseudo_labels:
            raise InputError(f'{path}: there is no regions file to take pseudo-labels from')
        return None

    def _labels(self, picture: Picture, job: ExportJob) -> tuple[Instance, ...] | None:
        return to_instances(picture.regions, picture.size_wh) if job.pseudo_labels else None

    def _leave_out(self, reason: str) -> None:
        self.result.left_out[reason] = self.result.left_out.get(reason, 0) + 1

    def _tell(self, root: Path) -> None:
        """Write where everything came from; a manifest only where the bag has one."""
        if self.job.ride.gps:
            self.result.notes.append(GPS_NOTE)
        self.result.notes += self.survey.notes
        searched = self.manifest.settings.get('target', ()) if self.manifest else ()
        if self.job.pseudo_labels and Kind.BODY.label not in str(searched):
            self.result.notes.append(NO_PEOPLE_NOTE)
        if self.manifest is None:
            self.result.notes.append('no manifest says that the source is anonymized')
        put_json(root / SIDECAR / EXPORT_NAME, {
            'tool_version': __version__, 'command': self.job.command,
            'source': self.job.source.name, 'is_anonymized': self.manifest is not None,
            'format': self.job.format, 'images': self.result.images,
            'left_out': self.result.left_out, 'notes': self.result.notes,
            'labels': 'pseudo-labels: found by networks, checked by nobody'
            if self.job.pseudo_labels else 'none'})
        if self.manifest is None:
            return
        lines = root / SIDECAR / REGIONS_NAME
        kind = self.job.format + DATASET
        write_manifest(replace(
            self.manifest, tool_version=__version__, command=self.job.command,
            started=self.clock.started, finished=self.clock.now(),
            wall_s=self.clock.elapsed_s(), source=self.manifest.result,
            result=BagRecord(self.job.target.name, kind, files=(
                FileRecord(f'{SIDECAR}/{REGIONS_NAME}', lines.stat().st_size),)),
            topics=tuple(
                TopicRecord(topic, kind, 'anonymized', counts.frames, counts)
                for topic, counts in self.recorder.counts().items()),
            timings=(), regions_file=hashed_file(lines), flags=Flags(),
        ), root / SIDECAR / MANIFEST_NAME)


def _chosen(
    source: SourceBag, found: Survey, topics: RideTopics
) -> Iterator[tuple[int, Message, Ride]]:
    """Yield index, message and what is known of the ride then, for each chosen frame."""
    ride, at = Ride(topics), 0
    for index, message in enumerate(each for file in source.files for each in file.messages()):
        ride.put(message)
        if index == found.chosen[at]:
            yield index, message, ride
            at += 1
            if at == len(found.chosen):
                return


def _check(job: ExportJob) -> None:
    check_format(job.format)
    for name, value in job.attributes.items():
        if value not in ATTRIBUTES.get(name, ()):
            raise UsageError(
                f"{name}: '{value}' is none of {', '.join(ATTRIBUTES.get(name, ()))}")
    if '_' in job.city:
        raise UsageError(f"city: '{job.city}' has an underscore; Cityscapes splits names by it")
    if not job.source.exists():
        raise InputError(f'{job.source}: there is no such file or folder')
    if job.target.exists():
        raise OutputError(f'{job.target} exists already; name another target, or move it')
    if not job.allow_original and not is_anonymized(job.source):
        raise UsageError(
            f'{job.source}: no manifest says that it is anonymized; run `anon-ros bag` first, '
            'or pass --allow-original')


def _topics(
    job: ExportJob, source: SourceBag, manifest: Manifest | None
) -> tuple[str, ...]:
    """Return the camera topics to export; raise UsageError for one that must not be."""
    kinds = {each.topic: camera_type(each.msgtype) for each in source.connections}
    cameras = sorted(topic for topic, kind in kinds.items() if kind is not None)
    allowed = cameras
    if manifest is not None and not job.allow_original:
        anonymized = {topic.name for topic in manifest.topics if topic.action == 'anonymized'}
        allowed = [topic for topic in cameras if topic in anonymized]
    for topic in job.topics:
        if topic not in cameras:
            raise UsageError(f'{topic} is no camera topic; there are {", ".join(cameras)}')
        if topic not in allowed:
            raise UsageError(f'{topic} was copied as it was, not anonymized: it is not exported')
    chosen = job.topics or tuple(allowed)
    videos = [topic for topic in chosen
              if (kind := kinds[topic]) is not None and kind.kind is PayloadKind.VIDEO]
    if videos:
        raise UsageError(
            f'{videos[0]} holds video packets, which cannot be exported; name others with --topic')
    if not chosen:
        raise UsageError(f'{job.source}: there is no anonymized camera topic in it')
    return tuple(chosen)


