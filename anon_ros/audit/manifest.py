# SPDX-License-Identifier: Apache-2.0
"""
The manifest: what a run did, to what, by which means, and what it could not do.

It is written as anon/manifest.json inside a result's folder, or as NAME.anon/manifest.json beside
a lone file. Its schema is this module: each dataclass is a JSON object, each field a key. A
reader ignores keys that it does not know; a change that it must not ignore raises SCHEMA_VERSION.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from anon_ros.audit import typed_json
from anon_ros.audit.camera_counts import CameraCounts  # noqa: TC001  # typed_json asks for it
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SCHEMA = 'anon_ros/manifest'
SCHEMA_VERSION = 1
SIDECAR = 'anon'
MANIFEST_NAME, REGIONS_NAME, REPORT_NAME = 'manifest.json', 'regions.jsonl', 'report.html'
CHAIN_NAME = 'chain.bin'
"""What lies in the sidecar folder."""

Outcome = Literal['unchanged', 'anonymized', 'masked']
Action = Literal['anonymized', 'copied', 'dropped']
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class FileRecord:
    """A file: its name inside the bag, its size, and its sha256 in hex or '' where not taken."""

    name: str
    size_bytes: int
    sha256: str = ''


@dataclass(frozen=True)
class ModelRecord:
    """A network that took part, the sha256 of its weights in hex, and its licence."""

    name: str
    sha256: str
    licence: str = ''


@dataclass(frozen=True)
class BagRecord:
    """
    A recording, before or after.

    name: the last part of its path. storage: e.g. 'mcap', 'sqlite3', 'ros1', 'images'.
    fingerprint: see fingerprint(); '' where not taken.
    """

    name: str
    storage: str
    fingerprint: str = ''
    start_ns: int = 0
    duration_ns: int = 0
    messages: int = 0
    files: tuple[FileRecord, ...] = ()


@dataclass(frozen=True)
class TopicRecord:
    """
    One topic of the recording.

    messages: as many as came in. camera: counts of frames, for an anonymized topic.
    dropped: messages left out, by reason.
    """

    name: str
    type: str
    action: Action
    messages: int
    camera: CameraCounts | None = None
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StageTiming:
    """How long one stage took: runs, wall time summed over threads in s, percentiles in ms."""

    stage: str
    count: int
    total_s: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class FlagRecord:
    """
    One thing to look at: why, and a frame where it is.

    index: of its message among all of the recording.
    """

    reason: str
    topic: str
    index: int
    stamp_ns: int
    kind: str


@dataclass(frozen=True)
class Flags:
    """What a person should look at: how often for each reason, and the first ones of each."""

    counts: dict[str, int] = field(default_factory=dict)
    first: tuple[FlagRecord, ...] = ()


@dataclass(frozen=True)
class CorrectionRecord:
    """
    What a person corrected by hand and the result shows.

    action: 'drawn', a region that was missed, or 'struck', one that was hidden in vain: there the
    result shows the original. track: -1 for none. index: of the message in which it was done.
    frames: in how many. by, at: who, and when in UTC, ISO 8601; applied_at: when it was rendered.
    """

    action: Literal['drawn', 'struck']
    topic: str
    kind: str
    track: int
    index: int
    frames: int
    by: str
    at: str
    applied_at: str


@dataclass(frozen=True)
class Seal:
    """
    What a later change is noticed by; see audit/seal.py.

    root: a hash over input, output, settings, networks and regions: the same for two runs that
    did the same. record: one over the root and all of this manifest, times included. chain_file:
    a hash of each message. topics: the digest of each topic's chain. sections: a hash of each
    other field of this manifest. All sha256, in hex.
    """

    root: str
    record: str
    chain_file: FileRecord | None = None
    topics: dict[str, str] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """
    What a run did.

    command: as typed. started, finished: UTC, ISO 8601. settings: core.settings.to_mapping.
    wall_s: from start to finish. regions_file: what was found, per topic and stamp. seal: None
    in a manifest of a version that made none. corrections: made by hand since.
    """

    tool_version: str
    command: tuple[str, ...]
    started: str
    finished: str
    wall_s: float
    settings: dict[str, object]
    models: tuple[ModelRecord, ...]
    source: BagRecord
    result: BagRecord
    topics: tuple[TopicRecord, ...]
    timings: tuple[StageTiming, ...] = ()
    regions_file: FileRecord | None = None
    flags: Flags = field(default_factory=Flags)
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION
    seal: Seal | None = None
    corrections: tuple[CorrectionRecord, ...] = ()

    def __post_init__(self) -> None:
        """Check schema and topics; raise ValueError."""
        typed_json.check_schema(self, SCHEMA, SCHEMA_VERSION)
        names = [topic.name for topic in self.topics]
        if len(set(names)) != len(names):
            raise ValueError('topics names one twice')

    @property
    def cameras(self) -> dict[str, CameraCounts]:
        """The counts of each camera topic."""
        return {topic.name: topic.camera for topic in self.topics if topic.camera}

    @property
    def frames(self) -> int:
        """Camera frames in all."""
        return sum(counts.frames for counts in self.cameras.values())

    @property
    def withheld(self) -> int:
        """Frames masked all over."""
        return sum(counts.withheld for counts in self.cameras.values())

    @property
    def regions_by_kind(self) -> dict[str, int]:
        """Regions hidden in all, by kind."""
        return _sum(counts.regions_by_kind for counts in self.cameras.values())

    @property
    def synthesized(self) -> dict[str, int]:
        """Regions that show somebody who does not exist, in all, by kind."""
        return _sum(counts.synthesized for counts in self.cameras.values())

    @property
    def classic_instead(self) -> dict[str, int]:
        """Regions that were to be synthesized and show a classic method, in all, by reason."""
        return _sum(counts.classic_instead for counts in self.cameras.values())

    @property
    def frames_per_s(self) -> float:
        """Camera frames per second of the run."""
        return self.frames / self.wall_s if self.wall_s > 0 else 0.0

    def to_json(self) -> str:
        """Return the manifest as a JSON text."""
        return typed_json.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """
        Return the manifest of a JSON text.

        Raises ValueError that names the field which is wrong.
        """
        return typed_json.from_plain(cls, typed_json.parse(text))


def sidecar_path(result: Path) -> Path:
    """Return the folder of all that is written about a result: in its own, or beside a file."""
    return result / SIDECAR if result.is_dir() else result.with_name(f'{result.name}.{SIDECAR}')


def manifest_path(result: Path) -> Path:
    """Return where the manifest of a result lies."""
    return sidecar_path(result) / MANIFEST_NAME


def write_manifest(manifest: Manifest, path: Path) -> None:
    """
    Write a manifest; its folder is made where it is missing.

    Raises OutputError where the file cannot be written.
    """
    typed_json.write(manifest, path, 'manifest')


def read_manifest(path: Path) -> Manifest:
    """
    Read a manifest.

    Raises InputError that names the file and what is wrong with it.
    """
    return typed_json.read(Manifest, path, 'manifest')


def parse_manifest(path: Path) -> tuple[Manifest, dict[str, object]]:
    """Return a manifest and its JSON as it is, unknown keys included; see read_manifest."""
    return typed_json.read_with_plain(Manifest, path, 'manifest')


def is_anonymized(result: Path) -> bool:
    """
    Return whether a recording says of itself that anon_ros made it, and still is what was made.

    result: a bag's folder or a lone file. False where the manifest is missing or damaged, or
    where one of the files it names is missing or has another size.
    """
    try:
        manifest = read_manifest(manifest_path(result))
    except InputError:
        return False
    folder = result if result.is_dir() else result.parent
    return bool(manifest.result.files) and all(
        _has_size(folder, record) for record in manifest.result.files
    )


def fingerprint(
    start_ns: int, sizes_bytes: Iterable[int], messages_by_topic: Mapping[str, int]
) -> str:
    """
    Return a hash that tells recordings apart without reading them.

    sha256, in hex, over the start, the files' sizes in order of their names, and each topic's
    count. Two recordings with the same one are the same for every practical purpose; it is no
    proof against a forger.
    """
    content = [start_ns, list(sizes_bytes), sorted(messages_by_topic.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _has_size(folder: Path, record: FileRecord) -> bool:
    try:
        return (folder / record.name).stat().st_size == record.size_bytes
    except (OSError, ValueError):
        return False


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0) + number
    return total
