# SPDX-License-Identifier: Apache-2.0
"""What a run writes down of its source, its result and its topics."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from anon_ros.audit.manifest import BagRecord, FileRecord, TopicRecord, fingerprint
from anon_ros.audit.regions_file import Source
from anon_ros.bags.topics import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anon_ros.audit.manifest import Action as ManifestAction
    from anon_ros.audit.recorder import RunRecorder
    from anon_ros.bags.storage import SourceBag
    from anon_ros.bags.topics import TopicPlan

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
    source: SourceBag, name: str, origin: Source, sizes_bytes: Mapping[str, int] | None = None
) -> BagRecord:
    """
    Return what the manifest says of a bag.

    sizes_bytes: the files of the result by name; None for the source itself.
    """
    is_source = sizes_bytes is None
    sizes = _sizes(source) if sizes_bytes is None else sizes_bytes
    return BagRecord(
        name=name, storage=source.kind, fingerprint=origin.fingerprint if is_source else '',
        start_ns=origin.start_ns, messages=max(source.message_count, 0),
        files=tuple(FileRecord(file, size) for file, size in sizes.items()),
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
