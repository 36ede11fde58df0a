# SPDX-License-Identifier: Apache-2.0
"""Crops show nothing of what is hidden, at any size and place; seams run inward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.boxes import Rect
from anon_ros.gan.crops import at_size, face_crop, majority, make_crop
from anon_ros.gan.stitching import stitch

WIDTH, HEIGHT = 40, 30
IMAGE = Rect(0, 0, WIDTH, HEIGHT)


def noise(seed, size=(HEIGHT, WIDTH, 3)):
    return np.random.default_rng(seed).integers(0, 256, size).astype(np.float32)


def crop_of(image, hidden, rect):
    seen = rect.intersect(IMAGE)
    part = np.s_[seen.y_min:seen.y_max, seen.x_min:seen.x_max]
    return make_crop(rect, image[part], ~hidden[part], seen)


rects = st.tuples(
    st.integers(-20, WIDTH - 1), st.integers(-20, HEIGHT - 1), st.integers(2, 60)
).map(lambda v: Rect(v[0], v[1], v[0] + v[2], v[1] + v[2])).filter(
    lambda rect: not rect.intersect(IMAGE).is_empty)


@settings(max_examples=60, deadline=None)
@given(rect=rects, hole=rects, size=st.sampled_from([(8, 8), (13, 13), (64, 64), (24, 16)]))
def test_no_hidden_pixel_reaches_a_generator_or_a_seam(rect, hole, size):
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    inside = hole.intersect(IMAGE)
    hidden[inside.y_min:inside.y_max, inside.x_min:inside.x_max] = True
    image, other = noise(0), noise(1)
    other[~hidden] = image[~hidden]
    one, two = crop_of(image, hidden, rect), crop_of(other, hidden, rect)
    for first, second in zip(at_size(one, size), at_size(two, size), strict=True):
        assert np.array_equal(first, second)
    generated = noise(2, (*size, 3))
    patches = [stitch(generated, crop) for crop in (one, two)]
    assert np.array_equal(*patches)
    assert np.isfinite(patches[0]).all()
    seen = rect.intersect(IMAGE)
    known = ~hidden[seen.y_min:seen.y_max, seen.x_min:seen.x_max]
    part = patches[0][seen.y_min - rect.y_min:seen.y_max - rect.y_min,
                      seen.x_min - rect.x_min:seen.x_max - rect.x_min]
    original = image[seen.y_min:seen.y_max, seen.x_min:seen.x_max]
    assert np.array_equal(part[known], original[known])


@given(st.floats(1, 300), st.floats(1, 300), st.floats(0, 1), st.floats(-50, 50))
def test_a_faces_crop_is_a_square_around_all_that_is_hidden(width, height, margin, x):
    face = np.array([x, 7.3, x + width, 7.3 + height], np.float32)
    grown = np.array([margin * width, margin * height], np.float32)
    hidden = np.concatenate([face[:2] - grown, face[2:] + grown]).astype(np.float32)
    rect = face_crop(face, hidden)
    assert rect.width == rect.height
    assert rect.width >= 1.7 * max(width, height) - 1e-3
    assert rect.width >= 1.25 * (1 + 2 * margin) * max(width, height) - 1e-3
    assert rect.width <= max(1.7, 1.26 * (1 + 2 * margin)) * max(width, height) + 2
    if margin > 0.1 and min(width, height) > 20:
        assert rect.x_min <= hidden[0]
        assert rect.x_max >= hidden[2]


def test_beyond_the_image_its_edge_goes_on():
    image = np.full((HEIGHT, WIDTH, 3), 50, np.float32)
    image[0] = 200
    crop = crop_of(image, np.zeros((HEIGHT, WIDTH), bool), Rect(5, -4, 15, 6))
    assert crop.is_shown.all()
    assert (crop.pixels[:4] == 200).all()
    assert crop.known_share == pytest.approx(0.6)


def test_where_nothing_is_known_a_crop_is_gray():
    crop = crop_of(noise(0), np.ones((HEIGHT, WIDTH), bool), Rect(5, 5, 15, 15))
    assert len(np.unique(crop.pixels)) == 1
    assert crop.known_share == 0
    generated = noise(3, (10, 10, 3))
    assert np.array_equal(stitch(generated, crop), generated)


def test_the_seam_runs_from_what_is_known_into_what_was_generated():
    image = np.full((HEIGHT, WIDTH, 3), 100, np.float32)
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    hidden[5:25, 5:25] = True
    patch = stitch(np.full((8, 8, 3), 200, np.float32), crop_of(image, hidden, Rect(0, 0, 30, 30)))
    row = patch[15, :15, 0]
    assert (row[:5] == 100).all()
    assert (np.diff(row) > -1e-3).all()
    assert row[5] > 100
    assert row[8] == pytest.approx(200)


def test_a_pixel_that_is_half_hidden_is_shown_and_one_that_is_more_is_not():
    inside = np.ones((8, 8), bool)
    inside[:, 3:] = False
    assert majority(inside, (4, 4)).tolist() == [[True, True, False, False]] * 4
    inside[:4, 3] = True
    assert majority(inside, (2, 2)).tolist() == [[True, False], [True, False]]
