# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from anon_ros.detection.letterbox import to_multiple


def image_of(height, width):
    return np.random.default_rng(0).integers(1, 255, (height, width, 3), np.uint8)


@pytest.mark.parametrize(('size', 'scale', 'expected'), [
    ((64, 96), 1.0, (64, 96)), ((65, 96), 1.0, (96, 96)), ((1, 1), 1.0, (32, 32)),
    ((1, 1), 0.125, (32, 32)), ((100, 50), 0.5, (64, 32)), ((1080, 1920), 1.0, (1088, 1920)),
    ((20, 3000), 0.5, (32, 1504)),
])
def test_sides_become_multiples(size, scale, expected):
    assert to_multiple(image_of(*size), scale, 32).shape == (1, *expected, 3)


def test_what_is_added_is_black_and_the_rest_is_the_image():
    image = image_of(33, 40)
    padded = to_multiple(image, 1.0, 32)
    np.testing.assert_array_equal(padded[0, :33, :40], image)
    assert not padded[0, 33:].any()
    assert not padded[0, :, 40:].any()


def test_an_image_that_fits_is_not_copied():
    image = image_of(32, 64)
    assert np.shares_memory(to_multiple(image, 1.0, 32), image)


def test_a_scaled_image_lies_at_the_upper_left():
    image = np.full((40, 60, 3), 200, np.uint8)
    padded = to_multiple(image, 2.0, 32)
    assert (padded[0, :80, :120] == 200).all()
    assert padded.sum() == 200 * 80 * 120 * 3


def test_the_image_is_never_written_to():
    image = image_of(50, 50)
    image.flags.writeable = False
    to_multiple(image, 1.0, 32)
    to_multiple(image, 0.7, 32)
