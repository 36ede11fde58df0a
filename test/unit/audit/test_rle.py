# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.audit import rle
from anon_ros.core.regions import Mask


def whole_image(mask, size_wh):
    image = np.zeros(size_wh[::-1], np.bool_)
    for (row, column), value in np.ndenumerate(mask.inside):
        y, x = row + mask.y, column + mask.x
        if value and 0 <= x < size_wh[0] and 0 <= y < size_wh[1]:
            image[y, x] = True
    return image


def slow_encode(image):
    """Follow the format's description step by step."""
    lengths, last = [0], False
    for value in image.T.ravel().tolist():
        if value != last:
            lengths.append(0)
            last = value
        lengths[-1] += 1
    text = ''
    for i, length in enumerate(lengths):
        value = length - (lengths[i - 2] if i > 2 else 0)
        while True:
            five, value = value & 31, value >> 5
            is_last = value == (-1 if five & 16 else 0)
            text += chr(48 + five + (0 if is_last else 32))
            if is_last:
                break
    return text


@st.composite
def masks(draw):
    size_wh = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    shape = draw(st.tuples(st.integers(0, 14), st.integers(0, 14)))
    bits = draw(st.lists(st.booleans(), min_size=shape[0] * shape[1],
                         max_size=shape[0] * shape[1]))
    if draw(st.booleans()):
        bits = [True] * len(bits)
    inside = np.array(bits, np.bool_).reshape(shape)
    return Mask(inside, draw(st.integers(-15, 15)), draw(st.integers(-15, 15))), size_wh


@settings(max_examples=300, deadline=None)
@given(masks())
def test_is_what_the_slow_reference_writes_and_comes_back(case):
    mask, size_wh = case
    image = whole_image(mask, size_wh)
    text = rle.encode(mask, size_wh)
    assert text == slow_encode(image)
    back = rle.decode(text, size_wh)
    if back is None:
        assert not image.any()
    else:
        assert np.array_equal(whole_image(back, size_wh), image)
        assert back.inside.any(axis=0)[[0, -1]].all()
        assert back.x >= 0
        assert back.y >= 0


def test_is_what_coco_tools_write():
    image = np.zeros((100, 40), np.bool_)
    image[7:93, 10:20] = True
    image[50:60, 3:38] = True
    # Written by pycocotools 2.0 for this silhouette.
    expected = r'n::j200000000000eN\2oN00000000000000000[1dMQ1' + '0' * 33 + 'f4'
    assert rle.encode(Mask(image, 0, 0), (40, 100)) == expected


def test_a_large_mask_is_exact():
    rng = np.random.default_rng(0)
    mask = Mask(rng.random((300, 200)) > 0.5, 1700, 900)
    back = rle.decode(rle.encode(mask, (1920, 1080)), (1920, 1080))
    assert np.array_equal(whole_image(back, (1920, 1080)), whole_image(mask, (1920, 1080)))


@pytest.mark.parametrize('text', [
    '', 'é', '\x00', '~~', 'P', '3', '333' + '3', 'o' * 30 + '0', 'O12', 'Pé3',
])
def test_refuses_a_damaged_text(text):
    with pytest.raises(ValueError, match='run lengths'):
        rle.decode(text, (3, 3))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=[chr(c) for c in range(48, 112)], max_size=12))
def test_any_text_gives_a_mask_inside_the_image_or_a_value_error(text):
    try:
        mask = rle.decode(text, (5, 4))
    except ValueError:
        return
    if mask is not None:
        assert mask.x + mask.inside.shape[1] <= 5
        assert mask.y + mask.inside.shape[0] <= 4
