# SPDX-License-Identifier: Apache-2.0
"""What one camera counts and measures of itself, for diagnostics."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anon_ros.core.interfaces import Synthesis

RECENT = 512
RATE_WINDOW_S = 5.0
_QUANTILES = (50, 95, 99)


@dataclass(frozen=True)
class Snapshot:
    """
    What a camera has done.

    received, published, regions: frames in, frames out (masked ones too) and regions hidden.
    synthesized: regions that a generator painted; classic_instead: that it could not.
    input_hz, output_hz: over the last seconds. withheld: frames by cause; a masked frame counts.
    stages_ms: p50, p95 and p99 of each stage over the recent frames, in ms.
    queue_age_ms: how old the frame was that the worker took last, in ms.
    since_output_s: since the last frame went out, None before the first one.
    """

    received: int
    published: int
    regions: int
    input_hz: float
    output_hz: float
    withheld: Mapping[str, int]
    synthesized: int
    classic_instead: int
    stages_ms: Mapping[str, tuple[float, float, float]]
    queue_age_ms: float
    since_output_s: float | None


class CameraStatistics:
    """Counts and durations of one camera; every method is safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = _Rate()
        self._published = _Rate()
        self._regions = 0
        self._withheld: Counter[str] = Counter()
        self._synthesized = self._classic_instead = 0
        self._stages_s: dict[str, deque[float]] = {}

    def received(self) -> None:
        """Count a frame that came in."""
        with self._lock:
            self._received.add()

    def published(self, regions: int) -> None:
        """Count a frame that went out, with that many regions hidden."""
        with self._lock:
            self._published.add()
            self._regions += regions

    def withheld(self, cause: str) -> None:
        """Count a frame that did not go out, or masked all over."""
        with self._lock:
            self._withheld[cause] += 1

    def synthesized(self, synthesis: Synthesis) -> None:
        """Count what a generator painted in a frame, and what it could not."""
        with self._lock:
            self._synthesized += sum(synthesis.synthesized.values())
            self._classic_instead += sum(synthesis.classic_instead.values())

    def took(self, stage: str, seconds: float) -> None:
        """Note how long a stage took for one frame."""
        with self._lock:
            self._stages_s.setdefault(stage, deque(maxlen=RECENT)).append(seconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure a block as one run of a stage, also where it raises."""
        start_s = time.monotonic()
        try:
            yield
        finally:
            self.took(stage, time.monotonic() - start_s)

    def snapshot(self) -> Snapshot:
        """Return how things stand."""
        with self._lock:
            stages_s = {stage: list(values) for stage, values in self._stages_s.items()}
            waited_s = stages_s.get('queue')
            return Snapshot(
                received=self._received.count, published=self._published.count,
                regions=self._regions, input_hz=self._received.hz(),
                output_hz=self._published.hz(), withheld=dict(self._withheld),
                synthesized=self._synthesized, classic_instead=self._classic_instead,
                stages_ms={stage: _quantiles_ms(values) for stage, values in stages_s.items()},
                queue_age_ms=waited_s[-1] * 1e3 if waited_s else 0.0,
                since_output_s=self._published.since_s(),
            )


class _Rate:
    """A count, and how fast it has grown lately."""

    def __init__(self) -> None:
        self.count = 0
        self._last_s = 0.0
        self._recent_s: deque[float] = deque(maxlen=4096)

    def add(self) -> None:
        self.count += 1
        self._last_s = time.monotonic()
        self._recent_s.append(self._last_s)

    def hz(self) -> float:
        start_s = time.monotonic() - RATE_WINDOW_S
        while self._recent_s and self._recent_s[0] < start_s:
            self._recent_s.popleft()
        if len(self._recent_s) < 2:
            return 0.0
        return (len(self._recent_s) - 1) / (self._recent_s[-1] - self._recent_s[0] or 1e-9)

    def since_s(self) -> float | None:
        return time.monotonic() - self._last_s if self.count else None


def _quantiles_ms(seconds: list[float]) -> tuple[float, float, float]:
    p50, p95, p99 = np.percentile(seconds, _QUANTILES) * 1e3
    return float(p50), float(p95), float(p99)
