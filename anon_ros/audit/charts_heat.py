# SPDX-License-Identifier: Apache-2.0
"""The report's heat maps: what was found by topic and hour, and by topic and height."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit.charts import WIDTH, Float64Array, Tick, range_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.audit.camera_counts import HeightHistogram, TimeSeries

ROW_PX = 26
GAP_PX = 2
MOST_COLUMNS = 24
MOST_ROWS = 40
STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""How long a column may be, in s; whole hours as soon as a recording is long enough."""
HOUR_NS = 3600 * 10**9
_FAINTEST = 0.12


@dataclass(frozen=True)
class Cell:
    """A rectangle in px; opacity: 0..1. number: what stands in it. text: what names it."""

    x: float
    y: float
    width: float
    opacity: float
    number: str
    text: str


@dataclass(frozen=True)
class HeatMap:
    """A table as colours. label: the kind. rows: names with their places. left_out: more rows."""

    label: str
    cells: tuple[Cell, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    left_out: int
    width: int = WIDTH

    @property
    def height(self) -> int:
        """In px, without the names of the columns."""
        return len(self.rows) * ROW_PX


@dataclass(frozen=True)
class Columns:
    """Stretches of time, the same for all topics: start of the first, length of each, how many."""

    start_ns: int
    step_ns: int
    count: int

    @classmethod
    def of(cls, series: Sequence[TimeSeries]) -> Columns | None:
        """Return columns that hold all of some series; None where nothing is in them."""
        series = [item for item in series if item.frames]
        if not series:
            return None
        first = min(item.start_ns for item in series)
        last = max(item.start_ns + item.bin_ns * len(item.frames) for item in series)
        least_s = max(item.bin_ns for item in series) / 1e9
        span_s = max((last - first) / 1e9, least_s)
        step_s = next(
            (step for step in STEPS_S if step >= least_s and span_s / step <= MOST_COLUMNS - 1),
            86400 * math.ceil(span_s / 86400 / (MOST_COLUMNS - 1)),
        )
        step_ns = step_s * 10**9
        start_ns = first // step_ns * step_ns
        return cls(start_ns, step_ns, max(1, math.ceil((last - start_ns) / step_ns)))

    def names(self) -> list[str]:
        """Return when each begins, UTC."""
        pattern = '%H:%M' if self.step_ns >= 60 * 10**9 else '%M:%S'
        if self.step_ns >= 86400 * 10**9:
            pattern = '%m-%d'
        return [_time(self.start_ns + i * self.step_ns, pattern) for i in range(self.count)]

    def sums(self, series: TimeSeries, counts: Sequence[int]) -> Float64Array:
        """Return the counts of a series' bins by column."""
        found = np.zeros(self.count)
        for i, number in enumerate(counts):
            centre_ns = series.start_ns + i * series.bin_ns + series.bin_ns // 2
            found[min((centre_ns - self.start_ns) // self.step_ns, self.count - 1)] += number
        return found


def by_hour(topics: Mapping[str, TimeSeries], label: str) -> HeatMap | None:
    """Return regions per frame of a kind by topic and stretch of time; None for none at all."""
    columns = Columns.of(list(topics.values()))
    if columns is None:
        return None
    rows: dict[str, list[float | None]] = {}
    for topic, series in topics.items():
        shown = [a - b for a, b in zip(series.frames, series.withheld, strict=True)]
        frames = columns.sums(series, shown)
        found = columns.sums(series, series.regions.get(label, (0,) * len(shown)))
        rows[topic] = [
            total / count if count > 0 else None
            for total, count in zip(found.tolist(), frames.tolist(), strict=True)
        ]
    return _heat_map(label, rows, columns.names(), '{:.1f}', 'a frame')


def by_hour_of_day(topics: Sequence[tuple[str, TimeSeries]], label: str) -> HeatMap | None:
    """Return regions per frame of a kind, by topic and hour of the day in UTC."""
    frames: dict[str, Float64Array] = {}
    found: dict[str, Float64Array] = {}
    for topic, series in topics:
        counts = series.regions.get(label, (0,) * len(series.frames))
        shown = [a - b for a, b in zip(series.frames, series.withheld, strict=True)]
        for sums, numbers in ((frames, shown), (found, counts)):
            row = sums.setdefault(topic, np.zeros(24))
            for i, number in enumerate(numbers):
                centre_ns = series.start_ns + i * series.bin_ns + series.bin_ns // 2
                row[centre_ns // HOUR_NS % 24] += number
    rows: dict[str, list[float | None]] = {
        topic: [
            total / count if count > 0 else None
            for total, count in zip(found[topic].tolist(), frames[topic].tolist(), strict=True)
        ] for topic in sorted(frames)
    }
    return _heat_map(label, rows, [f'{hour:02}' for hour in range(24)], '{:.1f}', 'a frame')


def by_height(topics: Mapping[str, HeightHistogram], label: str) -> HeatMap | None:
    """Return regions of a kind by topic and height; None where there are none."""
    if len({item.edges_px for item in topics.values()}) != 1:
        return None
    edges_px = next(iter(topics.values())).edges_px
    rows: dict[str, list[float | None]] = {
        topic: [float(count) for count in item.regions.get(label, (0,) * len(edges_px))]
        for topic, item in topics.items()
    }
    names = [range_text(edges_px, i) for i in range(len(edges_px))]
    return _heat_map(label, rows, names, '{:,.0f}', '')


def _heat_map(
    label: str, rows: Mapping[str, Sequence[float | None]], names: Sequence[str], form: str,
    unit: str,
) -> HeatMap | None:
    highest = max((value or 0.0 for row in rows.values() for value in row), default=0.0)
    if highest <= 0:
        return None
    width = WIDTH / len(names)
    shown = list(rows.items())[:MOST_ROWS]
    cells = []
    for y, (topic, row) in enumerate(shown):
        for x, (value, name) in enumerate(zip(row, names, strict=True)):
            if value:
                number = form.format(value)
                # The square root: few of a thing are to be seen beside many, too.
                opacity = _FAINTEST + (1 - _FAINTEST) * math.sqrt(value / highest)
                cells.append(Cell(
                    x * width + GAP_PX / 2, y * ROW_PX + GAP_PX / 2, width - GAP_PX, opacity,
                    _short(value, form), f'{topic}, {name}: {number} {unit}'.strip(),
                ))
    every = max(1, math.ceil(len(names) / 16))
    return HeatMap(
        label, tuple(cells),
        tuple(Tick((y + 0.5) * ROW_PX, topic) for y, (topic, _) in enumerate(shown)),
        tuple(Tick((x + 0.5) * width, name) for x, name in enumerate(names) if x % every == 0),
        len(rows) - len(shown),
    )


def _short(value: float, form: str) -> str:
    """Return a number that fits into a cell."""
    if value < 10:
        text = form.format(value)
        return '' if text in {'0.0', '0'} else text
    if value < 10_000:
        return f'{value:,.0f}'
    return f'{value / 1e3:,.0f}k' if value < 1e6 else f'{value / 1e6:,.0f}M'


def _time(stamp_ns: int, pattern: str) -> str:
    """Return a time of the day, UTC, or the seconds where no calendar reaches."""
    try:
        return datetime.fromtimestamp(stamp_ns / 1e9, timezone.utc).strftime(pattern)
    except (OverflowError, OSError, ValueError):
        return f'{stamp_ns / 1e9:.0f} s'
