# SPDX-License-Identifier: Apache-2.0
"""The sidecar of a result that is no bag: its regions, manifest and report."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anon_ros.audit.manifest import (
    REGIONS_NAME,
    BagRecord,
    FileRecord,
    TopicRecord,
)
from anon_ros.audit.regions_file import RegionsIndex, RegionsWriter, Source
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.errors import OutputError, RegionsError
from anon_ros.runs.records import new_header, write_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import Manifest
    from anon_ros.runs.records import Run

NO_SIZE_WH = (1, 1)
"""What the regions file says of a picture whose size nobody could tell."""


class Sidecar:
    """Collects what a run on files has to say, picture by picture; topic: of its counts."""

    def __init__(
        self, folder: Path, writer: RegionsWriter, run: Run, source: Source, topic: str
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._run = run
        self._source = source
        self._topic = topic

    def frame(self, frame: FrameRegions) -> None:
        """Write down what became of a picture; it has to tell its outcome."""
        self._writer.write(frame)
        self._run.recorder.frame(
            self._topic, frame.stamp_ns, frame.regions, Outcome(frame.outcome).value,
            frame.reason or None, frame.synthesis,
        )

    def finish(self, result_name: str, files: Iterable[FileRecord]) -> Manifest:
        """Write the manifest and the report; files: what the result consists of."""
        self._writer.close()
        return write_records(
            self._folder, run=self._run,
            source=BagRecord(self._source.name, self._topic, self._source.fingerprint),
            result=BagRecord(result_name, self._topic, files=tuple(files)),
            topics=tuple(
                TopicRecord(topic, self._topic, 'anonymized', camera.frames, camera)
                for topic, camera in self._run.recorder.counts().items()
            ),
        )


class KnownPictures:
    """What a regions file says of each picture, instead of a detector."""

    def __init__(self, path: Path, source: Source) -> None:
        """Raise RegionsError where the file is not of this source."""
        self._path = path
        self._index = RegionsIndex(path)
        self._index.reader.check_source(source)

    def find(self, topic: str, index: int) -> FrameRegions:
        """Return what the file says; raise RegionsError where it says nothing."""
        found = self._index.find(topic, index)
        if found is None:
            raise RegionsError(f'{self._path} says nothing of picture {index} of {topic}')
        return found


@contextmanager
def open_sidecar(folder: Path, run: Run, source: Source, topic: str) -> Iterator[Sidecar]:
    """
    Yield the sidecar of a target that is being written; nothing is left of it on an error.

    Raises OutputError where it exists already or cannot be made.
    """
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f'{folder}: cannot be made: {error.strerror}') from error
    try:
        with RegionsWriter(folder / REGIONS_NAME, new_header(source, run.settings)) as writer:
            yield Sidecar(folder, writer, run, source, topic)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def files_source(path: Path, files: Iterable[Path], topic: str) -> Source:
    """Return what a regions file says of one file, or of those in a folder."""
    names = [str(file.relative_to(path)) if file != path else file.name for file in files]
    sizes = [file.stat().st_size for file in files]
    digest = hashlib.sha256(repr(list(zip(names, sizes, strict=True))).encode())
    return Source(path.name, digest.hexdigest(), topics={topic: len(names)})
