# SPDX-License-Identifier: Apache-2.0
"""What a run counts and measures of itself while it goes on."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit.durations import DurationSketch
from anon_ros.audit.manifest import FlagRecord, StageTiming
from anon_ros.audit.tally import TopicTally, count_reason
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anon_ros.audit.camera_counts import CameraCounts
    from anon_ros.audit.manifest import Outcome
    from anon_ros.core.interfaces import Synthesis
    from anon_ros.core.regions import Regions

MOST_FLAGS = 1000


@dataclass(frozen=True)
class RunTotals:
    """Frames so far, in all, overwritten in part and withheld, and regions by kind."""

    frames: int
    anonymized: int
    withheld: int
    regions: dict[str, int]


class RunRecorder:
    """
    Counts frames and regions per topic, and measures stages.

    Every method may be called from several threads at once; memory stays the same for ten frames
    and for ten million.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, TopicTally] = {}
        self._stages: dict[str, DurationSketch] = {}
        self._dropped: dict[str, dict[str, int]] = {}
        self._seconds: dict[str, int] = {}
        self._flags: deque[FlagRecord] = deque(maxlen=MOST_FLAGS)

    def frame(
        self,
        topic: str,
        stamp_ns: int,
        regions: Regions,
        outcome: Outcome,
        reason: str | None = None,
        synthesis: Synthesis | None = None,
    ) -> None:
        """
        Count one camera frame.

        stamp_ns: its time in the recording. reason: why it was withheld, for outcome 'masked'.
        synthesis: what a generator painted, or could not.
        """
        with self._lock:
            tally = self._topics.setdefault(topic, TopicTally())
            tally.add(stamp_ns, regions, outcome, reason or 'no reason given')
            if synthesis is not None:
                tally.add_synthesis(synthesis)

    def timing(self, stage: str, seconds: float) -> None:
        """Count how long a stage took for one frame or message."""
        with self._lock:
            self._stages.setdefault(stage, DurationSketch()).add(seconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure a block as one run of a stage, also where it raises."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.timing(stage, time.perf_counter() - start_s)

    def dropped(self, topic: str, reason: str) -> None:
        """Count a message that was left out of the result."""
        with self._lock:
            count_reason(self._dropped.setdefault(topic, {}), reason)

    def is_first(self, topic: str, second: int) -> bool:
        """Return whether nobody asked for this topic and second yet; for what is only sampled."""
        with self._lock:
            is_new = self._seconds.get(topic) != second
            self._seconds[topic] = second
            return is_new

    def flag(self, flag: FlagRecord) -> None:
        """Take something that a person should look at."""
        with self._lock:
            self._flags.append(flag)

    def flags(self) -> tuple[FlagRecord, ...]:
        """Return the last flags that were taken."""
        with self._lock:
            return tuple(self._flags)

    def counts(self) -> dict[str, CameraCounts]:
        """Return the counts of each camera topic."""
        with self._lock:
            return {topic: tally.counts() for topic, tally in sorted(self._topics.items())}

    def dropped_counts(self) -> dict[str, dict[str, int]]:
        """Return how many messages each topic lost, by reason."""
        with self._lock:
            return {topic: dict(reasons) for topic, reasons in sorted(self._dropped.items())}

    def timings(self) -> tuple[StageTiming, ...]:
        """Return how long each stage took, in the order in which they first ran."""
        with self._lock:
            return tuple(
                StageTiming(
                    stage=stage, count=sketch.count, total_s=sketch.total_s,
                    p50_ms=sketch.percentile_s(50) * 1e3, p95_ms=sketch.percentile_s(95) * 1e3,
                )
                for stage, sketch in self._stages.items()
            )

    def totals(self) -> RunTotals:
        """Return the sums over all topics so far; cheap enough for a progress bar."""
        with self._lock:
            tallies = list(self._topics.values())
            outcomes = [tally.outcomes for tally in tallies]
            by_kind = sum((tally.by_kind for tally in tallies), np.zeros(len(Kind), np.int64))
            return RunTotals(
                frames=sum(sum(counts.values()) for counts in outcomes),
                anonymized=sum(counts['anonymized'] for counts in outcomes),
                withheld=sum(counts['masked'] for counts in outcomes),
                regions={kind.label: int(by_kind[kind]) for kind in Kind},
            )
