# SPDX-License-Identifier: Apache-2.0
"""A silhouette goes where its box goes, and only ever grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.tracking.silhouette import MOST_CELLS, Cast, Silhouette, draw, keypoints_of

SIZE = (64, 48)
STILL = (0.0, 0.0)
shapes = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14)).filter(np.any)
places = st.tuples(st.integers(-20, 60), st.integers(-20, 44))


def box_of(mask):
    return tuple(masks.mask_to_box(mask).tolist())


def cast(mask, to=None, growth_px=0.0, seen=None, keypoints=None):
    box = box_of(mask)
    silhouette = Silhouette.of(mask, box, STILL)
    return Cast(silhouette, keypoints, seen or box, to or seen or box, growth_px)


def shown(*casts, path_xy=STILL, size_wh=SIZE):
    mask = draw(casts, path_xy, size_wh)
    return np.zeros(size_wh[::-1], bool) if mask is None else masks.paste([mask], size_wh)


def moved(box, x, y):
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def test_what_shows_nothing_has_no_silhouette():
    assert Silhouette.of(None, (0, 0, 1, 1), STILL) is None
    assert Silhouette.of(Mask(np.zeros((3, 3), bool), 0, 0), (0, 0, 3, 3), STILL) is None
    assert draw([], STILL, SIZE) is None


@settings(max_examples=60, deadline=None)
@given(shapes, places, places)
def test_it_is_the_mask_moved(inside, place, step):
    mask = Mask(inside, *place)
    expected = masks.paste([Mask(inside, place[0] + step[0], place[1] + step[1])], SIZE)
    assert np.array_equal(shown(cast(mask, moved(box_of(mask), *step))), expected)
    assert np.array_equal(shown(cast(mask), path_xy=step), expected)


def test_where_the_steady_picture_begins_makes_no_difference():
    mask = Mask(np.ones((9, 7), bool), 20, 11)
    for path_xy in np.random.default_rng(0).normal(0, 500, (40, 2)).tolist():
        x, y = path_xy
        box = moved(box_of(mask), -x, -y)
        there = Cast(Silhouette.of(mask, box, (x, y)), None, box, box, 1.0)
        assert np.array_equal(shown(there, path_xy=(x, y)), shown(cast(mask, growth_px=1.0)))


@settings(max_examples=60, deadline=None)
@given(shapes, st.floats(0.3, 3), st.floats(0.3, 3), st.floats(-5, 40), st.floats(-5, 30))
def test_scaled_it_covers_every_point_of_the_mask(inside, scale_x, scale_y, x, y):
    mask = masks.trim(Mask(inside, 7, 9))
    rows, columns = mask.inside.shape
    to = (x, y, x + columns * scale_x, y + rows * scale_y)
    hidden = shown(cast(mask, to))
    for row, column in zip(*np.nonzero(mask.inside), strict=True):
        centre_x, centre_y = x + (column + 0.5) * scale_x, y + (row + 0.5) * scale_y
        if 0 <= centre_x < SIZE[0] and 0 <= centre_y < SIZE[1]:
            assert hidden[int(centre_y), int(centre_x)]


@settings(max_examples=60, deadline=None)
@given(shapes, shapes, places, places)
def test_two_sightings_together_hold_both(a, b, place_a, place_b):
    first, second = cast(Mask(a, *place_a)), cast(Mask(b, *place_b))
    assert np.array_equal(shown(first, second), shown(first) | shown(second))


@settings(max_examples=60, deadline=None)
@given(shapes, places, st.floats(0, 12), st.floats(0, 12))
def test_the_more_it_grows_the_more_it_hides(inside, place, less, more):
    less, more = sorted((less, more))
    mask = Mask(inside, *place)
    small, large = shown(cast(mask, growth_px=less)), shown(cast(mask, growth_px=more))
    assert not (small & ~large).any()
    assert not (shown(cast(mask)) & ~small).any()


@settings(max_examples=60, deadline=None)
@given(shapes, places, st.floats(0, 30), st.floats(0.01, 50))
def test_nothing_lies_outside_the_image(inside, place, growth_px, scale):
    mask = Mask(inside, *place)
    left, top, right, bottom = box_of(mask)
    to = (left, top, left + (right - left) * scale, top + (bottom - top) / scale)
    found = draw([cast(mask, to, growth_px)], STILL, SIZE)
    if found is not None:
        rect = masks.rect_of(found)
        assert rect.x_min >= 0
        assert rect.y_min >= 0
        assert rect.x_max <= SIZE[0]
        assert rect.y_max <= SIZE[1]
        assert np.array_equal(masks.trim(found).inside, found.inside)


def test_what_the_image_cut_off_is_hidden_whole_when_it_comes_in():
    mask = Mask(np.eye(10, dtype=bool), 0, 10)
    seen = (-6.0, 10.0, 10.0, 20.0)
    expected = masks.paste([Mask(np.eye(10, dtype=bool), 6, 10)], SIZE)
    expected[10:20, 0:6] = True
    assert np.array_equal(shown(cast(mask, moved(seen, 6, 0), seen=seen)), expected)


def test_a_sighting_without_a_silhouette_is_its_box():
    box = (5.0, 6.0, 9.0, 12.0)
    hidden = shown(Cast(None, None, box, moved(box, 10, 0), 2.0))
    assert np.array_equal(np.nonzero(hidden.any(axis=0))[0][[0, -1]], [13, 20])
    assert hidden.sum() == 8 * 10


def test_a_large_one_waits_in_few_bits_and_loses_nothing():
    inside = np.random.default_rng(0).random((1500, 700)) < 0.001
    silhouette = Silhouette.of(Mask(inside, 3, 5), (3, 5, 703, 1505), STILL)
    assert silhouette.bits.nbytes <= MOST_CELLS**2 // 8
    hidden = shown(Cast(silhouette, None, silhouette.box, silhouette.box, 0.0),
                   size_wh=(720, 1510))
    assert not (masks.paste([Mask(inside, 3, 5)], (720, 1510)) & ~hidden).any()


def test_absurd_scales_cost_nothing():
    mask = Mask(np.ones((2, 3), bool), 4, 4)
    for to in ((0, 0, 1e-9, 1e7), (-1e7, -1e7, 1e7, 1e7), (9, 9, 9, 9)):
        assert shown(cast(mask, to, 40.0)).any()


def test_keypoints_go_along():
    keypoints = np.full((17, 3), np.nan, np.float32)
    keypoints[3] = (12, 16, 0.7)
    mask = Mask(np.ones((20, 10), bool), 10, 10)
    last = cast(mask, (30, 10, 50, 50), keypoints=keypoints)
    found = keypoints_of([cast(mask), last], (1.0, -2.0))
    assert found.shape == (1, 17, 3)
    assert found[0, 3].tolist() == pytest.approx([35, 20, 0.7])
    assert np.isnan(found[0, 0]).all()
    assert keypoints_of([cast(mask)], STILL) is None
