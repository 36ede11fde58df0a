# SPDX-License-Identifier: Apache-2.0
"""Anonymize a video file."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.manifest import sidecar_path
from anon_ros.audit.seal import hashed_file
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Regions
from anon_ros.errors import FrameError, ModelError, OutputError, RegionsError
from anon_ros.media.thumbnail import thumbnail
from anon_ros.runs.records import Run
from anon_ros.runs.sidecar import KnownPictures, files_source, open_sidecar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.audit.recorder import RunRecorder
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector, RegionTracker, Synthesis
    from anon_ros.core.settings import Settings
    from anon_ros.media.video_file import VideoFileReader, VideoFileWriter
    from anon_ros.media.video_frame import VideoPicture
    from anon_ros.runs.sidecar import Sidecar

TOPIC = 'video'
LOOKS_PER_WORKER = 2
MOST_HELD = 150
"""Decoded pictures in memory: the look-ahead window is cut here, whatever its length in s."""


@dataclass
class _Shot:
    """One picture on its way: decoded, looked into, waiting for its window to close."""

    picture: VideoPicture
    seen: Future[Sighting]
    number: int
    stamp_ns: int
    reason: str = ''
    synthesis: Synthesis | None = None


@dataclass(frozen=True)
class VideoResult:
    """What became of a video: the manifest, and where it and the report lie."""

    manifest: Manifest
    sidecar: Path


def anonymize_video(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    regions: Path | None = None,
    command: tuple[str, ...] = (),
    progress: Callable[[int, int, RunRecorder], None] = lambda *_: None,
    detector: RegionDetector | None = None,
) -> VideoResult:
    """
    Write an anonymized copy of a video file; its sound and subtitles are copied.

    regions: a regions file to render from.
    progress: called with pictures done, and in all, -1 where the file does not say.
    Raises InputError, RegionsError and OutputError; the target appears whole or not at all.
    """
    from anon_ros.media.video_file import VideoFileReader, VideoFileWriter, container_of

    container = container_of(target)
    if target.exists():
        raise OutputError(f'{target} exists already; name another target, or move it')
    run, partial = Run(settings, command), target.with_name(target.name + '.partial')
    try:
        with VideoFileReader(source, max_pixels=int(settings.max_megapixels * 1e6)) as reader:
            origin = files_source(source, [source], TOPIC)
            known = None if regions is None else KnownPictures(regions, origin)
            if known is None and detector is None:
                detector = factory.build_detector(settings, run.store)
            with open_sidecar(sidecar_path(target), run, origin, TOPIC) as records:
                with ThreadPoolExecutor(factory.thread_count(settings)) as pool, VideoFileWriter(
                    partial, reader, container
                ) as writer:
                    eyes = _Eyes(detector, known)
                    _VideoRun(reader, writer, run, eyes, pool, records).run(progress)
                file = replace(hashed_file(partial), name=target.name)
                manifest = records.finish(target.name, [file])
                partial.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error}') from error
    finally:
        partial.unlink(missing_ok=True)
    return VideoResult(manifest, sidecar_path(target))


@dataclass(frozen=True)
class _Eyes:
    """Looks into pictures, or into a regions file about them."""

    detector: RegionDetector | None
    known: KnownPictures | None

    def look(self, picture: VideoPicture, number: int, stamp_ns: int) -> Sighting:
        """Return what is seen; raise whatever goes wrong, and FrameError for a withheld one."""
        image_bgr = picture.view_bgr()
        if self.known is not None:
            found = self.known.find(TOPIC, number)
            if found.outcome == Outcome.MASKED.value:
                raise FrameError(found.reason or 'withheld before')
            return Sighting(stamp_ns, found.regions, picture.size_wh)
        if self.detector is None:
            raise FrameError('nobody looked into it')
        regions = self.detector.detect(image_bgr)
        return Sighting(stamp_ns, regions, picture.size_wh, thumbnail(image_bgr))


class _VideoRun:
    """Pictures from a reader to a writer, in order."""

    def __init__(
        self,
        reader: VideoFileReader,
        writer: VideoFileWriter,
        run: Run,
        eyes: _Eyes,
        pool: ThreadPoolExecutor,
        records: Sidecar,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._eyes = eyes
        self._pool = pool
        self._records = records
        self._recorder = run.recorder
        self._anonymizer: FrameAnonymizer = factory.build_anonymizer(run.settings, run.store)
        is_known = eyes.known is not None
        self._tracker: RegionTracker = factory.build_tracker(run.settings, is_known=is_known)
        self._looking: deque[_Shot] = deque()
        self._held: deque[_Shot] = deque()
        self._most_looks = LOOKS_PER_WORKER * factory.thread_count(run.settings)

    def run(self, progress: Callable[[int, int, RunRecorder], None]) -> None:
        """Carry all pictures over."""
        total = self._reader.picture_count or -1
        period_ns = round(1e9 / self._reader.rate)
        for number, picture in enumerate(self._reader.pictures()):
            stamp_ns = number * period_ns
            seen = self._pool.submit(self._eyes.look, picture, number, stamp_ns)
            self._looking.append(_Shot(picture, seen, number, stamp_ns))
            while len(self._looking) > self._most_looks or len(self._held) > MOST_HELD:
                self._track_next()
            progress(number + 1, total, self._recorder)
        while self._looking:
            self._track_next()
        self._write(self._tracker.flush())

    def _track_next(self) -> None:
        if self._looking:
            shot = self._looking.popleft()
            try:
                sighting = shot.seen.result()
            except RegionsError:
                raise
            except Exception as error:  # noqa: BLE001 - fails closed: the picture is masked
                shot.reason = f'{type(error).__name__}: {error}'
                sighting = Sighting(shot.stamp_ns, Regions.empty(), shot.picture.size_wh)
            self._held.append(shot)
            self._write(self._tracker.push(sighting))
        if len(self._held) > MOST_HELD:
            self._write(self._tracker.flush())

    def _write(self, sightings: list[Sighting]) -> None:
        for sighting in sightings:
            shot = self._held.popleft()
            outcome = self._render(shot, sighting.regions)
            self._records.frame(FrameRegions(
                TOPIC, shot.number, shot.stamp_ns, shot.stamp_ns, shot.picture.size_wh,
                sighting.regions, outcome.value, shot.reason, shot.synthesis,
            ))

    def _render(self, shot: _Shot, regions: Regions) -> Outcome:
        try:
            if not shot.reason:
                shot.synthesis = self._anonymizer.overwrite(shot.picture, regions)
                self._writer.write(shot.picture)
                return Outcome.ANONYMIZED if len(regions) else Outcome.UNCHANGED
        except (FrameError, ModelError) as error:
            shot.reason, shot.synthesis = str(error), None
        self._writer.write_masked(shot.picture)
        return Outcome.MASKED

