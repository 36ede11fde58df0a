# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='torch is not installed: training is not tested')

from anon_ros.errors import InputError  # noqa: E402 - they need torch
from anon_ros.gan.conditions import MIRRORED, POSE_MAPS  # noqa: E402
from anon_ros.training.body_composites import (  # noqa: E402
    Composites,
    Place,
    crop_around,
    draw_person,
    load_frames,
    load_sprites,
    open_composites,
)
from anon_ros.training.body_look import LookEncoder, measure  # noqa: E402
from anon_ros.training.body_samples import (  # noqa: E402
    HOLES,
    BodyCrop,
    BodySampleMaker,
    make_hole,
    maps_of,
    mirrored,
    with_errors,
)
from anon_ros.training.gan_samples import HoleBatch  # noqa: E402

SIZE_HW = (80, 48)
LEFT_WRIST, RIGHT_WRIST = 9, 10


def body(shirt):
    """A picture of a person as a child draws one, and where its 17 keypoints are."""
    picture = np.zeros((288, 160, 4), np.uint8)
    cv2.rectangle(picture, (60, 40), (100, 240), (*shirt, 255), -1)
    cv2.circle(picture, (80, 30), 16, (90, 120, 180, 255), -1)
    cv2.rectangle(picture, (30, 70), (60, 84), (0, 0, 255, 255), -1)
    places = np.tile([80.0, 30.0, 2.0], (17, 1))
    places[5:, 1] = np.linspace(60, 235, 12)
    places[5:, 0] = np.where(np.arange(12) % 2, 66, 94)
    places[RIGHT_WRIST] = [36, 77, 2]
    return picture, places


