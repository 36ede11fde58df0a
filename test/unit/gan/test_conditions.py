# SPDX-License-Identifier: Apache-2.0
"""What a body generator is told: where each keypoint, limb and silhouette lands, and no more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='torch is not installed: the GAN is not tested')

from anon_ros.gan import conditions  # noqa: E402 - it needs torch

SIZE_HW = (48, 32)
COORDINATE = st.floats(-3, 4, width=32)


def unseen(count=1):
    return np.zeros((count, 17, 3), np.float32)


def with_joints(**places):
    joints = unseen()
    for name, (x, y) in places.items():
        joints[0, getattr(conditions, f'_{name.upper()}')] = x / SIZE_HW[1], y / SIZE_HW[0], 1
    return joints


def test_nobody_gives_no_maps():
    assert conditions.limb_map(unseen(0), SIZE_HW).shape == (0, *SIZE_HW)
    assert not conditions.limb_map(unseen(), SIZE_HW).any()
    assert not conditions.keypoint_maps(torch.from_numpy(unseen()), SIZE_HW).any()


def test_keypoints_become_shares_of_their_crop():
    keypoints = np.full((1, 17, 3), np.nan, np.float32)
    keypoints[0, 0] = 30, 60, 0.9
    keypoints[0, 1] = 30, 60, 0.1
    result = conditions.keypoints_in_crops(keypoints, np.array([[10, 20, 50, 100]], np.float32))
    np.testing.assert_allclose(result[0, 0], [0.5, 0.5, 1])
    np.testing.assert_allclose(result[0, 1], [0.5, 0.5, 0])
    assert not result[0, 2:].any()


def test_an_empty_crop_gives_finite_numbers():
    keypoints = np.ones((1, 17, 3), np.float32)
    result = conditions.keypoints_in_crops(keypoints, np.zeros((1, 4), np.float32))
    assert np.isfinite(result).all()
    assert conditions.limb_map(result, SIZE_HW).shape == (1, *SIZE_HW)


def test_a_limb_is_a_line_between_its_joints():
    drawn = conditions.limb_map(with_joints(left_hip=(4, 10), left_knee=(4, 20)), SIZE_HW)[0]
    expected = np.zeros(SIZE_HW, np.uint8)
    expected[10:21, 4] = 1 + conditions.LIMB_CLASSES.index('left leg')
    np.testing.assert_array_equal(drawn, expected)


def test_neck_and_mid_hip_are_added():
    drawn = conditions.limb_map(with_joints(
        left_shoulder=(20, 10), right_shoulder=(10, 10), left_hip=(18, 30), right_hip=(12, 30),
    ), SIZE_HW)[0]
    assert (drawn[10:31, 15] == 1 + conditions.LIMB_CLASSES.index('torso')).all()
    alone = conditions.limb_map(with_joints(left_shoulder=(20, 10), left_hip=(18, 30)), SIZE_HW)[0]
    assert not alone[15:25, 15].any()


def test_a_head_without_nose_hangs_on_its_eyes():
    joints = with_joints(
        left_shoulder=(20, 20), right_shoulder=(10, 20), left_eye=(17, 6), right_eye=(13, 6))
    joints[0, 1:3, 2] = 0
    assert (conditions.limb_map(joints, SIZE_HW)[0, 6:20, 15] == 1).all()
    joints[0, 1:3, :2] = 0
    assert not conditions.limb_map(joints, SIZE_HW)[0, :19].any(), 'eyes of an unknown place'


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=2, max_size=2))
@settings(max_examples=200, deadline=None)
def test_lines_are_those_of_another_library(ends):
    drawing = pytest.importorskip('PIL.ImageDraw')
    pixels = np.rint(np.array(ends) * (SIZE_HW[1], SIZE_HW[0])).astype(int)
    image = pytest.importorskip('PIL.Image').new('L', (SIZE_HW[1], SIZE_HW[0]))
    drawing.Draw(image).line([tuple(map(int, xy)) for xy in pixels], fill=3, width=1)
    canvas = np.zeros(SIZE_HW, np.uint8)
    conditions._draw_line(canvas, *pixels, 3)
    np.testing.assert_array_equal(canvas, np.asarray(image))


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e30, -1e30])
@pytest.mark.parametrize('column', [0, 1])
def test_absurd_places_end_nowhere(value, column):
    joints = with_joints(left_hip=(4, 10), left_knee=(4, 20))
    joints[0, 13, column] = value
    drawn = conditions.limb_map(joints, SIZE_HW)
    assert set(np.unique(drawn)) <= {0, 5}
    maps = conditions.keypoint_maps(torch.from_numpy(joints), SIZE_HW)
    assert maps.isfinite().all()
    assert maps[0, 11, 10, 4] == 1


@given(st.lists(st.tuples(COORDINATE, COORDINATE, st.sampled_from([0, 1])),
                min_size=17, max_size=17))
@settings(max_examples=50, deadline=None)
def test_every_seen_keypoint_is_one_pixel(joints):
    keypoints = np.array([joints], np.float32)
    maps = conditions.keypoint_maps(torch.from_numpy(keypoints), SIZE_HW)
    np.testing.assert_array_equal(maps.sum(dim=(2, 3))[0], keypoints[0, :, 2])
    for i in np.flatnonzero(keypoints[0, :, 2]):
        y, x = np.argwhere(maps[0, i].numpy())[0]
        place = np.rint(keypoints[0, i, :2] * (SIZE_HW[1], SIZE_HW[0]))
        np.testing.assert_array_equal((x, y), place.clip(0, (SIZE_HW[1] - 1, SIZE_HW[0] - 1)))


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 47), st.sampled_from([0, 1])),
                min_size=17, max_size=17))
@settings(max_examples=50, deadline=None)
def test_mirrored_keypoints_swap_sides(joints):
    keypoints = np.array([joints], np.float32) / (SIZE_HW[1], SIZE_HW[0], 1)
    mirrored = keypoints[:, conditions.MIRRORED].copy()
    mirrored[..., 0] = 1 - 1 / SIZE_HW[1] - mirrored[..., 0]
    maps = conditions.keypoint_maps(torch.from_numpy(keypoints), SIZE_HW)
    expected = maps[:, conditions.MIRRORED].flip(3)
    assert torch.equal(conditions.keypoint_maps(torch.from_numpy(mirrored), SIZE_HW), expected)


def test_pose_maps_stand_in_their_order():
    segmentation = torch.zeros(2, 1, *SIZE_HW)
    segmentation[:, :, 10:40, 8:24] = 1
    joints = np.concatenate([with_joints(nose=(15, 12)), with_joints(right_ankle=(3, 47))])
    joint_map = torch.zeros(2, 1, *SIZE_HW, dtype=torch.uint8)
    joint_map[0, 0, 0, 0], joint_map[1, 0, 1, 1] = 1, 6
    maps = conditions.pose_maps(segmentation, torch.from_numpy(joints), joint_map)
    assert maps.shape == (2, conditions.POSE_MAPS, *SIZE_HW)
    assert torch.equal(maps[:, 0], segmentation[:, 0])
    assert torch.equal(maps[:, 1], 1 - segmentation[:, 0])
    assert maps[0, 2, 12, 15] == 1
    assert maps[1, 18, 47, 3] == 1
    assert maps[0, 19, 0, 0] == 1
    assert maps[1, 24, 1, 1] == 1
    assert maps[:, 2:].sum() == 4
