# SPDX-License-Identifier: Apache-2.0
"""The curves of a training, drawn from its log."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WIDTH_PX, ROW_PX, LEFT_PX = 720, 120, 12
COLOUR = '#2a6fb0'
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
)


def write_plot(log_path: Path, plot_path: Path) -> None:
    """
    Write an SVG with one curve below the other, one for each column of a training's CSV.

    The first column is the step; cells may be empty where a loss was not in use yet.
    """
    with log_path.open(encoding='utf-8', newline='') as file:
        names, *rows = list(csv.reader(file))
    curves = [(name, _points(rows, column)) for column, name in enumerate(names)
              if name not in {'step', 'seconds'}]
    last_step = float(rows[-1][0]) if rows else 1.0
    parts = [_HEAD.format(width=WIDTH_PX, height=ROW_PX * len(curves))]
    for place, (name, points) in enumerate(curves):
        parts += _curve(name, points, last_step, place * ROW_PX)
    plot_path.write_text('\n'.join([*parts, '</svg>\n']), encoding='utf-8')


def _points(rows: Sequence[Sequence[str]], column: int) -> list[tuple[float, float]]:
    return [(float(row[0]), float(row[column])) for row in rows if row[column]]


def _curve(
    name: str, points: Sequence[tuple[float, float]], last_step: float, top_px: float
) -> list[str]:
    if not points:
        return [_text(f'{name}: not in use yet', top_px)]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    scale = (ROW_PX - 40) / (high - low) if high > low else 0.0
    path = ' '.join(
        f'{LEFT_PX + step / last_step * (WIDTH_PX - 2 * LEFT_PX):.1f},'
        f'{top_px + ROW_PX - 12 - (value - low) * scale:.1f}'
        for step, value in points
    )
    return [
        _text(f'{name}: {low:.3g} to {high:.3g}, last {values[-1]:.3g}', top_px),
        f'<polyline points="{path}" fill="none" stroke="{COLOUR}" stroke-width="1.5"/>',
    ]


def _text(text: str, top_px: float) -> str:
    return f'<text x="{LEFT_PX}" y="{top_px + 18}">{text}</text>'
