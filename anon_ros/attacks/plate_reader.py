# SPDX-License-Identifier: Apache-2.0
"""Plates, read again: from one frame, and from the average of a track."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.attacks.bands import bands, row
from anon_ros.attacks.intervals import bootstrap_mean, wilson
from anon_ros.attacks.summary import average
from anon_ros.attacks.text_recognizer import load_recognizer
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Identity, Picture
    from anon_ros.attacks.text_recognizer import Reading, TextRecognizer
    from anon_ros.audit.attack_table import AttackRow


class PlateReader:
    """Reads one frame, and all frames of a track averaged. method: what hid the plates."""

    kind = Kind.PLATE
    name = 'reader'

    def __init__(self, method: str = '', recognizer: TextRecognizer | None = None) -> None:
        """
        Take a recognizer, or that of the process.

        Raises ModelError where the extra `attack` is not installed.
        """
        self._recognizer = recognizer or load_recognizer()
        self.method = method

    def attack(self, identities: Sequence[Identity]) -> list[AttackRow]:
        """
        Return how many are read that are read in the clear, and the share of right characters.

        The level of chance is what the same readings get right of other plates.
        """
        clear = [self._recognizer.read_clear(each) for each in identities]
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
        return self._recognizer.read(picture)

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
