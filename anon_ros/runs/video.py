# SPDX-License-Identifier: Apache-2.0
"""Anonymize a video file."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import FrameError, OutputError
from anon_ros.media.thumbnail import thumbnail
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.recorder import RunRecorder
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector, RegionTracker
    from anon_ros.core.settings import Settings
    from anon_ros.media.video_file import VideoFileReader, VideoFileWriter
    from anon_ros.media.video_frame import VideoPicture

LOOKS_PER_WORKER = 2
MOST_HELD = 150
"""Decoded pictures in memory: the look-ahead window is cut here, whatever its length in s."""


@dataclass
class _Shot:
    """One picture on its way: decoded, looked into, waiting for its window to close."""

    picture: VideoPicture
    seen: Future[Sighting]
    reason: str | None = None


@dataclass(frozen=True)
class VideoResult:
    """What became of a video's pictures, and how many regions of each kind were hidden."""

    pictures: int
    withheld: int
    regions: dict[str, int]


def anonymize_video(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    recorder: RunRecorder,
    progress: Callable[[int, int], None] = lambda *_: None,
    detector: RegionDetector | None = None,
) -> VideoResult:
    """
    Write an anonymized copy of a video file; its sound and subtitles are copied.

    progress: called with pictures done and in all, -1 where the file does not say.
    Raises InputError and OutputError; the target appears whole or not at all.
    """
    from anon_ros.media.video_file import VideoFileReader, VideoFileWriter, container_of

    container = container_of(target)
    if target.exists():
        raise OutputError(f'{target} exists already; name another target, or move it')
    detector = detector or factory.build_detector(settings, ModelStore())
    partial = target.with_name(target.name + '.partial')
    max_pixels = int(settings.max_megapixels * 1e6)
    try:
        with VideoFileReader(source, max_pixels=max_pixels) as reader, ThreadPoolExecutor(
            factory.thread_count(settings)
        ) as pool, VideoFileWriter(partial, reader, container) as writer:
            run = _VideoRun(reader, writer, settings, detector, pool, recorder)
            result = run.run(progress)
        partial.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error}') from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return result


class _VideoRun:
    """Pictures from a reader to a writer, in order."""

    def __init__(
        self,
        reader: VideoFileReader,
        writer: VideoFileWriter,
        settings: Settings,
        detector: RegionDetector,
        pool: ThreadPoolExecutor,
        recorder: RunRecorder,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._detector = detector
        self._pool = pool
        self._recorder = recorder
        self._anonymizer: FrameAnonymizer = factory.build_anonymizer(settings)
        self._tracker: RegionTracker = factory.build_tracker(settings)
        self._looking: deque[_Shot] = deque()
        self._held: deque[_Shot] = deque()
        self._most_looks = LOOKS_PER_WORKER * factory.thread_count(settings)

    def run(self, progress: Callable[[int, int], None]) -> VideoResult:
        """Carry all pictures over."""
        total = self._reader.picture_count or -1
        period_ns = round(1e9 / self._reader.rate)
        for number, picture in enumerate(self._reader.pictures()):
            seen = self._pool.submit(_look, picture, self._detector, number * period_ns)
            self._looking.append(_Shot(picture, seen))
            while len(self._looking) > self._most_looks or len(self._held) > MOST_HELD:
                self._track_next()
            progress(number + 1, total)
        while self._looking:
            self._track_next()
        self._write(self._tracker.flush())
        totals = self._recorder.totals()
        return VideoResult(totals.frames, totals.withheld, totals.regions)

    def _track_next(self) -> None:
        if self._looking:
            shot = self._looking.popleft()
            try:
                sighting = shot.seen.result()
            except Exception as error:  # noqa: BLE001 - fails closed: the picture is masked
                shot.reason = f'{type(error).__name__}: {error}'
                sighting = Sighting(0, Regions.empty(), shot.picture.size_wh)
            self._held.append(shot)
            self._write(self._tracker.push(sighting))
        if len(self._held) > MOST_HELD:
            self._write(self._tracker.flush())

    def _write(self, sightings: list[Sighting]) -> None:
        for sighting in sightings:
            shot = self._held.popleft()
            outcome = self._render(shot, sighting.regions)
            self._recorder.frame(
                'video', sighting.stamp_ns, sighting.regions, outcome.value, shot.reason
            )

    def _render(self, shot: _Shot, regions: Regions) -> Outcome:
        try:
            if shot.reason is None:
                self._anonymizer.overwrite(shot.picture, regions)
                self._writer.write(shot.picture)
                return Outcome.ANONYMIZED if len(regions) else Outcome.UNCHANGED
        except FrameError as error:
            shot.reason = str(error)
        self._writer.write_masked(shot.picture)
        return Outcome.MASKED


def _look(picture: VideoPicture, detector: RegionDetector, stamp_ns: int) -> Sighting:
    image_bgr = picture.view_bgr()
    regions = detector.detect(image_bgr)
    return Sighting(stamp_ns, regions, picture.size_wh, thumbnail(image_bgr))


def kinds_hidden(regions: dict[str, int]) -> str:
    """Return the counts of regions as a phrase."""
    return ', '.join(f'{regions.get(kind.label, 0)} {kind.label}' for kind in Kind)
