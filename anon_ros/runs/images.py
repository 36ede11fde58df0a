# SPDX-License-Identifier: Apache-2.0
"""Anonymize image files: one, or all in a folder and below."""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.manifest import SIDECAR, sidecar_path
from anon_ros.audit.seal import hashed_file
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Regions
from anon_ros.datasets.files import put
from anon_ros.errors import FrameError, InputError, OutputError
from anon_ros.media.compressed import open_compressed
from anon_ros.runs.in_order import results_in_order
from anon_ros.runs.records import Run
from anon_ros.runs.sidecar import NO_SIZE_WH, KnownPictures, files_source, open_sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.audit.manifest import FileRecord, Manifest
    from anon_ros.audit.regions_file import Source
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.planes import Frame
    from anon_ros.core.settings import Settings

TOPIC = 'images'
IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.jpe', '.png'})


@dataclass(frozen=True)
class ImagesResult:
    """
    What became of all files.

    unwritten: files of which not even the size is known, so that nothing stands in their place.
    skipped: files of other kinds, which are never copied.
    """

    manifest: Manifest
    sidecar: Path
    unwritten: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Worker:
    """Anonymizes one file; known: regions from a file instead of from the detector."""

    detector: RegionDetector | None
    known: KnownPictures | None
    anonymizer: FrameAnonymizer
    max_pixels: int

    def run(self, source: Path, target: Path, name: str, index: int) -> FrameRegions:
        """Write one file; what cannot be looked into is masked, or not written."""
        data = _read(source)
        try:
            frame = open_compressed(data, max_pixels=self.max_pixels)
        except FrameError as error:
            return _told(name, index, NO_SIZE_WH, Regions.empty(), Outcome.MASKED, str(error))
        try:
            regions = self._find(frame, name, index)
            done = self.anonymizer.anonymize(frame, regions, name)
            put(target, data if done.payload is None else done.payload)
            told = _told(name, index, frame.size_wh, regions, done.outcome, '')
            return replace(told, synthesis=done.synthesis)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - fails closed: the image is masked
            put(target, frame.encode_masked())
            return _told(
                name, index, frame.size_wh, Regions.empty(), Outcome.MASKED, str(error)
            )

    def _find(self, frame: Frame, name: str, index: int) -> Regions:
        image_bgr = frame.view_bgr()
        if self.known is not None:
            found = self.known.find(name, index)
            if found.outcome == Outcome.MASKED.value:
                raise FrameError(found.reason or 'withheld before')
            return found.regions
        if self.detector is None:
            raise FrameError('nobody looked into it')
        return self.detector.detect(image_bgr)


def anonymize_images(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    regions: Path | None = None,
    command: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
    detector: RegionDetector | None = None,
) -> ImagesResult:
    """
    Write anonymized copies of an image file, or of all images in a folder and below.

    regions: a regions file to render from. progress: called with files done and files in all.
    Raises InputError, RegionsError and OutputError; a folder appears whole or not at all.
    """
    files = _list_files(source)
    images = _images_among(source, files)
    if target.exists():
        raise OutputError(f'{target} exists already; name another target, or move it')
    run = Run(settings, command)
    origin = files_source(source, images, TOPIC)
    known = None if regions is None else KnownPictures(regions, origin)
    if known is None and detector is None:
        detector = factory.build_detector(settings, run.store)
    worker = _Worker(
        detector, known, factory.build_anonymizer(settings, run.store),
        int(settings.max_megapixels * 1e6),
    )
    is_folder = source.is_dir()
    partial = target.with_name(target.name + '.partial') if is_folder else target
    sidecar = partial / SIDECAR if is_folder else sidecar_path(target)
    _start_anew(partial)
    with open_sidecar(sidecar, run, origin, TOPIC) as records:
        unwritten = []
        for done, frame in enumerate(_run_all(source, images, partial, worker, settings), 1):
            records.frame(frame)
            if frame.size_wh == NO_SIZE_WH:
                unwritten.append(frame.topic)
            progress(done, len(images))
        manifest = records.finish(target.name, _file_records(partial, is_folder=is_folder))
        if is_folder:
            _publish(partial, target)
    skipped = tuple(str(path.relative_to(source)) for path in files if path not in set(images))
    return ImagesResult(manifest, sidecar_path(target), tuple(unwritten), skipped)


def images_source(source: Path) -> Source:
    """
    Return what a regions file says of an image file, or of all images in a folder and below.

    Raises InputError where there are none.
    """
    return files_source(source, _images_among(source, _list_files(source)), TOPIC)


def _run_all(
    source: Path, images: Sequence[Path], target: Path, worker: _Worker, settings: Settings
) -> Iterator[FrameRegions]:
    """Return what became of each image, in order."""

    def calls() -> Iterator[Callable[[], FrameRegions]]:
        for index, path in enumerate(images):
            is_lone = path == source
            name = path.name if is_lone else str(path.relative_to(source))
            place = target if is_lone else target / name
            yield functools.partial(worker.run, path, place, name, index)

    return results_in_order(calls(), factory.thread_count(settings))


def _list_files(source: Path) -> list[Path]:
    if not source.exists():
        raise InputError(f'{source}: there is no such file or folder')
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob('*') if path.is_file())


def _images_among(source: Path, files: Sequence[Path]) -> list[Path]:
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise InputError(f'{source}: no images in it; there are {", ".join(IMAGE_SUFFIXES)}')
    return images


def _told(
    name: str, index: int, size_wh: tuple[int, int], regions: Regions, outcome: Outcome,
    reason: str,
) -> FrameRegions:
    return FrameRegions(name, index, index, index, size_wh, regions, outcome.value, reason)


def _file_records(target: Path, *, is_folder: bool) -> list[FileRecord]:
    if not is_folder:
        return [hashed_file(target)] if target.exists() else []
    files = sorted(path for path in target.rglob('*') if path.is_file())
    return [
        replace(hashed_file(path), name=str(path.relative_to(target)))
        for path in files if SIDECAR not in path.relative_to(target).parts[:1]
    ]


def _start_anew(partial: Path) -> None:
    """Remove what a killed run left: every file of it would be written again."""
    if partial.is_dir():
        shutil.rmtree(partial)


def _publish(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error.strerror}') from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f'{path}: cannot be read: {error.strerror}') from error
