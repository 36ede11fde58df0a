# SPDX-License-Identifier: Apache-2.0
"""Plates, by the text recognizer of `rapidocr`: PP-OCR, Apache-2.0, its network in the wheel."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from anon_ros.attacks.bands import bands, row
from anon_ros.attacks.extra import import_extra
from anon_ros.attacks.intervals import bootstrap_mean, wilson
from anon_ros.attacks.summary import average
from anon_ros.core.boxes import grow, to_rects
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Identity, Picture
    from anon_ros.audit.attack_table import AttackRow

LEAST_CHARACTERS, LEAST_SCORE = 4, 0.8
"""A plate counts as read where that many characters come with that score, right or wrong."""
_GROWTH = 0.03


class Reading(NamedTuple):
    """What the recognizer takes a plate for, without spaces, and how sure it is."""

    text: str
    score: float

    @property
    def is_read(self) -> bool:
        """Whether it counts as read."""
        return len(self.text) >= LEAST_CHARACTERS and self.score > LEAST_SCORE


class PlateReader:
    """Reads one frame, and all frames of a track averaged. method: what hid the plates."""

    kind = Kind.PLATE
    name = 'reader'

    def __init__(self, method: str = '') -> None:
        """Load the recognizer; raise ModelError where the extra `attack` is not installed."""
        package: Any = import_extra('rapidocr')
        self._recognize = package.RapidOCR(params={'Global.log_level': 'critical'})
        self.method = method

    def attack(self, identities: Sequence[Identity]) -> list[AttackRow]:
        """
        Return how many are read that are read in the clear, and the share of right characters.

        The level of chance is what the same readings get right of other plates.
        """
        clear = [self._best(each) for each in identities]
        legible = [i for i, reading in enumerate(clear) if reading.is_read]
        if not legible:
            return []
        heights = [identities[i].height_px for i in legible]
        truths = [clear[i].text for i in legible]
        rows: list[AttackRow] = []
        for strength, pictures in (
            ('naive', [identities[i].queries[0].picture('hidden') for i in legible]),
            ('patient pixels', [
                average([look.picture('hidden') for look in identities[i].queries])
                for i in legible
            ]),
        ):
            rows += self._rows(strength, [self.read(each) for each in pictures], truths, heights)
        return rows

    def read(self, picture: Picture) -> Reading:
        """Return what stands on the plate."""
        size_wh = (picture.image_bgr.shape[1], picture.image_bgr.shape[0])
        rect = to_rects(grow(picture.box_xyxy[None], _GROWTH), size_wh)[0]
        if rect.is_empty:
            return Reading('', 0.0)
        part = np.ascontiguousarray(
            picture.image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max])
        found = self._recognize(part, use_det=False, use_cls=False, use_rec=True)
        texts, scores = found.txts or (), found.scores or ()
        text = ''.join(''.join(texts).split()).upper()
        return Reading(text, float(min(scores, default=0.0)))

    def _best(self, identity: Identity) -> Reading:
        readings = [self.read(look.picture('clear')) for look in identity.looks[:3]]
        return max(readings, key=lambda reading: (reading.is_read, reading.score))

    def _rows(
        self, strength: str, readings: Sequence[Reading], truths: Sequence[str],
        heights_px: Sequence[float],
    ) -> list[AttackRow]:
        is_read = np.array([reading.is_read for reading in readings])
        right = np.array([
            right_share(reading.text, truth)
            for reading, truth in zip(readings, truths, strict=True)
        ], np.float32)
        chance = guessed_share([reading.text for reading in readings], truths)
        rows = []
        for name, chosen in bands(heights_px):
            count = int(chosen.sum())
            for measure, value, level in (
                ('read', wilson(is_read[chosen].sum(), count), 0.0),
                ('characters', bootstrap_mean(right[chosen]), chance),
            ):
                rows.append(row(
                    kind=self.kind.label, attacker=self.name, strength=strength,
                    method=self.method, height=name, measure=measure, value=value,
                    chance=level, samples=count,
                ))
        return rows


def right_share(text: str, truth: str) -> float:
    """Return the share of the truth's characters that a text has in the same order."""
    matcher = SequenceMatcher(None, text, truth, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / max(1, len(truth))


def guessed_share(texts: Sequence[str], truths: Sequence[str]) -> float:
    """Return the mean share of right characters of each text and everybody else's truth."""
    shares = [
        right_share(text, truth)
        for i, text in enumerate(texts) for k, truth in enumerate(truths) if i != k
    ]
    return float(np.mean(shares)) if shares else 0.0