@pytest.fixture(scope='module')
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp('people')
    sprites = []
    for number in range(18):
        picture, keypoints = body((40, 90 + 8 * number, 60))
        cv2.imwrite(str(folder / f'{number}.png'), picture)
        sprites.append({'file': f'{number}.png', 'keypoints': keypoints.tolist()})
        if number >= 16:
            sprites[-1]['sequence'] = 7
    (folder / 'people.json').write_text(json.dumps({'sprites': sprites}))
    return folder


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp('streets')
    random = np.random.default_rng(0)
    for number in range(3):
        coarse = random.integers(30, 220, (9, 16, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.jpg'), cv2.resize(coarse, (960, 540)))
    return folder


@pytest.fixture(scope='module')
def composites(people, streets):
    return Composites(load_sprites(people), load_frames(streets))


def draw(composites, seed):
    return composites.draw(np.random.default_rng(seed))


def test_people_are_cut_out_with_enough_around_them(composites):
    for seed in range(25):
        crop = draw(composites, seed)
        assert crop.image_rgb.shape == (*SIZE_HW, 3)
        assert 0.02 < crop.silhouette.mean() <= 0.7


@pytest.mark.parametrize('kind', HOLES)
def test_a_hole_holds_the_whole_person_and_what_is_told_of_the_outline(people, kind):
    sprite = load_sprites(people)[0]
    for seed in range(12):
        random = np.random.default_rng(seed)
        place = Place(300, 120, float(random.uniform(0.3, 1.5)))
        rect = crop_around(sprite, place, (960, 540), SIZE_HW)
        person, _ = draw_person(sprite, place, rect, SIZE_HW)
        found, hole = make_hole(person[..., 3] > 0.25, kind, random)
        assert hole[person[..., 3] > 0].all()
        assert not (found & ~hole).any()
        assert not hole.all()


def test_a_hole_stays_inside_the_image_for_any_silhouette():
    random = np.random.default_rng(0)
    for kind in HOLES:
        for corner in ((0, 0), (79, 47)):
            silhouette = np.zeros(SIZE_HW, bool)
            silhouette[corner] = True
            found, hole = make_hole(silhouette, kind, random)
            assert found.shape == hole.shape == SIZE_HW
            assert found[corner]
            assert hole[corner]


def test_maps_show_keypoints_where_the_pixels_show_the_person(composites, people):
    hits = []
    sprite = load_sprites(people)[0]
    for left in (100, 300, 500):
        place = Place(left, 150, 0.9)
        rect = crop_around(sprite, place, (960, 540), SIZE_HW)
        person, keypoints = draw_person(sprite, place, rect, SIZE_HW)
        keypoints[:, :2] /= (SIZE_HW[1], SIZE_HW[0])
        keypoints[:, 2] = 1
        maps = maps_of(person[..., 3] > 0.25, keypoints)
        assert maps.shape == (POSE_MAPS, *SIZE_HW)
        # The wrist ends the one red arm, and nothing else is red.
        y, x = np.argwhere(maps[2 + RIGHT_WRIST])[0]
        hits.append(person[y, x, 0] > 0.6 and person[y, x, 1] < 0.2)
        assert (maps[0].astype(bool) == (person[..., 3] > 0.25)).all()
    assert all(hits)


def test_a_mirror_swaps_left_and_right(composites):
    crop = draw(composites, 3)
    seen = mirrored(crop)
    assert np.array_equal(seen.image_rgb, crop.image_rgb[:, ::-1])
    assert np.array_equal(seen.silhouette, crop.silhouette[:, ::-1])
    assert np.allclose(
        seen.keypoints[LEFT_WRIST],
        [1 - crop.keypoints[RIGHT_WRIST, 0], *crop.keypoints[RIGHT_WRIST, 1:]])
    assert [MIRRORED[other] for other in MIRRORED] == list(range(17))
    again = mirrored(seen)
    assert np.allclose(again.keypoints, crop.keypoints, atol=1e-6)
    assert np.array_equal(again.image_rgb, crop.image_rgb)


def test_a_sample_depends_on_seed_step_and_number_only(composites):
    first, again = BodySampleMaker(composites, 3), BodySampleMaker(composites, 3)
    first.make(0, 0)
    one, same = first.make(7, 2), again.make(7, 2)
    assert np.array_equal(one.image_rgb, same.image_rgb)
    assert np.array_equal(one.known, same.known)
    assert np.array_equal(one.maps, same.maps)
    assert not np.array_equal(
        one.image_rgb, BodySampleMaker(composites, 4).make(7, 2).image_rgb)


def test_who_is_held_out_is_never_learnt_from(people):
    learnt, held_out = load_sprites(people), load_sprites(people, is_held_out=True)
    assert len(learnt) + len(held_out) == 18
    # The cycle's two pictures go together, and two of the sixteen single ones.
    assert len(held_out) == 4


def test_people_take_the_light_of_their_surroundings(people, tmp_path):
    sprites = load_sprites(people)
    shades = []
    for value in (20, 200):
        frame = np.full((540, 960, 3), value, np.uint8)
        crops = [draw(Composites(sprites, [frame]), seed) for seed in range(8)]
        shades.append(np.mean([crop.image_rgb[crop.silhouette].mean() for crop in crops]))
    assert shades[0] * 1.3 < shades[1]


def test_hidden_keypoints_are_often_missed_and_unlabelled_ones_always():
    keypoints = np.full((17, 3), 0.5, np.float32)
    keypoints[:8, 2], keypoints[8:12, 2], keypoints[12:, 2] = 2, 1, 0
    found = np.stack([with_errors(keypoints, np.random.default_rng(i)) for i in range(200)])
    share = (found[..., 2] > 0).mean(axis=0)
    assert (share[:8] > 0.9).all()
    assert (share[8:12] < 0.85).all()
    assert (share[8:12] > 0.5).all()
    assert (share[12:] == 0).all()
    assert 0 < np.abs(found[:, :8, :2] - 0.5)[found[:, :8, 2] > 0].mean() < 0.02


def test_a_look_tells_colours_apart_and_not_the_light():
    def look(shirt, light):
        image = np.full((*SIZE_HW, 3), 120, np.uint8)
        image[20:70, 16:32] = shirt
        keypoints = np.tile(np.array([0.5, 0.3, 1], np.float32), (17, 1))
        keypoints[5:11, :2] = [[0.4, 0.4], [0.6, 0.4], [0.4, 0.5], [0.6, 0.5], [0.4, 0.6],
                               [0.6, 0.6]]
        keypoints[11:, 1] = np.repeat([0.62, 0.72, 0.82], 2)
        silhouette = np.zeros(SIZE_HW, bool)
        silhouette[20:70, 16:32] = True
        maps = torch.from_numpy(maps_of(silhouette, keypoints))[None]
        pixels = torch.from_numpy(np.rint(image * light)).float().permute(2, 0, 1)[None]
        mask = torch.from_numpy(~silhouette)[None, None].float()
        return measure(pixels / 127.5 - 1, mask, maps)[0]

    red, dark_red = look((180, 40, 40), 1.0), look((180, 40, 40), 0.7)
    blue = look((40, 40, 180), 1.0)
    assert (red - dark_red).abs().max() < 0.15
    assert (red - blue).abs().max() > 1


def test_looks_are_standard_normal_to_the_encoder(composites):
    maker = BodySampleMaker(composites, 0)
    batch = HoleBatch.of([maker.make(0, number) for number in range(48)])
    encoder = LookEncoder.fit([batch])
    looks = encoder(batch.img, batch.mask, batch.maps)
    assert looks.isfinite().all()
    assert looks.mean(dim=0).abs().max() < 0.3
    assert (looks.std(dim=0) < 1.1).all()
    unseen = encoder(batch.img[:1], batch.mask[:1], torch.zeros_like(batch.maps[:1]))
    assert (unseen == 0).all()


@pytest.mark.parametrize('content', [
    '[]', 'x', '{"sprites": [{"file": "0.png"}]}',
    '{"sprites": [{"file": "no.png", "keypoints": [0]}]}',
])
def test_a_damaged_list_of_people_is_named(people, tmp_path, content):
    (tmp_path / 'people.json').write_text(content)
    with pytest.raises(InputError, match=r'people\.json'):
        load_sprites(tmp_path)


def test_missing_people_and_frames_are_named(people, tmp_path):
    with pytest.raises(InputError, match=r'people\.json'):
        load_sprites(tmp_path / 'nowhere')
    with pytest.raises(InputError, match=r'no \.jpg images'):
        open_composites(people, tmp_path)


def test_a_person_without_alpha_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((20, 10, 3), np.uint8))
    (tmp_path / 'people.json').write_text(
        json.dumps({'sprites': [{'file': '0.png', 'keypoints': [[0, 0, 0]] * 17}]}))
    with pytest.raises(InputError, match='alpha'):
        load_sprites(tmp_path)


def test_a_crop_keeps_its_arrays_to_itself(composites):
    crop = draw(composites, 5)
    before = crop.keypoints.copy()
    mirrored(BodyCrop(crop.image_rgb, crop.silhouette, crop.keypoints))
    with_errors(crop.keypoints, np.random.default_rng(0))
    assert np.array_equal(crop.keypoints, before)
