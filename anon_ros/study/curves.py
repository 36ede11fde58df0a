# SPDX-License-Identifier: Apache-2.0
"""The curve of a training: rate and losses over iterations, as a CSV."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LOG_EVERY = 10


class Curve:
    """A CSV of rate, losses and seconds: a line every LOG_EVERY iterations, and the last."""

    def __init__(self, path: Path, start: int, *, is_written: bool) -> None:
        """Go on after an iteration: what an interrupted run wrote beyond it is dropped."""
        self._recent: list[dict[str, float]] = []
        self._start_s = time.monotonic()
        self._file = None
        if not is_written:
            return
        kept = [row for row in read_curve(path) if row['iteration'] <= start]
        self._file = path.open('w', encoding='utf-8', newline='')
        self._writer: Any = None
        for row in kept:
            self._put(row)

    def __enter__(self) -> Curve:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(
        self, iteration: int, rate: float, losses: dict[str, float], *, is_last: bool = False
    ) -> None:
        """Take an iteration's losses."""
        self._recent.append(losses)
        if self._file is None or (iteration % LOG_EVERY and not is_last):
            return
        means = {
            name: sum(each[name] for each in self._recent) / len(self._recent)
            for name in losses}
        self._put({
            'iteration': iteration, 'rate': rate, 'total': sum(means.values()), **means,
            'seconds': time.monotonic() - self._start_s})
        self._recent.clear()

    def _put(self, row: dict[str, float]) -> None:
        if self._file is None:
            return
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row))
            self._writer.writeheader()
        self._writer.writerow({
            key: f'{value:g}' if key == 'iteration' else f'{value:.6g}'
            for key, value in row.items()})
        self._file.flush()


def read_curve(path: Path) -> list[dict[str, float]]:
    """Return the whole lines of a curve; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    return [
        {key: float(value) for key, value in row.items()} for row in rows
        if None not in row and None not in row.values() and '' not in row.values()]


def last_iteration(path: Path) -> int:
    """Return how far a curve goes; 0 where there is none."""
    rows = read_curve(path)
    return int(rows[-1]['iteration']) if rows else 0
