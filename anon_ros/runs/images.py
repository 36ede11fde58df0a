# SPDX-License-Identifier: Apache-2.0
"""Anonymize image files: one, or all in a folder and below."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import AnonError, FrameError, InputError, OutputError
from anon_ros.media.compressed import open_compressed
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.jpe', '.png'})


@dataclass(frozen=True)
class ImageResult:
    """
    What became of one file.

    reason: why it was withheld: masked all over, or not written where not even its size is known.
    """

    name: str
    outcome: Outcome
    regions: Regions
    reason: str | None = None


@dataclass(frozen=True)
class ImagesResult:
    """What became of all files; skipped: files of other kinds, which are never copied."""

    images: tuple[ImageResult, ...]
    skipped: tuple[str, ...] = ()

    @property
    def withheld(self) -> int:
        """Files masked or not written."""
        return sum(image.outcome is Outcome.MASKED for image in self.images)

    def regions_by_kind(self) -> dict[str, int]:
        """Return how many regions were hidden, by kind."""
        return {
            kind.label: sum(len(image.regions.of_kind(kind)) for image in self.images)
            for kind in Kind
        }


@dataclass(frozen=True)
class _Worker:
    detector: RegionDetector
    anonymizer: FrameAnonymizer
    max_pixels: int

    def run(self, source: Path, target: Path, name: str) -> ImageResult:
        """Anonymize one file; what cannot be looked into is masked or not written."""
        data = _read(source)
        try:
            frame = open_compressed(data, max_pixels=self.max_pixels)
        except FrameError as error:
            return ImageResult(name, Outcome.MASKED, Regions.empty(), str(error))
        try:
            regions = self.detector.detect(frame.view_bgr())
            done = self.anonymizer.anonymize(frame, regions)
            _write(target, data if done.payload is None else done.payload)
            return ImageResult(name, done.outcome, regions)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - fails closed: the image is masked
            _write(target, frame.encode_masked())
            return ImageResult(name, Outcome.MASKED, Regions.empty(), str(error))


def anonymize_images(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
    detector: RegionDetector | None = None,
) -> ImagesResult:
    """
    Write anonymized copies of an image file, or of all images in a folder and below.

    progress: called with files done and files in all.
    Raises InputError and OutputError; a folder appears whole or not at all.
    """
    if not source.exists():
        raise InputError(f'{source}: there is no such file or folder')
    if target.exists():
        raise OutputError(f'{target} exists already; name another target, or move it')
    worker = _Worker(
        detector or factory.build_detector(settings, ModelStore()),
        factory.build_anonymizer(settings), int(settings.max_megapixels * 1e6),
    )
    if source.is_file():
        result = worker.run(source, target, source.name)
        progress(1, 1)
        return ImagesResult((result,))
    return _run_folder(source, target, worker, factory.thread_count(settings), progress)


def _run_folder(
    source: Path, target: Path, worker: _Worker, threads: int,
    progress: Callable[[int, int], None],
) -> ImagesResult:
    files = sorted(path for path in source.rglob('*') if path.is_file())
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise InputError(f'{source}: no images in it; there are {", ".join(IMAGE_SUFFIXES)}')
    partial = target.with_name(target.name + '.partial')
    results = []
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(worker.run, path, partial / path.relative_to(source),
                        str(path.relative_to(source)))
            for path in images
        ]
        try:
            for job in jobs:
                results.append(job.result())
                progress(len(results), len(images))
        except AnonError:
            pool.shutdown(cancel_futures=True)
            raise
    partial.mkdir(parents=True, exist_ok=True)
    try:
        partial.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot write: {error.strerror}') from error
    skipped = tuple(str(path.relative_to(source)) for path in files if path not in set(images))
    return ImagesResult(tuple(results), skipped)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f'{path}: cannot read: {error.strerror}') from error


def _write(path: Path, data: bytes | memoryview) -> None:
    """Write a file that has its name only once it is whole."""
    beside = path.with_name(path.name + '.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.rename(path)
    except OSError as error:
        raise OutputError(f'{path}: cannot write: {error.strerror}') from error
