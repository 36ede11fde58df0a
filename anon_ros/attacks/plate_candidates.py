# SPDX-License-Identifier: Apache-2.0
"""
Plates, by a list of texts that it may be: each is drawn, hidden the same way, and compared.

Whoever has a list needs to read nothing: a blurred plate looks like the right text blurred, and
like no other. The list is the right text, 99 others of its pattern, and all other plates' texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from anon_ros.attacks.bands import bands, row
from anon_ros.attacks.interface import Picture
from anon_ros.attacks.intervals import paired_difference, wilson
from anon_ros.attacks.ranks import hits
from anon_ros.attacks.rendered_plates import LAYOUTS, Blank, draw_candidates
from anon_ros.attacks.summary import average
from anon_ros.attacks.text_recognizer import TextRecognizer, load_recognizer
from anon_ros.core.boxes import to_rects
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.attacks.interface import Hiding, Identity
    from anon_ros.attacks.rendered_plates import Layout
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.regions import Float32Array

DRAWN = 99
PLACES = (1, 10)
STRENGTHS = ('naive', 'informed', 'patient pixels')
_SIZE_WH = (96, 24)
_AROUND_XY = (3, 2)
"""What is compared around a text, in px of that size."""
_TRIALS, _KEPT = 4, 2
"""Texts that layouts are tried with, and the best ones that candidates are drawn in."""
_FLAT = 0.05
_EQUAL = 1e-5


class _Target(NamedTuple):
    """A plate that can be read in the clear. candidates: texts, the right one first."""

    identity: Identity
    candidates: list[str]


@dataclass(frozen=True)
class PlateCandidates:
    """
    Takes the nearest candidate, of one look and of the average of a track.

    hiding: hides a box as the run did, with other keys. method: what it is called in rows.
    recognizer: reads plates in the clear, which tells who is right; None for the process's own.
    """

    hiding: Hiding
    method: str = ''
    drawn: int = DRAWN
    recognizer: TextRecognizer | None = None
    kind: Kind = field(default=Kind.PLATE, init=False)
    name: str = field(default='candidates', init=False)

    def attack(self, identities: Sequence[Identity]) -> list[AttackRow]:
        """Return rank-1 and rank-10 of the right text, of plates that are read in the clear."""
        targets = self._targets(identities)
        if not targets:
            return []
        found = [self._ranks(target, number) for number, target in enumerate(targets)]
        return self._rows({
            name: np.array([ranks[name] for ranks in found], np.float32) for name in STRENGTHS
        }, targets)

    def _targets(self, identities: Sequence[Identity]) -> list[_Target]:
        recognizer = self.recognizer or load_recognizer()
        readings = [recognizer.read_clear(each) for each in identities]
        texts = [reading.text for reading in readings if reading.is_read]
        return [
            _Target(identity, draw_candidates(reading.text, texts, self.drawn))
            for identity, reading in zip(identities, readings, strict=True) if reading.is_read
        ]

    def _ranks(self, target: _Target, number: int) -> dict[str, float]:
        """Return the rank of the right text, by strength."""
        queries = target.identity.queries
        seen = queries[0].picture('hidden')
        blank = Blank.of(seen)
        if blank is None:
            return dict.fromkeys(STRENGTHS, (len(target.candidates) + 1) / 2)
        mean = average([look.picture('hidden') for look in queries])
        # Each candidate is a track of the attacker's own run.
        desk = _Desk(self.hiding, seen, blank, number * 2 * len(target.candidates))
        return {
            'naive': desk.rank(_signal(seen), target.candidates, hides=False),
            'informed': desk.rank(_signal(seen), target.candidates, hides=True),
            'patient pixels': desk.rank(_signal(mean), target.candidates, hides=True),
        }

    def _rows(
        self, ranks: Mapping[str, Float32Array], targets: Sequence[_Target]
    ) -> list[AttackRow]:
        counts = np.array([len(target.candidates) for target in targets])
        # Where the region is gray, all candidates are alike.
        gray_ranks = ((counts + 1) / 2).astype(np.float32)
        heights = [target.identity.height_px for target in targets]
        rows = []
        for strength, ours in ranks.items():
            for place in PLACES:
                hit, gray = hits(ours, place), hits(gray_ranks, place)
                rows += [
                    row(
                        kind=self.kind.label, attacker=self.name, strength=strength,
                        method=self.method, height=name, measure=f'rank-{place}',
                        value=wilson(hit[chosen].sum(), chosen.sum()),
                        chance=float(np.minimum(1, place / counts[chosen]).mean()),
                        samples=int(chosen.sum()), gray=float(gray[chosen].mean()),
                        excess=paired_difference(hit[chosen], gray[chosen]),
                    )
                    for name, chosen in bands(heights)
                ]
        return rows


@dataclass(frozen=True)
class _Desk:
    """
    Where an attacker draws candidates for one plate and compares them.

    first_key: of the keys that are his own. drawn: what was drawn before.
    """

    hiding: Hiding
    seen: Picture
    blank: Blank
    first_key: int
    drawn: dict[tuple[str, Layout, bool], Float32Array] = field(default_factory=dict)

    def rank(self, look: Float32Array, candidates: Sequence[str], *, hides: bool) -> float:
        """Return the place of the first candidate; half of the equals count as nearer."""
        layouts = self._layouts(look, candidates[1], hides=hides)
        scores = np.array([
            max(self._likeness(look, text, layout, number, hides=hides) for layout in layouts)
            for number, text in enumerate(candidates)
        ])
        ahead = scores[1:] - scores[0]
        equal = int((np.abs(ahead) <= _EQUAL).sum())
        return 1 + int((ahead > _EQUAL).sum()) + equal / 2

    def _layouts(self, look: Float32Array, pattern: str, *, hides: bool) -> list[Layout]:
        """Return the layouts that fit texts of that pattern best, whatever they say."""
        texts = draw_candidates(pattern, (), _TRIALS)[1:] or [pattern]
        fits = [
            np.mean([
                self._likeness(look, text, layout, -1 - number, hides=hides)
                for number, text in enumerate(texts)
            ]) for layout in LAYOUTS
        ]
        return [LAYOUTS[i] for i in np.argsort(fits)[:-1 - _KEPT:-1]]

    def _likeness(
        self, look: Float32Array, text: str, layout: Layout, number: int, *, hides: bool
    ) -> float:
        known = (text, layout, hides)
        if known not in self.drawn:
            image_bgr, box_xyxy = self.blank.with_text(text, layout), self.seen.box_xyxy
            if hides:
                key = self.first_key + _TRIALS + number
                image_bgr, _ = self.hiding(image_bgr, box_xyxy, key)
            signal = _signal(Picture(image_bgr, box_xyxy, self.seen.hole))
            self.drawn[known] = signal[_text_part(layout)]
        return _correlation(look, self.drawn[known])


def _text_part(layout: Layout) -> tuple[slice, slice]:
    """Return where the text is in a signal, and a little around it."""
    (width, height), (x, y) = _SIZE_WH, _AROUND_XY
    left, top, right, bottom = layout.text_xyxy
    return (
        slice(max(0, round(top * height) - y), round(bottom * height) + y),
        slice(max(0, round(left * width) - x), round(right * width) + x),
    )


def _signal(picture: Picture) -> Float32Array:
    """Return (24, 96): how light the plate is, where it was found."""
    size_wh = (picture.image_bgr.shape[1], picture.image_bgr.shape[0])
    rect = to_rects(picture.box_xyxy[None], size_wh)[0]
    if rect.is_empty:
        return np.zeros(_SIZE_WH[::-1], np.float32)
    part = picture.image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    gray = np.asarray(part.mean(axis=2), np.float32)
    way = cv2.INTER_AREA if rect.height > _SIZE_WH[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, _SIZE_WH, interpolation=way), np.float32)


def _correlation(seen: Float32Array, text: Float32Array) -> float:
    """Return the normalized correlation, -1..1, where a text fits best; 0 if one is flat."""
    if seen.std() < _FLAT or text.std() < _FLAT:
        return 0.0
    found = cv2.matchTemplate(seen, np.ascontiguousarray(text), cv2.TM_CCOEFF_NORMED)
    return float(np.nan_to_num(found, posinf=0, neginf=0).max())
