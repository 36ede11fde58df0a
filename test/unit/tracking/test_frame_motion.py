# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anon_ros.tracking.frame_motion import estimate_shift, is_cut


def view(seed, x, y):
    """Return a thumbnail of a picture, seen x, y px of the thumbnail farther right and down."""
    random = np.random.default_rng(seed)
    picture = np.zeros((288, 512), np.float32)
    for cells in (6, 12, 36):
        noise = random.normal(0, 1, (cells, 2 * cells)).astype(np.float32)
        picture += cv2.resize(noise, (512, 288), interpolation=cv2.INTER_CUBIC)
    left, top = 128 + round(8 * x), 72 + round(8 * y)
    part = np.clip(128 + 30 * picture, 0, 255)[top:top + 144, left:left + 256]
    return cv2.resize(part, (32, 18), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.mark.parametrize('x', [-2, -0.5, 0, 0.125, 1, 3])
@pytest.mark.parametrize('y', [-1, 0, 0.25, 1.5])
def test_finds_a_shift_to_a_tenth_of_a_pixel(x, y):
    found = estimate_shift(view(0, 0, 0), view(0, x, y))
    assert found == pytest.approx((-x, -y), abs=0.15)


def test_flat_pictures_have_no_shift_and_no_cut():
    dark, bright = np.zeros((18, 32), np.uint8), np.full((18, 32), 200, np.uint8)
    assert estimate_shift(dark, bright) == (0.0, 0.0)
    assert not is_cut(dark, bright, (0.0, 0.0), 0.1)


def test_other_pictures_are_a_cut_and_moved_ones_are_not():
    for seed in range(10):
        before, moved, other = view(seed, 0, 0), view(seed, 2, 1), view(seed + 50, 0, 0)
        assert not is_cut(before, moved, estimate_shift(before, moved), 0.1)
        assert is_cut(before, other, estimate_shift(before, other), 0.1)


def test_brighter_light_is_no_cut():
    before = view(3, 0, 0)
    after = np.clip(before * 0.5 + 80, 0, 255).astype(np.uint8)
    assert not is_cut(before, after, (0.0, 0.0), 0.1)


def test_a_lens_that_is_uncovered_is_a_cut():
    dark, busy = np.zeros((18, 32), np.uint8), np.zeros((18, 32), np.uint8)
    busy[:, ::2] = 255
    assert is_cut(dark, busy, (0.0, 0.0), 0.1)


def test_a_drive_has_no_cuts(shared_dir):
    files = sorted((shared_dir / 'data' / 'street' / 'sequence').glob('*.jpg'))
    thumbnails = [cv2.resize(cv2.imread(str(file), 0), (32, 18), interpolation=cv2.INTER_AREA)
                  for file in files]
    for step in (1, 5, 15, 30):
        for before, after in zip(thumbnails, thumbnails[step:], strict=False):
            assert not is_cut(before, after, estimate_shift(before, after), step / 15)
