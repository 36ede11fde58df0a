# SPDX-License-Identifier: Apache-2.0
"""A silhouette only ever grows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anon_ros.core import masks
from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Mask

silhouettes = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
sides = st.integers(1, 40)


def ring(side=7, width=1):
    inside = np.ones((side, side), bool)
    inside[width:-width, width:-width] = False
    return inside


def test_bounds_of_nothing_are_empty():
    assert masks.bounds(np.zeros((4, 5), bool)).is_empty
    assert masks.bounds(np.zeros((0, 0), bool)).is_empty


def test_bounds_hold_the_outermost_pixels():
    inside = np.zeros((6, 9), bool)
    inside[2, 7] = inside[4, 1] = True
    assert masks.bounds(inside) == Rect(1, 2, 8, 5)


def test_the_box_of_a_mask_stands_in_the_image():
    inside = np.zeros((6, 9), bool)
    inside[2:5, 1:8] = True
    assert masks.mask_to_box(Mask(inside, 100, -20)).tolist() == [101, -18, 108, -15]


@pytest.mark.parametrize('rect', [Rect(-5, -5, 3, 4), Rect(2, 1, 99, 99), Rect(20, 20, 30, 30)])
def test_crop_and_paste_give_back_what_the_rectangle_holds(rect):
    rng = np.random.default_rng(0)
    whole = rng.random((8, 10)) > 0.5
    expected = np.zeros_like(whole)
    window = (slice(max(0, rect.y_min), rect.y_max), slice(max(0, rect.x_min), rect.x_max))
    expected[window] = whole[window]
    np.testing.assert_array_equal(masks.paste([masks.crop(whole, rect)], (10, 8)), expected)


def test_crop_is_a_copy():
    whole = np.zeros((4, 4), bool)
    masks.crop(whole, Rect(0, 0, 4, 4)).inside[:] = True
    assert not whole.any()


def test_paste_cuts_at_the_image_and_joins():
    parts = [Mask(np.ones((4, 4), bool), -2, -2), Mask(np.ones((4, 4), bool), 3, 3),
             Mask(np.ones((2, 2), bool), 50, 50), Mask(np.zeros((0, 0), bool), 1, 1)]
    whole = masks.paste(parts, (5, 5))
    assert whole[:2, :2].all()
    assert whole[3:, 3:].all()
    assert whole.sum() == 8


@given(silhouettes)
def test_trim_keeps_every_pixel(inside):
    trimmed = masks.trim(Mask(inside, 3, 4))
    np.testing.assert_array_equal(
        masks.paste([trimmed], (20, 20)), masks.paste([Mask(inside, 3, 4)], (20, 20)))
    if inside.any():
        assert trimmed.inside.any(axis=0)[[0, -1]].all()
        assert trimmed.inside.any(axis=1)[[0, -1]].all()


@given(silhouettes, st.integers(0, 4))
def test_nothing_gets_lost_by_growing_or_closing(inside, radius):
    for grown in (masks.dilate(inside, radius), masks.close_gaps(inside, radius),
                  masks.fill_holes(inside)):
        assert grown.shape == inside.shape
        assert grown.dtype == bool
        assert (grown | ~inside).all()


def test_dilate_grows_by_the_radius():
    inside = np.zeros((9, 9), bool)
    inside[4, 4] = True
    grown = masks.dilate(inside, 2)
    assert masks.bounds(grown) == Rect(2, 2, 7, 7)
    assert inside.sum() == 1


def test_close_gaps_joins_what_lies_close_and_nothing_else():
    inside = np.zeros((5, 30), bool)
    inside[:, [2, 5, 20]] = True
    closed = masks.close_gaps(inside, 2)
    assert closed[2, 2:6].all()
    assert not closed[:, 8:18].any()


def test_close_gaps_does_not_grow_into_the_edge():
    inside = np.zeros((6, 6), bool)
    inside[:, 2] = True
    np.testing.assert_array_equal(masks.close_gaps(inside, 2), inside)


def test_fill_holes_fills_what_is_enclosed_only():
    filled = masks.fill_holes(np.pad(ring(), 2))
    assert filled[2:-2, 2:-2].all()
    assert filled.sum() == 49
    open_ring = ring()
    open_ring[3, 0] = False
    assert masks.fill_holes(open_ring).sum() == open_ring.sum()


def test_components_join_over_corners_and_keep_their_place():
    inside = np.zeros((6, 8), bool)
    inside[0, 0] = inside[1, 1] = True
    inside[4:6, 5:8] = True
    inside[0, 7] = True
    parts = masks.components(inside)
    assert sorted((part.x, part.y, int(part.inside.sum())) for part in parts) == [
        (0, 0, 2), (5, 4, 6), (7, 0, 1)]
    np.testing.assert_array_equal(masks.paste(masks.components(inside), (8, 6)), inside)


def test_specks_go_and_nothing_else():
    inside = np.zeros((6, 8), bool)
    inside[0, 0] = inside[1, 1] = inside[0, 7] = True
    kept = masks.without_specks(inside, 2)
    assert kept.sum() == 2
    assert not kept[0, 7]
    assert not masks.without_specks(np.zeros((3, 3), bool), 1).any()
    assert masks.without_specks(np.ones((3, 3), bool), 9).all()


def test_a_component_holds_no_pixel_of_another():
    inside = np.pad(ring(9), 1)
    inside[5, 5] = True
    assert sorted(int(part.inside.sum()) for part in masks.components(inside)) == [1, 32]


@settings(max_examples=60)
@given(silhouettes, sides, sides)
def test_rescale_touches_every_pixel_that_a_cell_touches(inside, width, height):
    rows, columns = inside.shape
    scaled = masks.rescale(Mask(inside, 0, 0), (columns, rows), (width, height))
    whole = masks.paste([scaled], (width, height))
    for y in range(height):
        for x in range(width):
            old = inside[y * rows // height:-(-(y + 1) * rows // height),
                         x * columns // width:-(-(x + 1) * columns // width)]
            assert whole[y, x] == old.any()


@given(silhouettes, st.integers(0, 9), st.integers(0, 9), sides, sides)
def test_rescale_of_a_part_equals_the_part_of_a_rescale(inside, x, y, width, height):
    part = Mask(inside, x, y)
    whole = Mask(masks.paste([part], (24, 24)), 0, 0)
    np.testing.assert_array_equal(
        masks.paste([masks.rescale(part, (24, 24), (width, height))], (width, height)),
        masks.paste([masks.rescale(whole, (24, 24), (width, height))], (width, height)))


@given(silhouettes, silhouettes, st.integers(-9, 9), st.integers(-9, 9))
def test_join_is_the_union(a, b, x, y):
    parts = [Mask(a, 12, 12), Mask(b, 12 + x, 12 + y)]
    joined = masks.join(parts)
    np.testing.assert_array_equal(masks.paste([joined], (40, 40)), masks.paste(parts, (40, 40)))


@given(silhouettes, silhouettes, st.integers(-13, 13), st.integers(-13, 13))
def test_contact_counts_what_lies_within_a_pixel(a, b, x, y):
    first, second = Mask(a, 20, 20), Mask(b, 20 + x, 20 + y)
    ours, theirs = (np.argwhere(masks.paste([m], (60, 60))) for m in (first, second))
    gaps = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    expected = int((gaps.min(axis=0) <= 1).sum()) if gaps.size else 0
    assert masks.contact(first, second) == expected


def test_rescale_to_the_same_size_changes_nothing():
    part = Mask(ring(), 2, 3)
    assert masks.rescale(part, (20, 20), (20, 20)) is part


@given(silhouettes, st.integers(1, 9))
def test_cells_hold_every_pixel_and_no_more_than_a_cell_around(inside, side):
    cells = masks.pool(inside, side)
    again = cells.repeat(side, axis=0).repeat(side, axis=1)[:inside.shape[0], :inside.shape[1]]
    assert not (inside & ~again).any()
    assert cells.sum() <= inside.sum()


@given(silhouettes, st.floats(0, 6))
def test_growing_reaches_whatever_is_that_near(inside, radius):
    grown = masks.grow(inside, radius)
    assert not (inside & ~grown).any()
    if inside.any():
        rows, columns = np.nonzero(inside)
        row, column = np.indices(inside.shape)
        squares = np.min([(row - y) ** 2 + (column - x) ** 2
                          for y, x in zip(rows, columns, strict=True)], axis=0)
        if radius >= 1:
            assert np.array_equal(grown, np.sqrt(squares.astype(np.float32)) <= radius)


@given(silhouettes, st.integers(-9, 50), st.integers(-9, 50))
def test_stretched_over_its_own_size_it_is_the_same_but_inside_the_image(inside, x, y):
    rows, columns = inside.shape
    found = masks.stretch(inside, (x, y, x + columns, y + rows), (40, 40))
    expected = masks.paste([Mask(inside, x, y)], (40, 40))
    assert np.array_equal(masks.paste([found], (40, 40)), expected)
