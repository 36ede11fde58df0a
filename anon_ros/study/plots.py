# SPDX-License-Identifier: Apache-2.0
"""The report's plots as numbers: what the template turns into inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit.charts import Tick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.study.table import Row

WIDTH, HEIGHT = 640, 360
CURVE_HEIGHT = 220
_COLOURS = 8
_TICKS = 5


@dataclass(frozen=True)
class Point:
    """A variant in a plot: its place in px, its intervals, name, shape and colour."""

    x: float
    y: float
    x_span: tuple[float, float]
    y_span: tuple[float, float]
    name: str
    shape: str
    colour: str
    text: str
    label_y: float


@dataclass(frozen=True)
class TradeOff:
    """Utility kept against people found again."""

    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    y_label: str
    left_out: tuple[str, ...]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Curves:
    """Losses over iterations: a path for each variant."""

    paths: tuple[tuple[str, str, str], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = CURVE_HEIGHT


def trade_off(rows: Sequence[Row], measure: str) -> TradeOff:
    """
    Return the plot of what is kept against who is found again.

    measure: 'recognized' or 'found_again', a share. Variants without both figures are left out
    and named.
    """
    points, left_out = [], []
    most = max([1.0, *(row.kept for row in rows if row.kept is not None)])
    top = math.ceil(most * 10) / 10
    for number, row in enumerate(rows):
        value = None if row.privacy is None else getattr(row.privacy, measure)
        if row.kept is None or value is None or row.privacy is None:
            left_out.append(row.name)
            continue
        low, high = _span(row.privacy, measure, value)
        points.append(_point(number, row, (value, low, high), top))
    return TradeOff(
        _apart(points), _ticks(top, WIDTH), _ticks(1.0, HEIGHT, is_upward=True),
        {'recognized': 'recognized at the first guess',
         'found_again': 'found by another detector'}[measure], tuple(left_out))


def curves(losses: Mapping[str, Sequence[tuple[float, float]]]) -> Curves | None:
    """Return the plot of (iteration, loss) by variant; None of nothing."""
    chosen = {name: rows for name, rows in losses.items() if len(rows) > 1}
    if not chosen:
        return None
    last = max(rows[-1][0] for rows in chosen.values())
    top = max(value for rows in chosen.values() for _, value in rows[len(rows) // 20:]) or 1.0
    paths = []
    for number, (name, rows) in enumerate(chosen.items()):
        points = ' L'.join(
            f'{WIDTH * x / last:.1f},{CURVE_HEIGHT * (1 - min(1.0, y / top)):.1f}'
            for x, y in rows)
        paths.append((name, f'stage{number % _COLOURS}', f'M{points}'))
    return Curves(
        tuple(paths),
        tuple(Tick(WIDTH * i / _TICKS, f'{last * i / _TICKS:,.0f}') for i in range(_TICKS + 1)),
        tuple(Tick(CURVE_HEIGHT * (1 - i / 4), f'{top * i / 4:.2f}') for i in range(5)))


def _point(
    number: int, row: Row, found: tuple[float, float, float], top: float
) -> Point:
    value, low, high = found
    kept = row.kept or 0.0
    spread = 0.0
    if row.person_ap is not None and row.person_ap.deviation and row.person_ap.mean:
        spread = kept * row.person_ap.deviation / row.person_ap.mean
    x, y = WIDTH * kept / top, HEIGHT * (1 - value)
    return Point(
        x, y,
        (WIDTH * max(0.0, kept - spread) / top, WIDTH * min(top, kept + spread) / top),
        (HEIGHT * (1 - high), HEIGHT * (1 - low)), row.name,
        row.variant.region or 'original', f'stage{number % _COLOURS}',
        f'{row.name}: {100 * kept:.0f} % of the AP of people, {100 * value:.0f} %', y)


def _span(privacy: object, measure: str, value: float) -> tuple[float, float]:
    stem = 'found' if measure == 'found_again' else 'recognized'
    low, high = getattr(privacy, f'{stem}_low'), getattr(privacy, f'{stem}_high')
    return (value if low is None else low), (value if high is None else high)


def _apart(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points, their names moved so far that none lies on another."""
    placed: list[Point] = []
    for point in sorted(points, key=lambda each: each.y):
        y = point.y
        for other in placed:
            if abs(other.x - point.x) < 140 and abs(other.label_y - y) < 14:
                y = other.label_y + 14
        placed.append(Point(**{**point.__dict__, 'label_y': y}))
    return tuple(placed)


def _ticks(top: float, length: float, *, is_upward: bool = False) -> tuple[Tick, ...]:
    return tuple(
        Tick(length * (1 - i / _TICKS if is_upward else i / _TICKS),
             f'{100 * top * i / _TICKS:.0f} %')
        for i in range(_TICKS + 1))
