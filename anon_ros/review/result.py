# SPDX-License-Identifier: Apache-2.0
"""What a reviewer looks at: a result, its cameras, their frames and tracks."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit.manifest import (
    REGIONS_NAME,
    manifest_path,
    read_manifest,
    sidecar_path,
)
from anon_ros.audit.regions_file import RegionsIndex, RegionsReader
from anon_ros.audit.seal import hashed_file
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import NO_TRACK, Kind
from anon_ros.errors import RegionsError, UsageError
from anon_ros.media.video_file import CONTAINERS
from anon_ros.runs.images import IMAGE_SUFFIXES
from anon_ros.runs.images import TOPIC as IMAGES
from anon_ros.runs.video import TOPIC as VIDEO

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import Manifest

BAG = 'bag'


@dataclass
class Track:
    """Where one object is hidden: numbers of its frames, ascending, and its kind."""

    kind: int
    frames: array[int] = field(default_factory=lambda: array('q'))


@dataclass
class Stream:
    """
    The frames of one camera, in the order of the recording; all pictures of a folder are one.

    number: counts the streams. is_sequence: whether a frame follows from the one before it.
    indices, stamps_ns, log_ns: of each frame, see FrameRegions. kinds: regions of each kind.
    topics: of each frame of a folder of pictures; empty where the name is every frame's topic.
    tracks: by id. next_track: a number that no track has.
    """

    number: int
    name: str
    is_sequence: bool
    indices: array[int] = field(default_factory=lambda: array('q'))
    stamps_ns: array[int] = field(default_factory=lambda: array('q'))
    log_ns: array[int] = field(default_factory=lambda: array('q'))
    is_withheld: bytearray = field(default_factory=bytearray)
    kinds: tuple[array[int], ...] = field(
        default_factory=lambda: tuple(array('H') for _ in Kind))
    topics: list[str] = field(default_factory=list)
    tracks: dict[int, Track] = field(default_factory=dict)
    next_track: int = 0

    def __len__(self) -> int:
        return len(self.indices)

    def key(self, number: int) -> tuple[str, int]:
        """Return a frame's topic and index, under which files know it."""
        return self.topics[number] if self.topics else self.name, self.indices[number]

    def find(self, index: int) -> int | None:
        """Return the number of the frame of that index."""
        at = bisect_left(self.indices, index)
        return at if at < len(self) and self.indices[at] == index else None

    def take(self, frame: FrameRegions) -> None:
        """
        Append a frame.

        Raises RegionsError where it comes before one that is there.
        """
        if len(self) and frame.index <= self.indices[-1]:
            raise RegionsError(
                f'{self.name}: message {frame.index} comes after message {self.indices[-1]}'
            )
        self.indices.append(frame.index)
        self.stamps_ns.append(frame.stamp_ns)
        self.log_ns.append(frame.log_ns)
        self.is_withheld.append(frame.outcome == Outcome.MASKED.value)
        counts = np.bincount(frame.regions.kinds, minlength=len(Kind)).clip(max=65535)
        for column, count in zip(self.kinds, counts.tolist(), strict=True):
            column.append(count)
        self._take_tracks(frame)

    def _take_tracks(self, frame: FrameRegions) -> None:
        number, regions = len(self) - 1, frame.regions
        pairs = zip(regions.track_ids.tolist(), regions.kinds.tolist(), strict=True)
        for track_id, kind in pairs:
            if track_id == NO_TRACK:
                continue
            track = self.tracks.setdefault(track_id, Track(kind))
            if not track.frames or track.frames[-1] != number:
                track.frames.append(number)
            self.next_track = max(self.next_track, track_id + 1)


@dataclass(frozen=True)
class Result:
    """
    A result that anon_ros wrote, with all that is known of its frames.

    kind: 'bag', 'images' or 'video'. sidecar: the folder of what is written about it.
    """

    path: Path
    kind: str
    sidecar: Path
    manifest: Manifest
    index: RegionsIndex
    streams: tuple[Stream, ...]

    def regions(self, stream: Stream, number: int) -> FrameRegions:
        """Return what was found in a frame; raise RegionsError where the file has changed."""
        found = self.index.find(*stream.key(number))
        if found is None:
            raise RegionsError(f'{self.sidecar / REGIONS_NAME} has changed while it was read')
        return found

    def locate(self, topic: str, index: int) -> tuple[Stream, int] | None:
        """Return the stream and the number of the frame that files know by topic and index."""
        for stream in self.streams:
            number = stream.find(index) if topic == stream.name or stream.topics else None
            if number is not None and stream.key(number)[0] == topic:
                return stream, number
        return None


def open_result(path: Path) -> Result:
    """
    Open a result for a review.

    Raises InputError where it or its sidecar cannot be read, RegionsError where its regions file
    is not the one that the manifest names, UsageError where it shows no frame at all.
    """
    manifest = read_manifest(manifest_path(path))
    sidecar = sidecar_path(path)
    regions = sidecar / REGIONS_NAME
    record = manifest.regions_file
    if record is not None and regions.exists() and hashed_file(regions) != record:
        raise RegionsError(f'{regions} is not the file that the manifest names: it was changed')
    index = RegionsIndex(regions)
    kind = _kind_of(path, index.reader)
    streams = _streams(index.reader, kind)
    if not streams:
        raise UsageError(f'{path}: there is no frame of a camera in it to look at')
    return Result(path, kind, sidecar, manifest, index, streams)


def _kind_of(path: Path, reader: RegionsReader) -> str:
    topics = set(reader.header.source.topics)
    suffix = path.suffix.lower()
    if topics == {IMAGES} and (path.is_dir() or suffix in IMAGE_SUFFIXES):
        return IMAGES
    return VIDEO if topics == {VIDEO} and suffix in CONTAINERS else BAG


def _streams(reader: RegionsReader, kind: str) -> tuple[Stream, ...]:
    found: dict[str, Stream] = {}
    for frame in reader:
        name = IMAGES if kind == IMAGES else frame.topic
        if name not in found:
            found[name] = Stream(len(found), name, is_sequence=kind != IMAGES)
        if kind == IMAGES:
            found[name].topics.append(frame.topic)
        found[name].take(frame)
    return tuple(found.values())
