# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.errors import InputError
from anon_ros.training import plate_samples
from anon_ros.training.plate_augmentation import Lens, disturb
from anon_ros.training.plate_backgrounds import draw_background
from anon_ros.training.plate_drawing import draw_distractor, draw_plate
from anon_ros.training.plate_frames import (
    OVERLOOKED,
    PlateFrame,
    hold_out,
    load_plate_frames,
    with_mistakes,
    with_overlooked,
)
from anon_ros.training.plate_samples import CROP_PX, LEAST_HEIGHT_PX, SampleMaker

NOTHING = np.zeros((0, 4), np.float32)


@pytest.fixture(autouse=True)
def small_pools(monkeypatch):
    """Draw less: how much there is to choose from is no matter here."""
    for pool in ('DRAWN_PLATES', 'DISTRACTORS', 'LENSES', 'BACKGROUNDS'):
        monkeypatch.setattr(plate_samples, pool, 6)


def bright_plate_frame(name='day_1.jpg'):
    """Return a dark frame with one white plate."""
    image = np.full((270, 480, 3), 40, np.uint8)
    image[100:120, 200:280] = 250
    return PlateFrame(name, image, np.array([[200, 100, 280, 120]], np.float32), NOTHING, False)


def write_data(folder, entries, with_images=True):
    (folder / 'train').mkdir()
    (folder / 'train.json').write_text(json.dumps(entries))
    for entry in entries if with_images else ():
        cv2.imwrite(str(folder / 'train' / entry['file']), np.zeros((60, 80, 3), np.uint8))


def test_frames_load_in_order_with_their_light(tmp_path):
    write_data(tmp_path, [{'file': 'night_2.png', 'plates_xyxy': [[1, 2, 30, 9]]},
                          {'file': 'day_1.png', 'plates_xyxy': []}])
    frames = load_plate_frames(tmp_path, 'train')
    assert [frame.is_night for frame in frames] == [True, False]
    assert frames[0].plates_xyxy.tolist() == [[1, 2, 30, 9]]
    assert frames[1].plates_xyxy.shape == (0, 4)


@pytest.mark.parametrize('text', ['{', '[{"file": "a.jpg"}]', '[3]', '{"file": 1}'])
def test_a_damaged_list_is_named(tmp_path, text):
    write_data(tmp_path, [])
    (tmp_path / 'train.json').write_text(text)
    with pytest.raises(InputError, match=r'train\.json'):
        load_plate_frames(tmp_path, 'train')


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r'valid\.json'):
        load_plate_frames(tmp_path, 'valid')
    write_data(tmp_path, [{'file': 'day_7.jpg', 'plates_xyxy': []}], with_images=False)
    with pytest.raises(InputError, match=r'day_7\.jpg'):
        load_plate_frames(tmp_path, 'train')


def test_whole_blocks_of_neighbours_are_held_out():
    frames = [bright_plate_frame(str(i)) for i in range(72)]
    learnt, held = hold_out(frames)
    assert [frame.name for frame in held] == [str(i) for i in (*range(30, 36), *range(66, 72))]
    assert len(learnt) + len(held) == 72


def test_overlooked_plates_are_added_by_name():
    name, more = next(item for item in json.loads(OVERLOOKED.read_text()).items()
                      if item[1]['plates_xyxy'])
    other, same = with_overlooked([bright_plate_frame(), bright_plate_frame(name)])
    assert len(other.plates_xyxy) == 1
    np.testing.assert_allclose(same.plates_xyxy[1:], more['plates_xyxy'])
    assert len(same.ignored_xyxy) == len(more['ignored_xyxy'])


def test_overlooked_plates_lie_in_frames_of_the_data(shared_dir):
    frames = {frame.name: frame for frame in load_plate_frames(
        shared_dir / 'data' / 'plates', 'train')}
    for name, more in json.loads(OVERLOOKED.read_text()).items():
        height, width = frames[name].image_bgr.shape[:2]
        boxes = np.array(more['plates_xyxy'] + more['ignored_xyxy'])
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes >= 0).all()
        assert (boxes <= [width, height, width, height]).all()


def test_what_meets_no_plate_is_a_mistake():
    found = np.array([[195, 95, 285, 125], [10, 10, 60, 24], [300, 200, 340, 210]], np.float32)
    frame = bright_plate_frame()
    frame = dataclasses.replace(
        frame, ignored_xyxy=np.array([[310, 200, 350, 210]], np.float32))
    assert with_mistakes(frame, found).mistaken_xyxy.tolist() == [[10, 10, 60, 24]]
    assert with_mistakes(frame, NOTHING).mistaken_xyxy.shape == (0, 4)


