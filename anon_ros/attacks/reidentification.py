# SPDX-License-Identifier: Apache-2.0
"""Re-identification: the nearest of everybody's other looks is taken for the same person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from anon_ros.attacks.bands import bands, row
from anon_ros.attacks.intervals import paired_difference, wilson
from anon_ros.attacks.ranks import fair_ranks, hits
from anon_ros.attacks.summary import Summary, summarize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.attacks.interface import Descriptor, Identity, View
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.regions import Float32Array, Kind

PLACES = (1, 10)
STRENGTHS = ('naive', 'informed', 'patient', 'patient pixels')
"""
naive: knows people in the clear. informed: knows them anonymized the same way with other keys.
patient: informed, and averages descriptors over all looks; patient pixels: averages the pixels.
"""


class Points(NamedTuple):
    """What is known of N people in one view: gallery and queries."""

    gallery: Summary
    queries: Summary


@dataclass(frozen=True)
class Reidentification:
    """Compares by one descriptor, in every strength. method: what hid the regions."""

    descriptor: Descriptor
    method: str = ''

    @property
    def kind(self) -> Kind:
        """Whom it attacks."""
        return self.descriptor.kind

    def attack(self, identities: Sequence[Identity]) -> list[AttackRow]:
        """Return rank-1 and rank-10, for all strengths and heights."""
        if not identities:
            return []
        clear = self._points(identities, 'clear', 'clear').gallery
        hidden = self._points(identities, 'rekeyed', 'hidden')
        gray = self._points(identities, 'gray', 'gray')
        heights = [identity.height_px for identity in identities]
        is_patient = any(len(identity.queries) > 1 for identity in identities)
        return rank_rows(
            self, all_ranks(clear, hidden, is_patient=is_patient),
            all_ranks(clear, gray, is_patient=is_patient), heights,
        )

    def _points(self, identities: Sequence[Identity], known: View, asked: View) -> Points:
        gallery = ([look.picture(known) for look in each.gallery] for each in identities)
        queries = ([look.picture(asked) for look in each.queries] for each in identities)
        return Points(summarize(self.descriptor, gallery), summarize(self.descriptor, queries))


def all_ranks(
    clear: Summary, points: Points, *, is_patient: bool = True
) -> dict[str, Float32Array]:
    """Return (N,) ranks by strength; the patient ones where there is something to average."""
    gallery, queries = points
    ranks = {
        'naive': fair_ranks(clear.first, queries.first),
        'informed': fair_ranks(gallery.first, queries.first),
    }
    if is_patient:
        ranks['patient'] = fair_ranks(gallery.mean, queries.mean)
        ranks['patient pixels'] = fair_ranks(gallery.average, queries.average)
    return ranks


def rank_rows(
    attacker: Reidentification, ranks: Mapping[str, Float32Array],
    gray_ranks: Mapping[str, Float32Array], heights_px: Sequence[float],
) -> list[AttackRow]:
    """Return a row for each strength, place and band of heights."""
    rows = []
    for strength, ours in ranks.items():
        for place in PLACES:
            hit, gray = hits(ours, place), hits(gray_ranks[strength], place)
            rows += [
                row(
                    kind=attacker.kind.label, attacker=attacker.descriptor.name,
                    strength=strength, method=attacker.method, height=name,
                    measure=f'rank-{place}', value=wilson(hit[chosen].sum(), chosen.sum()),
                    chance=min(1.0, place / len(ours)), samples=int(chosen.sum()),
                    gray=float(gray[chosen].mean()),
                    excess=paired_difference(hit[chosen], gray[chosen]),
                )
                for name, chosen in bands(heights_px)
            ]
    return rows
