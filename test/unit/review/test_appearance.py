# SPDX-License-Identifier: Apache-2.0
"""A drawn box is found by its look, and not on what lies behind."""

import cv2
import numpy as np
import pytest
from bag_builder import picture
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import boxes
from anon_ros.review.appearance import Appearance, scaled

SIZE_WH = (192, 128)
SIDE = 24


@pytest.fixture(scope='module')
def street():
    return cv2.GaussianBlur(picture(seed=5, size_wh=SIZE_WH, squares=()), (0, 0), 2)


def shown(street, x, y, side=SIDE):
    """Return the street with somebody at a place, and the box."""
    image = street.copy()
    image[y:y + side, x:x + side] = (40, 60, 200)
    image[y + side // 4:y + side // 2, x + side // 4:x + 3 * side // 4] = (230, 200, 20)
    return image, (float(x), float(y), float(x + side), float(y + side))


def iou(a, b):
    return float(boxes.iou(np.array([a], np.float32), np.array([b], np.float32))[0, 0])


@settings(max_examples=25, deadline=None)
@given(st.integers(-8, 8), st.integers(-8, 8))
def test_it_is_found_where_it_went(street, x, y):
    image, box = shown(street, 80, 50)
    look = Appearance(image, box)
    after, place = shown(street, 80 + x, 50 + y)
    found = look.find(after, box)
    assert iou(found.box, place) > 0.8
    assert found.sureness > 0.6


def test_what_was_drawn_is_as_sure_as_can_be(street):
    image, box = shown(street, 80, 50)
    found = Appearance(image, box).find(image, box)
    assert found.sureness == pytest.approx(1.0, abs=0.02)
    assert iou(found.box, box) > 0.95


def test_it_grows_with_what_comes_nearer(street):
    image, box = shown(street, 80, 50)
    look, place = Appearance(image, box), box
    for side in range(SIDE, SIDE + 16, 2):
        after, expected = shown(street, 80, 50, side)
        for _ in range(2):
            place = look.find(after, place).box
        look.learn(after, place)
    assert iou(place, expected) > 0.7


def test_what_is_gone_is_not_found(street):
    image, box = shown(street, 80, 50)
    assert Appearance(image, box).find(street, box).sureness < 0.25


@pytest.mark.parametrize('place', [(-10.0, -10.0, 8.0, 9.0), (180.0, 100.0, 230.0, 190.0),
                                   (0.0, 0.0, 192.0, 128.0), (30.0, 30.0, 32.0, 120.0)])
def test_boxes_at_and_beyond_the_edge_do_not_fail(street, place):
    found = Appearance(street, place).find(street, place)
    assert np.isfinite([*found.box, found.sureness]).all()


def test_a_flat_picture_has_no_look():
    flat = np.full((64, 64, 3), 90, np.uint8)
    found = Appearance(flat, (10.0, 10.0, 30.0, 30.0)).find(flat, (10.0, 10.0, 30.0, 30.0))
    assert np.isfinite([*found.box, found.sureness]).all()


def test_a_scaled_box_keeps_its_middle():
    assert scaled((10.0, 20.0, 30.0, 60.0), 2.0) == (0.0, 0.0, 40.0, 80.0)
