# SPDX-License-Identifier: Apache-2.0
"""One image of a dataset, from the source's tree into the target's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import REALISTIC, method_by_kind
from anon_ros.datasets import paper
from anon_ros.datasets.files import put
from anon_ros.datasets.protocols import (
    SAFE_GROWTH,
    annotated_faces,
    choose,
    match_faces,
    to_regions,
)
from anon_ros.errors import FrameError, InputError, OutputError
from anon_ros.media.compressed import open_compressed
from anon_ros.runs.paper_method import PaperMethod, build_paper_method
from anon_ros.runs.poses import Poses

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.datasets.problems import Problems
    from anon_ros.datasets.records import ImageRecord
    from anon_ros.models.store import ModelStore
    from anon_ros.runs.dataset_job import DatasetJob

FACES = ('all', 'matched', 'annotated')
LEFT_AS_THEY_ARE = 'left as they are: '
UNLABELLED = 'no annotation says who is in it'
NO_SIZE_WH = (1, 1)


@dataclass(frozen=True)
class ImageWorker:
    """
    Anonymizes one image; safe to call from several threads at once.

    An image with a problem, or that cannot be handled, is not written: its annotations would
    lie about a picture that is masked.
    """

    job: DatasetJob
    target: Path
    detector: RegionDetector | None
    problems: Problems
    max_pixels: int
    method: FrameAnonymizer | PaperMethod
    poses: Poses | None

    @classmethod
    def of(
        cls, job: DatasetJob, target: Path, settings: Settings, detector: RegionDetector | None,
        problems: Problems, store: ModelStore,
    ) -> ImageWorker:
        """
        Return the worker of a job.

        Raises ModelError where weights are missing, a generator's or those that find poses.
        """
        method: FrameAnonymizer | PaperMethod
        if job.protocol == 'paper':
            method = build_paper_method(job, settings, store)
        else:
            method = factory.build_anonymizer(settings, store)
        return cls(
            job, target, detector, problems, int(settings.max_megapixels * 1e6), method,
            _build_poses(job, settings, store))

    @property
    def kind(self) -> Kind:
        """What of people is hidden."""
        return Kind.from_label(self.job.region)

    @property
    def faces(self) -> str:
        """Which faces are hidden."""
        return self.job.faces or ('matched' if self.job.protocol == 'paper' else 'all')

    @property
    def needs_no_labels(self) -> bool:
        """Whether it can do without annotations: it finds all faces by itself."""
        return self.kind is Kind.FACE and self.faces == 'all'

    def run(self, record: ImageRecord, index: int) -> FrameRegions:
        """
        Write one image, or leave it out and say why.

        Raises InputError for a problem that stops the run, OutputError for a full disk.
        """
        size_wh = record.size_wh or NO_SIZE_WH
        try:
            if record.problems:
                raise FrameError(record.problems[0])
            if not record.is_labelled and not self.needs_no_labels:
                raise FrameError(UNLABELLED)
            return self._write(record, index)
        except (InputError, OutputError):
            raise
        except Exception as error:  # noqa: BLE001 - fails closed: the image is not written
            reason = str(error) or type(error).__name__
            return _told(record, index, size_wh, Regions.empty(), Outcome.MASKED, reason)

    def _write(self, record: ImageRecord, index: int) -> FrameRegions:
        path = self.job.source / record.path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FrameError(self.problems.report(
                'missing image', path, record.id, str(error.strerror))) from error
        if isinstance(self.method, PaperMethod):
            return self._by_paper(self.method, record, index, data)
        return self._safely(self.method, record, index, data)

    def _safely(
        self, method: FrameAnonymizer, record: ImageRecord, index: int, data: bytes
    ) -> FrameRegions:
        path = self.job.source / record.path
        try:
            frame = open_compressed(data, max_pixels=self.max_pixels)
        except FrameError as error:
            raise FrameError(
                self.problems.report('damaged image', path, record.id, str(error))) from error
        self._check_size(record, frame.size_wh)
        people, _ = choose(record, self.job.format, self.job.protocol)
        bodies = to_regions(
            people, frame.size_wh, growth=SAFE_GROWTH, with_keypoints=self.poses is not None)
        if self.kind is Kind.FACE:
            regions = self._faces(record, frame.view_bgr(), bodies)
        elif self.poses is not None and len(bodies):
            regions = self.poses.complete(bodies, frame.view_bgr())
        else:
            regions = bodies
        done = method.anonymize(frame, regions, record.path)
        put(self.target / record.path, data if done.payload is None else done.payload)
        return replace(
            _told(record, index, frame.size_wh, regions, done.outcome), synthesis=done.synthesis)

    def _by_paper(
        self, method: PaperMethod, record: ImageRecord, index: int, data: bytes
    ) -> FrameRegions:
        try:
            open_compressed(data, max_pixels=self.max_pixels)
            image = paper.decode(data)
        except FrameError as error:
            raise FrameError(self.problems.report(
                'damaged image', self.job.source / record.path, record.id, str(error))) from error
        size_wh = (image.shape[1], image.shape[0])
        self._check_size(record, size_wh)
        people, skipped = choose(record, self.job.format, self.job.protocol)
        bodies = to_regions(people, size_wh, with_keypoints=self.poses is not None)
        if self.poses is not None:
            bodies = self.poses.complete(bodies, image)
        regions = bodies if self.kind is Kind.BODY else self._faces(record, image, bodies)
        small = method.hide(image, regions, record.path)
        if small:
            skipped['too small'] = small
        is_changed = len(regions) > small
        put(self.target / record.path, paper.encode(image, data) if is_changed else data)
        reason = LEFT_AS_THEY_ARE + json.dumps(skipped) if skipped else ''
        outcome = Outcome.ANONYMIZED if is_changed else Outcome.UNCHANGED
        return _told(record, index, size_wh, regions, outcome, reason)

    def _faces(self, record: ImageRecord, image_bgr: UInt8Array, bodies: Regions) -> Regions:
        if self.faces == 'annotated':
            return annotated_faces(record)
        if self.detector is None:
            raise FrameError('nobody looked for faces')
        found = self.detector.detect(image_bgr).of_kind(Kind.FACE)
        if self.faces == 'all':
            return found
        return match_faces(found, bodies, (image_bgr.shape[1], image_bgr.shape[0]))

    def _check_size(self, record: ImageRecord, size_wh: tuple[int, int]) -> None:
        if record.size_wh is not None and record.size_wh != size_wh:
            width, height = record.size_wh
            raise FrameError(self.problems.report(
                'mixed image sizes', record.path, record.id,
                f'{size_wh[0]}x{size_wh[1]} px, annotated as {width}x{height} px'))


def _build_poses(job: DatasetJob, settings: Settings, store: ModelStore) -> Poses | None:
    """Return who knows the poses of bodies; None where nobody is going to ask."""
    if job.region != 'body' or method_by_kind(settings)[Kind.BODY] != REALISTIC:
        return None
    # The paper hides only people of COCO whose keypoints somebody placed.
    if job.protocol == 'paper' and job.format == 'coco':
        return Poses()
    return Poses.load(store, factory.thread_count(settings))


def _told(
    record: ImageRecord, index: int, size_wh: tuple[int, int], regions: Regions,
    outcome: Outcome, reason: str = '',
) -> FrameRegions:
    return FrameRegions(
        record.path, index, index, index, size_wh, regions, outcome.value, reason)
