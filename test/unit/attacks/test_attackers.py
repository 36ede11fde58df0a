# SPDX-License-Identifier: Apache-2.0
"""Attackers find what is there, and nothing where nothing is left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros import factory
from anon_ros.attacks import extra, registry
from anon_ros.attacks.clothes import Clothes
from anon_ros.attacks.cut import cut_look, views_of
from anon_ros.attacks.interface import Identity, Look, Picture
from anon_ros.attacks.redetection import SIDE_PX, Redetection, on_square
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.reidentification import Reidentification
from anon_ros.attacks.render import hide, hole_of
from anon_ros.attacks.summary import align, average, summarize
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.errors import ModelError

PEOPLE = 30


def picture_of(person, number, side=60):
    """A smooth pattern that belongs to a person, in a light that belongs to the photo."""
    pattern = np.random.default_rng(person).integers(0, 255, (4, 4, 3)).astype(np.float32)
    image = np.kron(pattern, np.ones((side // 4, side // 4, 1)))
    light = 0.8 + 0.1 * number
    return np.clip(image * light, 0, 255).astype(np.uint8)


def identities(method, looks=4):
    """People whose region is the middle of a picture of their own."""
    anonymizer = factory.build_anonymizer(Settings(method=(method,), margin=0.0))
    regions = Regions.of([[14, 14, 46, 46]], Kind.FACE)
    hole = hole_of(anonymizer, regions, (60, 60))
    found = []
    for person in range(PEOPLE):
        shown = []
        for number in range(looks):
            clear = picture_of(person, number)
            track = regions.with_tracks(np.array([100 * (number >= looks // 2) + person]))
            hidden = clear if method == 'none' else hide(anonymizer, clear, track)
            shown.append(Look(clear, hidden, regions.boxes_xyxy[0], hole))
        found.append(Identity(f'person {person}', Kind.FACE, tuple(shown)))
    return found


def rank_1(rows):
    return {each.strength: each for each in rows if each.measure == 'rank-1'}


def seen_through(name):
    """Return people through a method that keeps what it hides."""
    shown = identities('mask-out')
    return [
        Identity(each.name, each.kind, tuple(
            Look(look.clear_bgr, look.clear_bgr // 2, look.box_xyxy, look.hole)
            for look in each.looks
        )) for each in shown
    ] if name == 'darkened' else shown


def test_pixels_know_people_in_the_clear_and_through_what_only_degrades():
    rows = rank_1(Reidentification(RegionPixels(Kind.FACE)).attack(seen_through('darkened')))
    assert {each.value for each in rows.values()} == {1.0}
    assert all(each.excess_low > 0.5 for each in rows.values())
    assert not any(each.holds for each in rows.values())


@pytest.mark.parametrize('method', ['pixelate', 'blur', 'mask-out'])
def test_pixels_know_nobody_through_our_methods(method):
    rows = rank_1(Reidentification(RegionPixels(Kind.FACE), method).attack(identities(method)))
    assert list(rows) == ['naive', 'informed', 'patient', 'patient pixels']
    # Of 30 people guessing finds one; four of them by luck in one case of fifty.
    assert max(each.value for each in rows.values()) <= 5 / PEOPLE
    assert all(each.chance == pytest.approx(1 / PEOPLE) for each in rows.values())


def test_one_look_leaves_nothing_to_average():
    alone = [Identity(each.name, each.kind, each.looks[:1]) for each in identities('pixelate')]
    rows = rank_1(Reidentification(RegionPixels(Kind.FACE)).attack(alone))
    assert list(rows) == ['naive', 'informed']
    assert Reidentification(RegionPixels(Kind.FACE)).attack([]) == []


def test_a_flat_region_is_nobody():
    flat = Picture(np.full((9, 9, 3), 7, np.uint8), np.array([0, 0, 9, 9], np.float32),
                   np.ones((9, 9), bool))
    assert not RegionPixels(Kind.FACE).describe([flat]).any()
    empty = flat._replace(hole=np.zeros((9, 9), bool))
    assert not RegionPixels(Kind.FACE).describe([empty]).any()


def test_pictures_are_laid_on_each_other_by_their_boxes():
    image = np.zeros((80, 100, 3), np.uint8)
    image[20:40, 30:50] = 200
    moved = np.roll(image, (7, 11), (0, 1))
    hole = image[..., 0] > 0
    one = Picture(image, np.array([30, 20, 50, 40], np.float32), hole)
    other = Picture(moved, np.array([41, 27, 61, 47], np.float32), np.roll(hole, (7, 11), (0, 1)))
    assert np.array_equal(align(one).image_bgr, align(other).image_bgr)
    mixed = average([one, other])
    assert (mixed.image_bgr[mixed.hole] == 200).all()
    assert mixed.hole.any()


def test_averaging_wears_fresh_noise_away():
    """The patient attacker is worth its name: what one look hides, thirty do not."""
    random = np.random.default_rng(0)
    box = np.array([0, 0, 32, 32], np.float32)

    def track(person, frames):
        face = np.random.default_rng(person).integers(90, 160, (32, 32, 3))
        return [
            Picture(np.clip(face + random.normal(0, 60, face.shape), 0, 255).astype(np.uint8),
                    box, np.ones((32, 32), bool)) for _ in range(frames)
        ]

    summary = [
        summarize(RegionPixels(Kind.FACE), (track(person, 30) for person in range(20)))
        for _ in range(2)
    ]
    apart = np.linalg.norm(summary[0].first - summary[1].first, axis=1).mean()
    together = np.linalg.norm(summary[0].average - summary[1].average, axis=1).mean()
    assert together < 0.7 * apart


class SeesBright:
    """A detector of bright squares."""

    def detect(self, image_bgr):
        rows, columns = np.nonzero(image_bgr[..., 0] > 180)
        if not len(rows):
            return Regions.empty()
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return Regions.of([box], Kind.FACE)


def test_what_is_seen_again_is_told():
    clear = np.zeros((60, 60, 3), np.uint8)
    clear[20:40, 20:40] = 200
    hole = clear[..., 0] > 0
    box = np.array([20, 20, 40, 40], np.float32)
    for hidden, share in ((clear, 1.0), (np.zeros_like(clear), 0.0)):
        people = [
            Identity(str(i), Kind.FACE, (Look(clear, hidden, box, hole),)) for i in range(12)
        ]
        found = Redetection(SeesBright(), Kind.FACE, 'bright').attack(people)
        assert [each.value for each in found] == [share]
        assert found[0].gray == 0.0


def test_clothes_are_known_by_their_colours():
    def look(red, blue):
        image = np.zeros((60, 30, 3), np.uint8)
        image[:30, :, 2], image[30:, :, 0] = red, blue
        return Picture(image, np.array([0, 0, 30, 60], np.float32), np.zeros((60, 30), bool))

    points = Clothes().describe([look(200, 90), look(205, 95), look(0, 255)])
    distances = np.linalg.norm(points[0] - points[1:], axis=1)
    assert distances[0] < distances[1]


def test_a_look_shows_the_same_part_before_and_after():
    settings = Settings(method=('mask-out',))
    anonymizer = factory.build_anonymizer(settings)
    clear = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    regions = Regions.of([[100, 40, 130, 80], [-50, -50, -20, -20]], Kind.FACE)
    hidden = hide(anonymizer, clear, regions)
    views = views_of(clear, hidden, regions, anonymizer)
    look = cut_look(views, regions, 0, anonymizer)
    assert look.clear_bgr.shape == look.hidden_bgr.shape
    same = (look.clear_bgr == look.hidden_bgr).all(axis=2)
    assert same[~look.hole].all()
    assert (look.hidden_bgr[look.hole] == 128).all()
    assert np.array_equal(look.picture('gray').image_bgr, look.hidden_bgr)
    assert look.height_px == 40
    assert cut_look(views, regions, 1, anonymizer) is None


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(extra.PACKAGES, 'no_such_module', 'some-package')
    with pytest.raises(ModelError, match=r"some-package: pip install 'anon_ros\[attack\]'"):
        extra.import_extra('no_such_module')


def test_every_kind_is_attacked():
    if extra.missing_packages():
        pytest.skip(f'the extra attack is not installed: {extra.missing_packages()}')
    for kind in Kind:
        attackers = registry.build_attackers(kind, 'pixelate')
        assert len(attackers) >= 2
        assert {each.kind for each in attackers} == {kind}


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_crops_of_any_size_are_searched_in_one(height, width):
    seen, scale = on_square(np.full((height, width, 3), 7, np.uint8))
    assert seen.shape == (SIDE_PX, SIDE_PX, 3)
    inner = [max(1, round(side * scale)) for side in (height, width)]
    assert max(inner) == SIDE_PX
    assert (seen[:inner[0], :inner[1]] == 7).all()
    assert (seen[inner[0]:] == 114).all()
    assert (seen[:, inner[1]:] == 114).all()
