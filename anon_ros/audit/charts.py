# SPDX-License-Identifier: Apache-2.0
"""The report's plots as numbers: what the template turns into inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.audit.camera_counts import CameraCounts, HeightHistogram, TimeSeries
    from anon_ros.audit.manifest import StageTiming

Float64Array: TypeAlias = NDArray[np.float64]

WIDTH = 1000
TIMELINE_HEIGHT = 130
HISTOGRAM_HEIGHT = 200
MAX_POINTS = 250
GAP = 4
"""A line is broken where frames are missing for longer than this many usual distances."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place in px and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """What was in view of one kind: pieces of a line, and of the area below, as SVG path data."""

    label: str
    path: str
    area: str


@dataclass(frozen=True)
class Timeline:
    """Regions per frame over time, for one topic. withheld: (x, width) of stretches in px."""

    lines: tuple[Line, ...]
    withheld: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    highest: float
    width: int = WIDTH
    height: int = TIMELINE_HEIGHT


@dataclass(frozen=True)
class Bar:
    """A rectangle in px, the label of what it counts, and the text that names it."""

    x: float
    y: float
    width: float
    height: float
    label: str
    text: str


@dataclass(frozen=True)
class Histogram:
    """Regions by height, stacked by kind."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HISTOGRAM_HEIGHT


def timeline(series: TimeSeries, start_ns: int, end_ns: int) -> Timeline:
    """
    Return the plot of a topic over the whole recording.

    start_ns, end_ns: what the axis spans; widened where the topic reaches further.
    """
    start_ns = min(start_ns, series.start_ns)
    end_ns = max(end_ns, series.start_ns + series.bin_ns * len(series.frames), start_ns + 1)
    merge = max(1, math.ceil(len(series.frames) / MAX_POINTS))
    frames, withheld = _merge(series.frames, merge), _merge(series.withheld, merge)
    bin_px = WIDTH * series.bin_ns * merge / (end_ns - start_ns)
    left = WIDTH * (series.start_ns - start_ns) / (end_ns - start_ns)
    left_px = left + bin_px * np.arange(len(frames))
    # A withheld frame shows nothing at all: it would pull the mean down.
    shown = np.flatnonzero(frames > withheld)
    means = {
        label: _merge(counts, merge)[shown] / (frames - withheld)[shown]
        for label, counts in series.regions.items() if any(counts)
    }
    highest = max((float(mean.max(initial=0)) for mean in means.values()), default=0.0)
    top, y_ticks = _axis(highest, TIMELINE_HEIGHT)
    centre_px = np.asarray(left_px[shown] + bin_px / 2, np.float64)
    return Timeline(
        lines=tuple(_line(label, centre_px, mean / top) for label, mean in means.items()),
        withheld=tuple((x, max(2.0, bin_px)) for x in left_px[withheld > 0].tolist()),
        x_ticks=_time_ticks((end_ns - start_ns) / 1e9),
        y_ticks=y_ticks,
        highest=highest,
    )


def histogram(heights: Sequence[HeightHistogram]) -> Histogram | None:
    """Return the plot of all topics' regions together, or None where there are none."""
    if not heights or len({item.edges_px for item in heights}) > 1:
        return None
    edges_px = heights[0].edges_px
    kinds = [kind.label for kind in Kind]
    counts = np.array([
        np.sum([item.regions.get(label, (0,) * len(edges_px)) for item in heights], axis=0)
        for label in kinds
    ])
    if not counts.sum():
        return None
    top, y_ticks = _axis(float(counts.sum(axis=0).max()), HISTOGRAM_HEIGHT)
    step = WIDTH / len(edges_px)
    bars: list[Bar] = []
    for i in range(len(edges_px)):
        y = float(HISTOGRAM_HEIGHT)
        for label, count in zip(kinds, counts[:, i].tolist(), strict=True):
            height = count / top * HISTOGRAM_HEIGHT
            y -= height
            if count:
                text = f'{count:,} {label}, {range_text(edges_px, i)} px high'
                bars.append(Bar(i * step + 4, y, step - 8, height, label, text))
    ticks = [Tick((i + 0.5) * step, range_text(edges_px, i)) for i in range(len(edges_px))]
    return Histogram(tuple(bars), tuple(ticks), y_ticks)


