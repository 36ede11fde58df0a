# SPDX-License-Identifier: Apache-2.0
"""Whoever has a list of texts finds the right one in the clear, and none through the default."""

import cv2
import numpy as np
import pytest

from anon_ros import factory
from anon_ros.attacks.interface import Identity, Look, Picture
from anon_ros.attacks.plate_candidates import PlateCandidates
from anon_ros.attacks.registry import build_attackers
from anon_ros.attacks.render import HidesAsARun
from anon_ros.attacks.rendered_plates import LAYOUTS, Blank, draw_candidates
from anon_ros.attacks.text_recognizer import Reading
from anon_ros.core.regions import Kind
from anon_ros.core.settings import Settings

BOX = np.array([30, 20, 130, 46], np.float32)
DRAWN = 20
TEXTS = [f'{first}{number}{last}' for first, number, last in zip(
    'BCDBKLMBPRSB', range(101, 990, 75), ('ABC', 'XEN', 'PRO', 'GSB', 'WOW', 'LPM') * 2,
    strict=True)]


def blurred(image_bgr, box_xyxy, key):
    """Hide as others do: a blur from which nobody reads."""
    del key
    hole = np.zeros(image_bgr.shape[:2], bool)
    hole[20:46, 30:130] = True
    soft = cv2.GaussianBlur(image_bgr, (0, 0), 3)
    return np.where(hole[..., None], soft, image_bgr), hole


def untouched(image_bgr, box_xyxy, key):
    return image_bgr, blurred(image_bgr, box_xyxy, key)[1]


def ours():
    return HidesAsARun(factory.build_anonymizer(Settings(seed=5)), Kind.PLATE)


def photo(text, number):
    """A plate in another font than the attacker's, on a car, in a light of its own."""
    random = np.random.default_rng([number, *map(ord, text)])
    image = np.full((66, 160, 3), 90, np.uint8)
    image[20:46, 30:130] = 225
    spaced = f'{text[0]} {text[1:4]} {text[4:]}'
    cv2.putText(image, spaced, (37, 39), cv2.FONT_HERSHEY_DUPLEX, 0.58, (40, 35, 30), 1)
    light = random.uniform(0.7, 1.1)
    noisy = image * light + random.normal(0, 4, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def plates(hiding, looks=2):
    found = []
    for number, text in enumerate(TEXTS):
        shown = []
        for i in range(2 * looks):
            clear = photo(text, i)
            hidden, hole = hiding(clear, BOX, 10**6 + number)
            shown.append(Look(clear, hidden, BOX, hole))
        found.append(Identity(text, Kind.PLATE, tuple(shown)))
    return found


class KnowsAll:
    """Reads every plate in the clear. score: how sure it is."""

    def __init__(self, score=1.0):
        self.score = score

    def read_clear(self, identity):
        return Reading(identity.name, self.score)


def rank_1(hiding, run=None):
    rows = PlateCandidates(hiding, 'm', DRAWN, KnowsAll()).attack(plates(run or hiding))
    assert {each.attacker for each in rows} == {'candidates'}
    return {each.strength: each for each in rows if each.measure == 'rank-1'}


@pytest.mark.parametrize('hiding', [untouched, blurred])
def test_the_right_text_is_found_in_the_clear_and_through_a_blur(hiding):
    rows = rank_1(hiding)
    assert list(rows) == ['naive', 'informed', 'patient pixels']
    assert rows['informed'].value >= 0.5
    assert rows['patient pixels'].value >= 0.5
    assert rows['informed'].chance == pytest.approx(1 / (DRAWN + len(TEXTS)))
    assert rows['informed'].excess_low > 0.1


def test_no_text_is_found_through_the_default():
    rows = rank_1(HidesAsARun(factory.build_anonymizer(Settings(seed=9)), Kind.PLATE), ours())
    # Of 12 plates and 32 texts, two by luck in one case of twenty.
    assert max(each.value for each in rows.values()) <= 2 / len(TEXTS)


def test_letting_a_part_of_the_hole_through_gives_the_text_away():
    method = ours()

    def leaking(image_bgr, box_xyxy, key):
        hidden, hole = method(image_bgr, box_xyxy, key)
        return np.where(hole[..., None], hidden // 2 + image_bgr // 2, image_bgr), hole

    assert rank_1(leaking)['informed'].value > 3 / len(TEXTS)


def test_candidates_have_the_pattern_of_the_truth():
    texts = draw_candidates('B-12XY', ['K99AB', 'B-12XY'], 99)
    assert texts[0] == 'B-12XY'
    assert texts[-1] == 'K99AB'
    assert len(texts) == len(set(texts)) == 101
    for text in texts[:100]:
        assert [c.isdigit() for c in text] == [c.isdigit() for c in 'B-12XY']
        assert text[1] == '-'
    assert texts == draw_candidates('B-12XY', ['K99AB', 'B-12XY'], 99)
    assert draw_candidates('7', [], 99)[0] == '7'
    assert len(draw_candidates('7', [], 99)) == 10


def test_a_candidate_is_drawn_from_what_is_shown_alone():
    hidden, hole = ours()(photo(TEXTS[0], 0), BOX, 1)
    blank = Blank.of(Picture(hidden, BOX, hole))
    one, other = (blank.with_text(text, LAYOUTS[0]) for text in ('B12ABC', 'B12XYZ'))
    assert np.array_equal(one[~hole], hidden[~hole])
    assert not np.array_equal(one, other)
    beside = np.array([500, 500, 520, 510], np.float32)
    assert Blank.of(Picture(hidden, beside, hole)) is None


def test_nothing_legible_is_no_row():
    assert PlateCandidates(untouched, 'm', DRAWN, KnowsAll(0.1)).attack(plates(untouched)) == []


def test_who_can_hide_the_same_way_attacks_plates_by_candidates(monkeypatch):
    monkeypatch.setattr('anon_ros.attacks.registry._ATTACKERS', {Kind.PLATE: (), Kind.FACE: ()})
    assert build_attackers(Kind.PLATE, 'pixelate') == []
    found = build_attackers(Kind.PLATE, 'pixelate', hiding=ours())
    assert [type(each) for each in found] == [PlateCandidates]
    assert build_attackers(Kind.FACE, 'pixelate', hiding=ours()) == []
