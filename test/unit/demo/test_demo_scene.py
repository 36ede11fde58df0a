# SPDX-License-Identifier: Apache-2.0
import importlib.util

import cv2
import numpy as np
import pytest

from anon_ros.demo import scene
from anon_ros.demo.bag import FRONT, REAR
from anon_ros.errors import UsageError

GREEN = (0, 255, 0)


def marked_street():
    """Return a black street with green rectangles where the faces would be."""
    street = scene.build_street(np.zeros((512, 512, 3), np.uint8), 0)
    image = np.zeros_like(street.image_bgr)
    for x_min, y_min, x_max, y_max in np.rint(street.faces_xyxy).astype(int):
        image[y_min:y_max, x_min:x_max] = GREEN
    return scene.Street(image, street.faces_xyxy)


def test_the_portrait_is_the_one_the_face_box_was_measured_on():
    portrait = scene.load_portrait()
    x_min, y_min, x_max, y_max = map(int, scene.FACE_IN_PORTRAIT_XYXY)
    face = cv2.cvtColor(portrait[y_min:y_max, x_min:x_max], cv2.COLOR_BGR2HSV)
    is_skin = (face[..., 0] < 25) & (face[..., 1] > 20) & (face[..., 2] > 90)
    assert is_skin.mean() > 0.75


@pytest.mark.parametrize('camera', [FRONT, REAR])
@pytest.mark.parametrize('progress', [0.0, 0.13, 0.5, 0.77, 1.0])
def test_each_face_is_where_the_truth_says(camera, progress):
    shot = camera.shoot(marked_street(), progress, 1.0)
    green = shot.image_bgr[..., 1]
    assert shot.image_bgr.shape[1::-1] == camera.size_wh
    assert len(shot.faces_xyxy) > 0
    for x_min, y_min, x_max, y_max in np.rint(shot.faces_xyxy).astype(int):
        assert green[y_min:y_max, x_min:x_max].mean() > 0.9 * 255
        green[max(0, y_min - 4):y_max + 4, max(0, x_min - 4):x_max + 4] = 0
    parts = cv2.connectedComponentsWithStats((green > 128).astype(np.uint8))[2][1:]
    width, height = camera.size_wh
    for left, top, part_width, part_height, _ in parts:
        assert left == 0 or top == 0 or left + part_width == width or top + part_height == height


def test_prints_do_not_hide_each_other():
    faces = scene.build_street(np.zeros((512, 512, 3), np.uint8), 0).faces_xyxy
    sides = np.array([[p.x - p.side / 2, p.y - p.side / 2, p.x + p.side / 2, p.y + p.side / 2]
                      for p in scene.PRINTS])
    inside = [
        np.all(face[:2] >= side[:2]) and np.all(face[2:] <= side[2:])
        for face in faces for side in sides
    ]
    assert sum(inside) == len(scene.PRINTS)


def test_the_same_seed_gives_the_same_street():
    portrait = scene.load_portrait()
    one, same, other = (scene.build_street(portrait, seed).image_bgr for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_without_the_picture_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _: None)
    with pytest.raises(UsageError, match='pip install scikit-image'):
        scene.load_portrait()


def test_another_picture_is_refused(monkeypatch, tmp_path):
    (tmp_path / 'data').mkdir()
    cv2.imwrite(str(tmp_path / 'data' / 'astronaut.png'), np.zeros((9, 9, 3), np.uint8))
    spec = importlib.util.spec_from_file_location(
        'skimage', tmp_path / '__init__.py', submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _: spec)
    with pytest.raises(UsageError, match='not the picture that the demo expects'):
        scene.load_portrait()
