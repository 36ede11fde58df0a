# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from anon_ros.bench.scenes import SPLITS, SceneMaker
from anon_ros.errors import InputError


@pytest.fixture(scope='session')
def makers(shared_dir):
    return {split: SceneMaker(shared_dir / 'data', split) for split in SPLITS}


def test_the_same_seed_gives_the_same_scenes(makers):
    for one, other in zip(makers['report'].scenes(3, 2), makers['report'].scenes(3, 2),
                          strict=True):
        np.testing.assert_array_equal(one.image_bgr, other.image_bgr)
        np.testing.assert_array_equal(one.faces_xyxy, other.faces_xyxy)


@pytest.mark.parametrize('changed', ['seed', 'split'])
def test_another_seed_or_split_gives_others(makers, changed):
    one = next(makers['report'].scenes(3, 1))
    other = next((makers['tune'] if changed == 'split' else makers['report']).scenes(
        4 if changed == 'seed' else 3, 1))
    assert (one.image_bgr != other.image_bgr).mean() > 0.5


def test_scenes_are_of_the_size_and_faces_of_the_heights_asked_for(makers):
    for scene in makers['report'].scenes(1, 3, 6, size_wh=(800, 450), heights_px=(10, 40)):
        assert scene.image_bgr.shape == (450, 800, 3)
        assert scene.faces_xyxy.shape == (6, 4)
        heights = scene.faces_xyxy[:, 3] - scene.faces_xyxy[:, 1]
        assert ((heights > 9) & (heights < 41)).all()
        assert (scene.faces_xyxy >= 0).all()
        assert (scene.faces_xyxy[:, 2:] <= (800, 450)).all()


def test_faces_are_where_the_scene_says_and_nothing_else_changed(makers):
    with_faces = next(makers['report'].scenes(9, 1, 5))
    without = next(makers['report'].scenes(9, 1, 0))
    changed = (with_faces.image_bgr != without.image_bgr).any(axis=2)
    for x_min, y_min, x_max, y_max in with_faces.faces_xyxy.astype(int):
        assert changed[y_min:y_max + 1, x_min:x_max + 1].mean() > 0.8
        side = y_max - y_min
        changed[max(0, y_min - side):y_max + side, max(0, x_min - side):x_max + side] = False
    assert not changed.any()


def test_faces_too_large_for_the_frame_are_left_out(makers):
    scene = next(makers['report'].scenes(1, 1, 3, size_wh=(160, 90), heights_px=(200, 300)))
    assert len(scene.faces_xyxy) == 0


def test_a_sequence_moves_smoothly(makers):
    scenes = list(makers['report'].moving_scene(2, 6, 5, size_wh=(640, 360)))
    assert len(scenes) == 6
    for before, after in itertools.pairwise(scenes):
        assert after.image_bgr.shape == (360, 640, 3)
        assert (before.image_bgr != after.image_bgr).any()
        if len(before.faces_xyxy) == len(after.faces_xyxy):
            assert np.abs(after.faces_xyxy - before.faces_xyxy).max() < 30
    again = list(makers['report'].moving_scene(2, 6, 5, size_wh=(640, 360)))
    np.testing.assert_array_equal(scenes[-1].image_bgr, again[-1].image_bgr)


def test_known_people_lie_where_the_mirrored_background_shows_them(makers):
    known = [scene for scene in makers['report'].scenes(0, 12, 0) if scene.people is not None]
    assert known
    assert all(scene.people.shape == scene.image_bgr.shape[:2] for scene in known)


def test_missing_data_is_named(tmp_path):
    with pytest.raises(InputError, match=r'faces\.json'):
        SceneMaker(tmp_path)
    (tmp_path / 'faces_synthetic').mkdir()
    (tmp_path / 'faces_synthetic' / 'faces.json').write_text('[]')
    with pytest.raises(InputError, match='no backgrounds'):
        SceneMaker(tmp_path)
