# SPDX-License-Identifier: Apache-2.0
"""What a run writes down of its source, its result and its topics."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from anon_ros import __version__
from anon_ros.audit.flags import find_flags
from anon_ros.audit.manifest import (
    CHAIN_NAME,
    MANIFEST_NAME,
    REGIONS_NAME,
    BagRecord,
    FileRecord,
    Manifest,
    ModelRecord,
    TopicRecord,
    fingerprint,
    write_manifest,
)
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.regions_file import Header, RegionsReader, Source
from anon_ros.audit.seal import hashed_file, make_seal
from anon_ros.bags.topics import Action
from anon_ros.core import settings as settings_module
from anon_ros.models.store import ModelStore
from anon_ros.runs.report import report_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anon_ros.audit.manifest import Action as ManifestAction
    from anon_ros.bags.storage import SourceBag
    from anon_ros.bags.topics import TopicPlan
    from anon_ros.core.settings import Settings

_ACTIONS: Mapping[Action, ManifestAction] = {
    Action.ANONYMIZE: 'anonymized', Action.COPY: 'copied', Action.DROP: 'dropped',
}



class Clock:
    """When a run started, and how long it has taken."""

    def __init__(self) -> None:
        self.started = self.now()
        self._start_s = time.perf_counter()

    @staticmethod
    def now() -> str:
        """Return the time, UTC, ISO 8601."""
        return datetime.now(timezone.utc).isoformat(timespec='seconds')

    def elapsed_s(self) -> float:
        """Return the wall time since the start, in s."""
        return time.perf_counter() - self._start_s


@dataclass(frozen=True)
class Run:
    """What is the same from a run's start to its end; command: as it was typed."""

    settings: Settings
    command: tuple[str, ...] = ()
    store: ModelStore = field(default_factory=ModelStore)
    recorder: RunRecorder = field(default_factory=RunRecorder)
    clock: Clock = field(default_factory=Clock)


def source_record(source: SourceBag, plan: TopicPlan) -> Source:
    """Return what a regions file says of the bag it was made from."""
    counts = message_counts(source)
    anonymized = set(plan.topics(Action.ANONYMIZE))
    start_ns = source_start_ns(source)
    return Source(
        name=source.path.name,
        fingerprint=fingerprint(start_ns, _sizes(source).values(), counts),
        start_ns=start_ns,
        topics={topic: count for topic, count in counts.items() if topic in anonymized},
    )


def bag_record(
    source: SourceBag, name: str, origin: Source, files: Mapping[str, Path] | None = None
) -> BagRecord:
    """
    Return what the manifest says of a bag.

    files: those of the result by name, which are hashed; None for the source itself.
    """
    is_source = files is None
    records = [FileRecord(file, size) for file, size in _sizes(source).items()]
    if files is not None:
        records = [replace(hashed_file(path), name=file) for file, path in files.items()]
    return BagRecord(
        name=name, storage=source.kind, fingerprint=origin.fingerprint if is_source else '',
        start_ns=origin.start_ns, messages=max(source.message_count, 0),
        files=tuple(records),
    )


def topic_records(
    source: SourceBag, plan: TopicPlan, recorder: RunRecorder
) -> tuple[TopicRecord, ...]:
    """Return what the manifest says of each topic."""
    cameras, dropped = recorder.counts(), recorder.dropped_counts()
    counts = message_counts(source)
    types = {each.topic: each for each in source.connections}
    return tuple(
        TopicRecord(
            name=topic, type=connection.msgtype, action=_ACTIONS[plan.action(connection)],
            messages=max(counts[topic], 0), camera=cameras.get(topic),
            dropped=dropped.get(topic, {}),
        )
        for topic, connection in sorted(types.items())
    )


def message_counts(source: SourceBag) -> dict[str, int]:
    """Return the messages of each topic, -1 where only a full pass would tell."""
    counts: dict[str, int] = {}
    for each in source.connections:
        before = counts.get(each.topic, 0)
        is_known = min(before, each.message_count) >= 0
        counts[each.topic] = before + each.message_count if is_known else -1
    return counts


def source_start_ns(source: SourceBag) -> int:
    """Return the log time of the first message, 0 for an empty bag."""
    for file in source.files:
        for message in file.messages():
            return message.log_ns
    return 0


def _sizes(source: SourceBag) -> dict[str, int]:
    if not source.is_folder:
        return {source.path.name: source.path.stat().st_size}
    return {file.name: (source.path / file.name).stat().st_size for file in source.files}


def new_header(source: Source, settings: Settings) -> Header:
    """Return the first line of a run's regions file."""
    return Header(__version__, source, settings_module.to_mapping(settings))


def write_records(
    sidecar: Path,
    *,
    run: Run,
    source: BagRecord,
    result: BagRecord,
    topics: tuple[TopicRecord, ...],
    bags: Sequence[Path] = (),
) -> Manifest:
    """
    Write manifest and report beside a regions file that is whole; return the manifest.

    bags: the files of the result, of which the report shows pictures; none where it is no bag.
    Raises OutputError where they cannot be written.
    """
    regions_path = sidecar / REGIONS_NAME
    manifest = Manifest(
        tool_version=__version__, command=run.command,
        started=run.clock.started, finished=run.clock.now(), wall_s=run.clock.elapsed_s(),
        settings=settings_module.to_mapping(run.settings),
        models=tuple(ModelRecord(c.name, c.sha256, c.licence) for c in run.store.used),
        source=source, result=result, topics=topics, timings=run.recorder.timings(),
        regions_file=hashed_file(regions_path),
        flags=find_flags(
            lambda: RegionsReader(regions_path), settings_module.target_kinds(run.settings),
            run.recorder.flags(),
        ),
    )
    return seal_records(sidecar, manifest, bags)


def seal_records(sidecar: Path, manifest: Manifest, bags: Sequence[Path] = ()) -> Manifest:
    """
    Seal a manifest and write it and its report; return it with its seal.

    bags: see write_records. Raises OutputError where they cannot be written.
    """
    chain_path = sidecar / CHAIN_NAME
    manifest = replace(
        manifest, seal=make_seal(manifest, chain_path if chain_path.exists() else None))
    write_manifest(manifest, sidecar / MANIFEST_NAME)
    report_of(sidecar, manifest, bags)
    return manifest
