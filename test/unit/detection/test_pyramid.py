# SPDX-License-Identifier: Apache-2.0
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.core.boxes import non_maximum_suppression
from anon_ros.detection import pyramid
from anon_ros.detection.pyramid import Pass, plan_passes, search, suppress, tiles


class BrightSquares:
    """Finds the white squares of a dark image, each once, and remembers what it was shown."""

    def __init__(self):
        self.sizes_wh = []

    def candidates(self, image_bgr, *_):
        self.sizes_wh.append((image_bgr.shape[1], image_bgr.shape[0]))
        count, _, stats, _ = cv2.connectedComponentsWithStats(image_bgr[..., 0])
        x, y, width, height = stats[1:, :4].T.astype(np.float32)
        boxes = np.stack([x, y, x + width, y + height], axis=1).reshape(-1, 4)
        return boxes, np.full(count - 1, 0.9, np.float32)


def squares(size_wh, *boxes):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for x_min, y_min, x_max, y_max in boxes:
        image[y_min:y_max, x_min:x_max] = 255
    return image


heights_px = st.floats(1, 2000)
scale_lists = st.lists(st.floats(1.3, 8), min_size=0, max_size=3)


@given(height_px=heights_px, finest=st.floats(0.3, 3), steps=scale_lists)
def test_every_size_is_somebodys(height_px, finest, steps):
    scales = [finest]
    for step in steps:
        scales.append(scales[-1] / step)
    passes = plan_passes(scales)
    assert passes[0].least_px == 0
    assert passes[-1].most_px == math.inf
    assert any(look.least_px <= height_px < look.most_px for look in passes)


def test_a_finer_pass_stops_where_a_coarser_one_sees_well():
    fine, coarse = plan_passes((2.0, 1.0))
    assert (fine.scale, fine.least_px) == (2.0, 0)
    assert fine.most_px * coarse.scale == 110
    assert coarse.least_px * coarse.scale == 24


def test_no_pass_is_asked_for_more_than_it_can():
    fine, coarse = plan_passes((2.0, 0.2))
    assert fine.most_px == 200
    assert coarse.least_px == 120


def test_what_is_outside_the_range_of_its_pass_does_not_count():
    image = squares((300, 200), (10, 10, 20, 20), (100, 50, 140, 90), (200, 10, 290, 100))
    boxes, _ = search(BrightSquares(), image, [Pass(1.0, 20, 60)], 0.2)
    np.testing.assert_array_equal(boxes, [[100, 50, 140, 90]])


def test_what_two_passes_see_is_one():
    image = squares((300, 200), (100, 50, 140, 90))
    boxes, scores = search(BrightSquares(), image, [Pass(1.0), Pass(0.5)], 0.2)
    assert boxes.shape == (1, 4)
    assert scores.shape == (1,)


@pytest.mark.parametrize('size_wh', [(0, 0), (0, 10), (10, 0)])
def test_an_image_without_pixels_has_nothing(size_wh):
    boxes, scores = search(BrightSquares(), squares(size_wh), [Pass(1.0)], 0.2)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_candidates_in_the_padding_are_dropped():
    class Padding:
        def candidates(self, *_):
            return (np.array([[30, 5, 40, 15], [-20, 0, 0, 9], [15, 15, 25, 25]], np.float32),
                    np.ones(3, np.float32))

    boxes, _ = search(Padding(), np.zeros((20, 20, 3), np.uint8), [Pass(1.0)], 0.2)
    np.testing.assert_array_equal(boxes, [[15, 15, 25, 25]])


@given(
    width=st.integers(1, 6000), height=st.integers(1, 6000),
    most_px=st.floats(1, 400), x=st.floats(0, 1), y=st.floats(0, 1),
)
def test_each_object_is_whole_in_one_tile(width, height, most_px, x, y):
    look = Pass(1.0, 0, most_px)
    side = min(most_px, width, height)
    left, top = x * (width - side), y * (height - side)
    assert any(
        tile_x <= left + 0.51 and left + side <= tile_x + tile_w + 0.51
        and tile_y <= top + 0.51 and top + side <= tile_y + tile_h + 0.51
        for tile_x, tile_y, tile_w, tile_h in tiles((width, height), look)
    )


def test_tiles_bound_what_is_searched_at_once():
    look = Pass(3.0, 0, 48)
    parts = tiles((3840, 2160), look)
    assert len(parts) > 1
    assert len({part[2:] for part in parts}) == 1
    assert all(width * height * 9 <= pyramid.TILE_PIXELS for _, _, width, height in parts)
    assert sum(part[2] * part[3] for part in parts) < 1.2 * 3840 * 2160


def test_objects_across_tiles_are_found_once_where_they_are():
    true_boxes = [(5, 5, 35, 35), (1900, 1000, 1940, 1040), (3780, 2100, 3830, 2150),
                  (1270, 700, 1310, 740), (2000, 30, 2040, 60)]
    image = squares((3840, 2160), *true_boxes)
    finder = BrightSquares()
    boxes, _ = search(finder, image, [Pass(2.0, 0, 72)], 0.2)
    assert len(finder.sizes_wh) > 1
    whole = {tuple(int(v) for v in box) for box in boxes}
    assert whole >= set(true_boxes)


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_suppression_is_that_of_the_reference(seed, count):
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 40, (count, 2))], 1)
    boxes = boxes.astype(np.float32)
    scores = random.permutation(np.linspace(0.1, 0.9, count)).astype(np.float32)
    expected = non_maximum_suppression(boxes, scores, 0.4)
    np.testing.assert_array_equal(suppress(boxes, scores), expected)
