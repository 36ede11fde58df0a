# SPDX-License-Identifier: Apache-2.0
"""From points to rows: who is assigned rightly, beside the same frames in gray."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from anon_ros.attacks.bands import row
from anon_ros.attacks.intervals import paired_difference, wilson
from anon_ros.attacks.ranks import fair_ranks, hits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anon_ros.attacks.interface import Descriptor
    from anon_ros.attacks.summary import Summary
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.regions import Float32Array


def ranks_of(
    clear: Summary, known: Summary, asked: Summary, patient: int
) -> dict[str, Float32Array]:
    """
    Return the ranks of the right person by strength, (N,) or, for patient ones, (patient,).

    clear, known, asked: of N people, of whom the first so many were seen along a track.
    """
    ranks = {
        'naive': fair_ranks(clear.first, asked.first),
        'informed': fair_ranks(known.first, asked.first),
    }
    if patient:
        ranks['patient'] = fair_ranks(known.mean[:patient], asked.mean[:patient])
        ranks['patient pixels'] = fair_ranks(known.average[:patient], asked.average[:patient])
    return ranks


def rank_rows(
    descriptor: Descriptor, method: str, height_px: int, ours: Mapping[str, Float32Array],
    gray: Mapping[str, Float32Array],
) -> list[AttackRow]:
    """Return rank-1 and rank-10 of a method; ours, gray: ranks by strength, of the same people."""
    return [
        row(
            kind=descriptor.kind.label, attacker=descriptor.name, strength=strength,
            method=method, height=str(height_px), measure=f'rank-{place}',
            value=wilson(hits(ranks, place).sum(), len(ranks)), chance=place / len(ranks),
            samples=len(ranks), gray=float(hits(gray[strength], place).mean()),
            excess=paired_difference(hits(ranks, place), hits(gray[strength], place)),
        )
        for strength, ranks in ours.items() for place in (1, 10)
    ]


def plain(each: AttackRow) -> dict[str, object]:
    """Return a row for a table or JSON, rounded."""
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in asdict(each).items() if name not in {'kind', 'note'}
    }