def stacked_bar(timings: Sequence[StageTiming]) -> tuple[Bar, ...]:
    """Return one bar whose parts are the stages' shares of the time spent."""
    total_s = sum(item.total_s for item in timings)
    bars: list[Bar] = []
    x = 0.0
    for i, item in enumerate(timings):
        width = WIDTH * item.total_s / total_s if total_s > 0 else 0.0
        text = f'{item.stage}: {item.total_s:.1f} s, {100 * width / WIDTH:.0f} %'
        bars.append(Bar(x, 0, width, 28, f'stage{i % 8}', text))
        x += width
    return tuple(bars)


def span_ns(cameras: Sequence[CameraCounts], start_ns: int, duration_ns: int) -> tuple[int, int]:
    """Return from where to where the time axes reach, the same for all topics."""
    series = [counts.over_time for counts in cameras if counts.over_time.frames]
    starts = [item.start_ns for item in series] or [0]
    ends = [item.start_ns + item.bin_ns * len(item.frames) for item in series] or [1]
    if duration_ns > 0:
        return start_ns, start_ns + duration_ns
    return min(starts), max(ends)


def clock(seconds: float) -> str:
    """Return a time from the start as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'


def _merge(counts: Sequence[int], factor: int) -> Float64Array:
    padded = np.zeros(-(-len(counts) // factor) * factor)
    padded[:len(counts)] = counts
    return np.asarray(padded.reshape(-1, factor).sum(axis=1), np.float64)


def _line(label: str, x: Float64Array, shares: Float64Array) -> Line:
    if not len(x):
        return Line(label, '', '')
    y = TIMELINE_HEIGHT * (1 - shares)
    usual = float(np.median(np.diff(x))) if len(x) > 1 else 0.0
    cuts = np.flatnonzero(np.diff(x) > GAP * usual) + 1
    path, area = '', ''
    for part_x, part_y in zip(np.split(x, cuts), np.split(y, cuts), strict=True):
        points = ' L'.join(f'{a:.1f},{b:.1f}' for a, b in zip(part_x, part_y, strict=True))
        path += f'M{points}' if len(part_x) > 1 else f'M{points} h1'
        ends = f'{part_x[0]:.1f},{TIMELINE_HEIGHT}', f'{part_x[-1]:.1f},{TIMELINE_HEIGHT}'
        area += f'M{ends[0]} L{points} L{ends[1]}Z'
    return Line(label, path, area)


def _axis(highest: float, height: float) -> tuple[float, tuple[Tick, ...]]:
    """Return the value at the top of a y axis and its marks, at round numbers."""
    step = _round_step(max(highest, 1.0) / 3)
    count = max(1, math.ceil(highest / step - 1e-9))
    return count * step, tuple(
        Tick(height * (1 - i / count), f'{i * step:,.12g}') for i in range(count + 1)
    )


def _time_ticks(seconds: float) -> tuple[Tick, ...]:
    steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]
    step = next((item for item in steps if seconds / item <= 12), None)
    step = step or 3600 * math.ceil(seconds / 3600 / 12)
    return tuple(
        Tick(i * step / seconds * WIDTH, clock(i * step)) for i in range(int(seconds / step) + 1)
    )


def _round_step(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * item for item in (1, 2, 5, 10) if power * item >= value * (1 - 1e-9))


def range_text(edges_px: Sequence[int], index: int) -> str:
    """Return from where to where a bin of heights reaches, in px."""
    if index + 1 == len(edges_px):
        return f'{edges_px[index]} and more'
    return f'{edges_px[index]}-{edges_px[index + 1] - 1}'
