# SPDX-License-Identifier: Apache-2.0
"""Whole people under attack: known in the clear and through what degrades, not through ours."""

import numpy as np
import pytest

from anon_ros.attacks.interface import Picture
from anon_ros.attacks.ranks import fair_ranks, hits
from anon_ros.attacks.summary import summarize
from anon_ros.bench import privacy_people
from anon_ros.bench.privacy_methods import RUN_KEY
from anon_ros.bench.privacy_people import InsidePixels, PeopleSamples, hide_person
from anon_ros.bench.privacy_people_photos import PeoplePhotos
from anon_ros.core.masks import paste
from anon_ros.errors import InputError
from anon_ros.models.store import ModelStore

PEOPLE = 30


@pytest.fixture(scope='module')
def photos(shared_dir):
    return PeoplePhotos(shared_dir / 'data', 48, PEOPLE)


def test_photos_are_the_same_for_the_same_numbers_and_vary_otherwise(photos, shared_dir):
    again = PeoplePhotos(shared_dir / 'data', 48, 4)
    one, same, other = photos.track(3, 0, 3), again.track(3, 0, 3), photos.track(3, 1, 3)
    assert all(np.array_equal(a.image_bgr, b.image_bgr) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0].image_bgr, one[1].image_bgr)
    assert one[0].image_bgr.shape != other[0].image_bgr.shape or (
        np.abs(one[0].image_bgr.astype(int) - other[0].image_bgr).mean() > 5)
    for photo in one + other:
        height = photo.box_xyxy[3] - photo.box_xyxy[1]
        assert 35 < height < 68
        inside = paste([photo.mask], photo.image_bgr.shape[1::-1])
        known = photo.keypoints[photo.keypoints[:, 2] > 0, :2].round().astype(int)
        assert inside[known[:, 1], known[:, 0]].mean() > 0.7


def test_missing_people_are_named(tmp_path):
    with pytest.raises(InputError, match=r'people\.json'):
        PeoplePhotos(tmp_path, 48)


@pytest.mark.parametrize('part', ['silhouette', 'box'])
@pytest.mark.parametrize('method', ['pixelate', 'blur', 'realistic'])
def test_ours_keep_nothing_of_a_person(photos, method, part):
    if method == 'realistic':
        pytest.importorskip('torch')
    photo = photos.track(2, 0, 1)[0]
    hidden, hole = hide_person(method, photo, part, RUN_KEY + 2)
    inside = paste([photo.mask], photo.image_bgr.shape[1::-1])
    assert hole[inside].all()
    assert np.array_equal(hidden[~hole] if method != 'realistic' else hidden[:1],
                          photo.image_bgr[~hole] if method != 'realistic'
                          else photo.image_bgr[:1])
    changed = photo.image_bgr.copy()
    changed[hole] = 255 - changed[hole]
    other = privacy_people.PersonPhoto(changed, photo.mask, photo.box_xyxy, photo.keypoints)
    assert np.array_equal(hide_person(method, other, part, RUN_KEY + 2)[0], hidden)
    assert not np.array_equal(hide_person(method, photo, part, 2 * RUN_KEY + 2)[0], hidden)


@pytest.mark.parametrize('method', privacy_people.THEIRS)
def test_what_others_do_to_people_keeps_something_of_them(photos, method):
    photo = photos.track(2, 0, 1)[0]
    hidden, hole = hide_person(method, photo, 'silhouette', 0)
    assert np.array_equal(hidden[~hole], photo.image_bgr[~hole])
    changed = photo.image_bgr.copy()
    changed[hole] = 255 - changed[hole]
    other = privacy_people.PersonPhoto(changed, photo.mask, photo.box_xyxy, photo.keypoints)
    assert not np.array_equal(hide_person(method, other, 'silhouette', 0)[0], hidden)


def rank_1(photos, method):
    known, asked = (
        summarize(InsidePixels(), (
            [look.picture('hidden') for look in looks]
            for looks in privacy_people._tracks(photos, method, 'silhouette', number, 0, 1)))
        for number in (0, 1)
    )
    return float(hits(fair_ranks(known.first, asked.first), 1).mean())


def test_people_are_known_by_their_pixels_and_not_through_the_default(photos):
    assert rank_1(photos, 'none') >= 0.5
    assert rank_1(photos, "the paper's blur") >= 0.3
    # Of 30 people guessing finds one; six by luck in one case of thousands.
    assert rank_1(photos, 'pixelate') <= 5 / PEOPLE


def test_pixels_inside_see_no_outline():
    image = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    hole = np.zeros((40, 30), bool)
    hole[5:35, 8:22] = True
    box = np.array([8, 5, 22, 35], np.float32)
    image[hole] = 128
    assert not InsidePixels().describe([Picture(image, box, hole)]).any()
    nothing = Picture(image, box, np.zeros_like(hole))
    assert not InsidePixels().describe([nothing]).any()


def test_a_job_has_a_row_for_every_attacker(shared_dir):
    if not ModelStore().verify(['yolox-nano'])[0].is_ready:
        pytest.skip('the weights of YOLOX-nano are not here')
    samples = PeopleSamples(
        identities=12, patient=10, frames=2, gallery_frames=2, found_again=10)
    job = privacy_people._Job(shared_dir / 'data', 48, 'silhouette', ('none',), samples)
    rows = privacy_people._measure(job)
    assert {row.attacker for row in rows} == {
        'clothes', 'pixels', 'pixels inside', 'YOLOX-nano, 416 px'}
    assert {row.strength for row in rows if row.measure == 'rank-1'} == {
        'naive', 'informed', 'patient', 'patient pixels'}
    assert {row.samples for row in rows} == {12, 10}
    assert {row.height for row in rows} == {'48'}
