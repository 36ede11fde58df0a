# SPDX-License-Identifier: Apache-2.0
"""The report's plot of recall by height: what a labelled sample shows, with its intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit.charts import WIDTH, Tick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.audit.acceptance import HeightRecall, KindRecall

HEIGHT = 220
_LEAST_SPAN = 0.05
_SPREAD_PX = 22


@dataclass(frozen=True)
class Whisker:
    """
    A share with its interval: places in px, top and bottom as on a screen.

    is_faint: whether so few were counted that it says hardly anything.
    """

    x: float
    y: float
    top: float
    bottom: float
    label: str
    text: str
    is_faint: bool


@dataclass(frozen=True)
class RecallPlot:
    """All kinds side by side in each range of heights."""

    whiskers: tuple[Whisker, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT


def recall_plot(kinds: Sequence[KindRecall]) -> RecallPlot | None:
    """Return the plot, or None where nothing was labelled."""
    found = [(kind.kind, each) for kind in kinds for each in kind.heights]
    if not found:
        return None
    ranges = sorted({(each.from_px, each.to_px or 0) for _, each in found})
    names = list(dict.fromkeys(kind for kind, _ in found))
    telling = [each for _, each in found if not each.recall.note] or [each for _, each in found]
    lowest = min(each.recall.interval_low for each in telling)
    # The axis ends at 100 % and begins below the lowest end of an interval, at a tenth.
    start = min(int(lowest * 10) / 10, 1 - _LEAST_SPAN)
    step = WIDTH / len(ranges)
    whiskers = []
    for kind, each in found:
        column = ranges.index((each.from_px, each.to_px or 0))
        shift = (names.index(kind) - (len(names) - 1) / 2) * _SPREAD_PX
        recall = each.recall
        whiskers.append(Whisker(
            (column + 0.5) * step + shift, min(_y(recall.share, start), HEIGHT),
            _y(recall.interval_high, start), min(_y(recall.interval_low, start), HEIGHT), kind,
            f'{kind}, {_range(each)}: {100 * recall.share:.1f} % of {recall.things} hidden, '
            f'{100 * recall.interval_low:.1f} to {100 * recall.interval_high:.1f} %',
            bool(recall.note),
        ))
    shares = [start + (1 - start) * i / 4 for i in range(5)]
    by_range = {(each.from_px, each.to_px or 0): each for _, each in found}
    return RecallPlot(
        tuple(whiskers),
        tuple(Tick((i + 0.5) * step, _range(by_range[each])) for i, each in enumerate(ranges)),
        tuple(Tick(_y(share, start), f'{100 * share:.3g} %') for share in shares),
    )


def _y(share: float, start: float) -> float:
    return HEIGHT * (1 - (share - start) / (1 - start))


def _range(each: HeightRecall) -> str:
    if each.to_px is None:
        return f'{each.from_px} px and more'
    return f'{each.from_px}-{each.to_px - 1} px'
