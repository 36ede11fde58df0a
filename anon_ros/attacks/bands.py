# SPDX-License-Identifier: Apache-2.0
"""Heights in px, in bands: the larger a face is, the more there is to leak."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit.attack_table import ALL_HEIGHTS, TOO_FEW, AttackRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anon_ros.attacks.intervals import Share
    from anon_ros.core.regions import BoolArray

EDGES_PX = (0, 16, 32, 64, 128)
LEAST_CASES = 10
"""Of fewer identities or readings nothing can be said: the interval would span nearly all."""


def bands(heights_px: Sequence[float]) -> Iterator[tuple[str, BoolArray]]:
    """Yield each band's name and (N,) whether a height lies in it: all first, then what occurs."""
    heights = np.asarray(heights_px)
    yield ALL_HEIGHTS, np.ones(len(heights), bool)
    for low, high in itertools.pairwise((*EDGES_PX, np.inf)):
        chosen = (heights >= low) & (heights < high)
        if chosen.any() and not chosen.all():
            yield (f'{low}-{high - 1:.0f}' if np.isfinite(high) else f'from {low}'), chosen


def row(  # noqa: PLR0913 - by keyword only, one for each column
    *, kind: str, attacker: str, method: str, height: str, measure: str, value: Share,
    chance: float, samples: int, strength: str = '', gray: float | None = None,
    excess: Share | None = None,
) -> AttackRow:
    """Return a row; one of too few cases says so and nothing else."""
    names = (kind, attacker, strength, method, height, measure)
    if samples < LEAST_CASES:
        return AttackRow(*names, 0.0, 0.0, 1.0, chance, samples, note=TOO_FEW)
    if excess is None:
        return AttackRow(*names, *value, chance, samples, gray)
    return AttackRow(*names, *value, chance, samples, gray, *excess)