def is_green_shown(sample):
    blue, green, _ = cv2.split(sample.image_bgr.astype(np.float32))
    return bool((green > 2 * blue + 60).any())


def test_mistakes_are_shown_more_often():
    frame = with_mistakes(bright_plate_frame(), np.array([[20, 20, 60, 30]], np.float32))
    frame.image_bgr[20:30, 20:60] = (0, 255, 0)
    without = dataclasses.replace(frame, mistaken_xyxy=NOTHING)
    shown = [sum(is_green_shown(maker.make(0, number)) for number in range(30))
             for maker in (SampleMaker([frame], 0), SampleMaker([without], 0))]
    assert shown[0] > shown[1]


def test_a_sample_depends_on_seed_step_and_number_only():
    frames = [bright_plate_frame()]
    first, again, other = SampleMaker(frames, 3), SampleMaker(frames, 3), SampleMaker(frames, 4)
    first.make(0, 0)
    for step, number in ((5, 1), (6, 0)):
        np.testing.assert_array_equal(
            first.make(step, number).image_bgr, again.make(step, number).image_bgr)
    assert not np.array_equal(first.make(5, 1).image_bgr, first.make(5, 2).image_bgr)
    assert not np.array_equal(first.make(5, 1).image_bgr, other.make(5, 1).image_bgr)


def test_boxes_stay_inside_and_worth_finding():
    maker = SampleMaker([bright_plate_frame()], 0)
    samples = [maker.make(0, number) for number in range(60)]
    assert all(sample.image_bgr.shape == (CROP_PX, CROP_PX, 3) for sample in samples)
    plates = np.concatenate([sample.plates_xyxy for sample in samples])
    assert len(plates) > 60
    assert (plates >= 0).all()
    assert (plates <= CROP_PX).all()
    heights = plates[:, 3] - plates[:, 1]
    assert (heights >= LEAST_HEIGHT_PX).all()
    assert heights.min() < 12
    assert heights.max() > 60


def test_a_sample_leaves_its_frame_as_it_was():
    frame = bright_plate_frame()
    before = frame.image_bgr.copy()
    maker = SampleMaker([frame], 0)
    for number in range(20):
        maker.make(0, number)
    np.testing.assert_array_equal(frame.image_bgr, before)


@given(strength=st.floats(0.05, 3), x=st.floats(-900, 1300), y=st.floats(-900, 1300))
def test_a_lens_moves_points_where_its_map_takes_them_from(strength, x, y):
    lens = Lens(CROP_PX, strength, (150.0, 200.0))
    moved = lens.move(np.array([[x, y]]))
    np.testing.assert_allclose(lens.source_of(moved), [[x, y]], atol=0.05)


def test_a_lens_moves_pixels_and_points_alike():
    image = np.zeros((CROP_PX, CROP_PX, 3), np.uint8)
    cv2.circle(image, (250, 120), 6, (255, 255, 255), -1)
    lens = Lens(CROP_PX, 0.8, (190.0, 190.0))
    rows, columns = np.nonzero(lens.apply(image)[..., 0] > 128)
    x, y = lens.move(np.array([[250.0, 120.0]]))[0]
    assert abs(columns.mean() - x) < 1
    assert abs(rows.mean() - y) < 1
    assert abs(x - 250) > 2


def test_drawings_are_images_with_contrast():
    rng = np.random.default_rng(0)
    for _ in range(40):
        plate = draw_plate(rng)
        assert plate.dtype == np.uint8
        assert plate.std() > 15
        assert 1.1 < plate.shape[1] / plate.shape[0] < 4.8
        assert draw_distractor(rng).ndim == 3


def test_backgrounds_are_full_of_things_and_differ():
    rng = np.random.default_rng(0)
    first, second = draw_background(96, rng), draw_background(96, rng)
    assert first.shape == second.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert min(first.std(), second.std()) > 5
    assert not np.array_equal(first, second)


def test_disturbing_keeps_the_shape_and_the_given_image():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    before = image.copy()
    results = [disturb(image, rng) for _ in range(40)]
    assert all(result.shape == image.shape and result.dtype == np.uint8 for result in results)
    assert not any(np.array_equal(result, image) for result in results)
    np.testing.assert_array_equal(image, before)
