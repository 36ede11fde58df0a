# SPDX-License-Identifier: Apache-2.0
"""Boxes never shrink when they become pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.core import boxes
from anon_ros.core.boxes import Rect

coordinates = st.floats(-50, 150, width=32)


@pytest.mark.parametrize(('box', 'expected'), [
    ([2.2, 3.7, 4.1, 5.0], Rect(2, 3, 5, 5)),
    ([-5, -5, 3, 3], Rect(0, 0, 3, 3)),
    ([8, 8, 15, 15], Rect(8, 8, 10, 10)),
    ([-1e30, -1e30, 1e30, 1e30], Rect(0, 0, 10, 10)),
])
def test_to_rects(box, expected):
    assert boxes.to_rects(np.array([box], np.float32), (10, 10)) == [expected]


@pytest.mark.parametrize('box', [[12, 0, 15, 5], [-9, 0, -1, 5], [0, 20, 5, 25]])
def test_a_box_off_the_image_is_empty(box):
    assert boxes.to_rects(np.array([box], np.float32), (10, 10))[0].is_empty


@given(st.tuples(coordinates, coordinates, st.floats(0.01, 90), st.floats(0.01, 90)))
def test_a_rect_covers_its_box(values):
    x, y, width, height = values
    box = np.array([[x, y, x + width, y + height]], np.float32)
    rect = boxes.to_rects(box, (100, 100))[0]
    inside = boxes.clip(box, (100, 100))[0]
    if boxes.areas(inside[None])[0] > 0:
        assert rect.x_min <= inside[0]
        assert rect.y_min <= inside[1]
        assert rect.x_max >= inside[2]
        assert rect.y_max >= inside[3]


def test_grow_has_a_least():
    grown = boxes.grow(np.array([[10, 10, 20, 14]], np.float32), 0.1, least_px=2)
    assert grown.tolist() == [[8, 8, 22, 16]]


@given(
    st.tuples(coordinates, coordinates, st.floats(0, 90), st.floats(0, 90)),
    st.floats(0, 1), st.floats(0, 5),
)
def test_shrink_undoes_grow(values, fraction, least_px):
    x, y, width, height = values
    box = np.array([[x, y, x + width, y + height]], np.float32)
    back = boxes.shrink(boxes.grow(box, fraction, least_px), fraction, least_px)
    assert back == pytest.approx(box, abs=1e-3)


def test_shrink_turns_nothing_inside_out():
    box = np.array([[10, 10, 11, 30]], np.float32)
    assert boxes.shrink(box, 0.1, least_px=2).tolist() == [[10.5, 12, 10.5, 28]]


def test_iou_and_cover():
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[0, 0, 10, 5], [20, 20, 30, 30], [5, 5, 5, 5]], np.float32)
    assert boxes.iou(a, b)[0].tolist() == pytest.approx([0.5, 0, 0])
    assert boxes.cover(b, a)[:, 0].tolist() == pytest.approx([1, 0, 0])


def test_suppression_keeps_the_best():
    candidates = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    kept = boxes.non_maximum_suppression(candidates, np.array([0.5, 0.9, 0.1], np.float32), 0.4)
    assert kept.tolist() == [1, 2]
    assert boxes.non_maximum_suppression(candidates[:0], np.zeros(0, np.float32), 0.4).size == 0
