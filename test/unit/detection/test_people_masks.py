# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from anon_ros.core import masks
from anon_ros.detection.people_masks import to_mask

SIZE_WH = (200, 160)


def disc(side=28, share=0.8):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return (np.hypot(x, y) <= side / 2 * share).astype(np.float32)


def hidden(mask):
    return masks.paste([mask], SIZE_WH)


def box(*edges):
    return np.array(edges, np.float32)


def test_a_full_square_covers_its_box():
    mask = to_mask(np.ones((28, 28), np.float32), box(20.5, 30, 76.2, 114), SIZE_WH, 0.5)
    whole = hidden(mask)
    assert whole[31:113, 21:76].all()
    assert not whole[:26].any()
    assert not whole[:, 82:].any()


def test_a_silhouette_lies_where_it_is_drawn():
    probabilities = np.zeros((28, 28), np.float32)
    probabilities[:14, :] = 1
    whole = hidden(to_mask(probabilities, box(20, 30, 76, 142), SIZE_WH, 0.5))
    assert whole[32:85, 22:74].all()
    assert not whole[91:].any()


def test_it_is_never_smaller_than_what_passes():
    drawn = hidden(to_mask(disc(), box(40, 40, 96, 96), SIZE_WH, 0.5))
    y, x = np.mgrid[:160, :200] + 0.5
    assert drawn[np.hypot(x - 68, y - 68) <= 28 * 0.8 - 1].all()


def test_holes_are_closed():
    probabilities = disc()
    probabilities[12:16, 12:16] = 0
    assert hidden(to_mask(probabilities, box(40, 40, 96, 96), SIZE_WH, 0.5))[60:76, 60:76].all()


@pytest.mark.parametrize('probabilities', [
    np.zeros((28, 28), np.float32), np.full((28, 28), 0.49, np.float32), disc(share=0.4),
])
def test_a_mask_that_hardly_fills_its_box_is_not_believed(probabilities):
    assert to_mask(probabilities, box(40, 40, 96, 96), SIZE_WH, 0.5) is None


def test_a_lower_threshold_hides_more():
    y, _ = np.mgrid[:28, :28]
    fading = (1 - y / 27).astype(np.float32)
    many = to_mask(fading, box(40, 40, 96, 96), SIZE_WH, 0.2)
    few = to_mask(fading, box(40, 40, 96, 96), SIZE_WH, 0.5)
    assert hidden(many).sum() > hidden(few).sum()


@pytest.mark.parametrize('edges', [(-30, -20, 40, 60), (150, 100, 260, 300)])
def test_boxes_partly_off_the_image_are_covered_in_it(edges):
    mask = to_mask(np.ones((28, 28), np.float32), box(*edges), SIZE_WH, 0.5)
    x_min, y_min, x_max, y_max = np.clip(edges, 0, [200, 160, 200, 160])
    assert hidden(mask)[y_min:y_max, x_min:x_max].all()


@pytest.mark.parametrize('edges', [(300, 300, 400, 400), (50, 50, 50, 90), (50, 50, 40, 90)])
def test_boxes_off_the_image_or_without_area_have_no_mask(edges):
    assert to_mask(np.ones((28, 28), np.float32), box(*edges), SIZE_WH, 0.5) is None
