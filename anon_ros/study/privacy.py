# SPDX-License-Identifier: Apache-2.0
"""
What attackers achieve on a variant's images: the other side of the trade.

Re-detection by a network that took no part, re-identification by those of anon_ros.attacks. Who
is who comes from the annotations' attribute `identity`; without it everybody is seen once, and
only re-detection says anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from anon_ros import factory
from anon_ros.attacks.bands import LEAST_CASES
from anon_ros.attacks.interface import Identity, Look
from anon_ros.attacks.redetection import Redetection
from anon_ros.attacks.registry import build_attackers
from anon_ros.audit.attack_table import ALL_HEIGHTS
from anon_ros.core.boxes import Rect
from anon_ros.core.masks import paste
from anon_ros.core.regions import Kind
from anon_ros.core.settings import Settings
from anon_ros.errors import ModelError
from anon_ros.media.compressed import open_compressed
from anon_ros.models.store import ModelStore
from anon_ros.study.figures import Privacy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.attacks.interface import Attacker
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import BoolArray, UInt8Array
    from anon_ros.study.label_store import Labels, LabelStore, Thing

IDENTITY = 'identity'
LOOKS = 4
LEAST_HEIGHT_PX = {Kind.FACE: 8.0, Kind.BODY: 24.0}
_AROUND = 0.6
_THRESHOLD = 0.15
_WHY_NOT = f'fewer than {LEAST_CASES} people are known to be seen twice'


def gather(
    labels: LabelStore, originals: Path, images: Path, kind: Kind, count: int
) -> list[Identity]:
    """
    Return whom to attack: up to that many people, with up to LOOKS looks each.

    People who are seen several times come first. Looks lie in different images.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for number in range(len(labels)):
        known = labels[number]
        if not (images / known.path).is_file():
            continue
        for i, thing in enumerate(known.things):
            if _height(thing, kind) >= LEAST_HEIGHT_PX[kind]:
                who = str((thing.attributes or {}).get(IDENTITY, f'{known.path} {i}'))
                places.setdefault(who, []).append((number, i))
    order = sorted(places, key=lambda who: (-min(len(places[who]), LOOKS), who))
    reader = _Looks(labels, originals, images, kind)
    found = (
        Identity(who, kind, tuple(reader.look(*place) for place in places[who][:LOOKS]))
        for who in order[:count])
    return [each for each in found if each.looks]


def attack_variant(identities: Sequence[Identity], kind: Kind, method: str) -> Privacy:
    """
    Return what attackers achieve; a note says what could not be tried, and why.

    Raises nothing for networks that are missing: they are named in the note.
    """
    if len(identities) < LEAST_CASES:
        return replace(_nothing(len(identities)), note='too few people to say anything')
    notes: list[str] = []
    result = _nothing(len(identities))
    try:
        detector = _detector(kind)
        found = _overall(Redetection(detector, kind, 'other', method).attack(identities))[0]
        result = replace(
            result, found_again=found.value, found_low=found.low, found_high=found.high)
    except ModelError as error:
        notes.append(f're-detection: {error}')
    seen_again = [each for each in identities if len(each.looks) > 1]
    if len(seen_again) < LEAST_CASES:
        notes.append(f're-identification: {_WHY_NOT}')
    else:
        try:
            result = _recognize(result, build_attackers(kind, method), seen_again)
        except ModelError as error:
            notes.append(f're-identification: {error}')
    return replace(result, note='; '.join(notes))


def _recognize(
    result: Privacy, attackers: Sequence[Attacker], identities: Sequence[Identity]
) -> Privacy:
    """Return the figures of the attacker who recognizes most people at the first guess."""
    rows = [
        row for attacker in attackers for row in _overall(attacker.attack(identities))
        if row.measure == 'rank-1' and not row.note]
    if not rows:
        return result
    best = max(rows, key=lambda row: row.value)
    return replace(
        result, recognized=best.value, recognized_low=best.low, recognized_high=best.high,
        chance=best.chance, gray=best.gray, attacker=f'{best.attacker}, {best.strength}')


def _overall(rows: Sequence[AttackRow]) -> list[AttackRow]:
    return [row for row in rows if row.height == ALL_HEIGHTS]


def _nothing(people: int) -> Privacy:
    return Privacy(None, None, None, None, None, None, None, None, '', people)


def _detector(kind: Kind) -> RegionDetector:
    """Return the detector that searches again: not the one that the variants were made with."""
    settings = Settings(
        target=(kind.label,), face_detector='centerface', effort='fast',
        face_threshold=_THRESHOLD, body_threshold=_THRESHOLD, threads=1)
    return factory.build_detector(settings, ModelStore())


class _Looks:
    def __init__(self, labels: LabelStore, originals: Path, images: Path, kind: Kind) -> None:
        self._labels, self._originals, self._images, self._kind = labels, originals, images, kind

    def look(self, number: int, index: int) -> Look:
        """Return one look at somebody, before and after, with what surrounds him."""
        known = self._labels[number]
        clear = _view(self._originals / known.path)
        hidden = _view(self._images / known.path)
        thing = known.things[index]
        x_min, y_min, x_max, y_max = _box(thing, self._kind)
        around = round(_AROUND * max(x_max - x_min, y_max - y_min))
        part = Rect(int(x_min), int(y_min), int(np.ceil(x_max)), int(np.ceil(y_max))).grow(
            around, around).intersect(Rect(0, 0, *known.size_wh))
        hole = _hole(thing, known, self._kind)
        rows, columns = slice(part.y_min, part.y_max), slice(part.x_min, part.x_max)
        box = np.array([
            x_min - part.x_min, y_min - part.y_min, x_max - part.x_min, y_max - part.y_min,
        ], np.float32)
        return Look(
            np.array(clear[rows, columns]), np.array(hidden[rows, columns]), box,
            np.array(hole[rows, columns]))


def _box(thing: Thing, kind: Kind) -> tuple[float, float, float, float]:
    return thing.face_xyxy or thing.box_xyxy if kind is Kind.FACE else thing.box_xyxy


def _height(thing: Thing, kind: Kind) -> float:
    """Return how high what is attacked is, in px; 0 for what is not attacked."""
    if thing.is_ignored or (kind is Kind.FACE and thing.face_xyxy is None):
        return 0.0
    box = _box(thing, kind)
    return box[3] - box[1]


def _hole(thing: Thing, known: Labels, kind: Kind) -> BoolArray:
    mask = thing.mask(known.size_wh) if kind is Kind.BODY and thing.rle else None
    if mask is not None:
        return paste([mask], known.size_wh)
    hole = np.zeros((known.size_wh[1], known.size_wh[0]), bool)
    x_min, y_min, x_max, y_max = _box(thing, kind)
    hole[max(0, int(y_min)):int(np.ceil(y_max)), max(0, int(x_min)):int(np.ceil(x_max))] = True
    return hole


def _view(path: Path) -> UInt8Array:
    return open_compressed(path.read_bytes()).view_bgr()
