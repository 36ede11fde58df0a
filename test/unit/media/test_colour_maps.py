# SPDX-License-Identifier: Apache-2.0
"""What is painted into the stored samples is what a detector sees of them, for every encoding."""

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.boxes import Rect
from anon_ros.core.colours import paint_bgr, read_bgr
from anon_ros.media.compressed import open_compressed
from anon_ros.media.encodings import ENCODINGS, Family, find_encoding
from anon_ros.media.raw import RawImage, open_raw
from anon_ros.media.video_frame import FORMATS, VideoPicture

SIZE_WH = (48, 40)
WHOLE = Rect(0, 0, *SIZE_WH)
GENERIC = ['8UC1', '8UC3', '8UC4', '8UC6', '16UC3', '8SC3', '16SC4', '32SC3', '32FC3', '64FC4']
GRAY = {'mono8', 'mono16', '8UC1', 'gray', 'gray10le'}


def smooth(seed, *, is_gray=False):
    """Return a picture without detail: what subsampling cannot keep is not at issue here."""
    cells = np.random.default_rng(seed).integers(60, 180, (2, 2, 3)).astype(np.float32)
    if is_gray:
        cells[...] = cells[..., :1]
    return cv2.resize(cells, SIZE_WH, interpolation=cv2.INTER_LINEAR)


def paint(frame, patch, rect=WHOLE):
    for plane, colours in zip(frame.planes(), frame.colour_maps(), strict=True):
        if colours is not None:
            part = plane.grid.covering(rect)
            inside = np.ones((part.height, part.width), bool)
            paint_bgr(plane, colours, part, inside, patch, rect)


def check(frame, name, *, tolerance):
    """Paint the middle of a smooth picture, and look at it in both ways."""
    around, whole = (smooth(seed, is_gray=name in GRAY) for seed in (1, 2))
    # Twice: the first time spreads the values of wide samples anew.
    paint(frame, around)
    paint(frame, around)
    rect, patch = Rect(10, 12, 34, 30), whole[12:30, 10:34]
    paint(frame, patch, rect)
    expected = around.copy()
    expected[12:30, 10:34] = patch
    seen = frame.view_bgr().astype(np.float32)
    read = read_bgr(frame.planes(), frame.colour_maps(), WHOLE)
    # Where the picture changes abruptly, subsampled colours are shared.
    inner = np.s_[14:28, 12:32]
    assert np.abs(seen - expected)[inner].max() <= tolerance
    assert np.abs(read - seen)[inner].max() <= tolerance
    assert np.abs(read - seen).mean() <= tolerance / 2


def blank_raw(name, size_wh=SIZE_WH, value=0):
    encoding = find_encoding(name)
    width, height = size_wh
    step = width * encoding.channels * encoding.sample_bytes
    rows = height
    if encoding.family is Family.YUV_SEMI_PLANAR:
        step = width + width % 2
        rows = 3 * height if name == 'nv24' else height + (height + 1) // 2
    return RawImage(width, height, name, False, step, bytes([value]) * (step * rows))


@pytest.mark.parametrize('name', [*ENCODINGS, *GENERIC])
def test_raw_images_show_what_was_painted(name):
    encoding = find_encoding(name)
    is_wide = encoding.sample != 'u1'
    # Wide samples are spread by the whole image: painting changes that a little.
    tolerance = 9 if is_wide else 6
    frame = open_raw(blank_raw(name))
    check(frame, name, tolerance=tolerance)


@pytest.mark.parametrize('name', ['16UC1', '32FC1', '8UC2', '16SC2'])
def test_distances_and_unknown_channels_are_no_colours(name):
    frame = open_raw(blank_raw(name), allow_depth=True)
    assert frame.colour_maps() == [None] * len(frame.planes())


@pytest.mark.parametrize('name', ['rgba8', 'bgra16'])
def test_alpha_is_no_colour(name):
    assert [each is None for each in open_raw(blank_raw(name)).colour_maps()] == [False, True]


def test_channels_without_a_colour_keep_what_they_hold():
    frame = open_raw(blank_raw('8UC6', value=9))
    paint(frame, smooth(1))
    pixels = np.frombuffer(frame.encode(), np.uint8).reshape(*SIZE_WH[::-1], 6)
    assert (pixels[..., 3:] == 9).all()
    assert np.abs(pixels[..., :3] - smooth(1)).max() <= 0.5


@pytest.mark.parametrize('make', [
    lambda image: cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1],
    lambda image: cv2.imencode('.jpg', image[..., 0], [cv2.IMWRITE_JPEG_QUALITY, 100])[1],
    lambda image: cv2.imencode('.jpg', image, [
        cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111])[1],
    lambda image: cv2.imencode('.png', image)[1],
    lambda image: cv2.imencode('.png', image[..., 0])[1],
    lambda image: cv2.imencode('.png', image.astype(np.uint16) * 257)[1],
    lambda image: cv2.imencode('.png', np.dstack([image, image[..., :1]]))[1],
], ids=['jpeg', 'gray jpeg', 'jpeg 444', 'png', 'gray png', 'png 16', 'png with alpha'])
def test_compressed_images_show_what_was_painted(make, request):
    frame = open_compressed(make(smooth(0).astype(np.uint8)).tobytes())
    name = 'mono8' if 'gray' in request.node.callspec.id else ''
    check(frame, name, tolerance=9 if '16' in request.node.callspec.id else 6)


@pytest.mark.parametrize('pixel_format', FORMATS)
@pytest.mark.parametrize('colorspace', [1, 2, 5, 6, 7, 9])
@pytest.mark.parametrize('color_range', [0, 1, 2])
def test_videos_show_what_was_painted(pixel_format, colorspace, color_range):
    picture = av.VideoFrame(*SIZE_WH, pixel_format)
    picture.colorspace, picture.color_range = colorspace, color_range
    check(VideoPicture(picture, 'h264'), pixel_format, tolerance=6)


@pytest.mark.parametrize('name', ['bgr8', 'mono8', 'bayer_rggb8', 'uyvy', 'nv12', 'nv24', 'rgb16'])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_size_and_place(name, data):
    width, height = data.draw(st.integers(1, 19)), data.draw(st.integers(1, 19))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    rect = Rect(x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height)))
    frame = open_raw(blank_raw(name, (width, height), value=100))
    paint(frame, np.full((rect.height, rect.width, 3), 100, np.float32), rect)
    read = read_bgr(frame.planes(), frame.colour_maps(), rect)
    assert read.shape == (rect.height, rect.width, 3)
    assert np.isfinite(read).all()
    if name in {'bgr8', 'mono8', 'nv24'}:
        assert np.abs(read - 100).max() <= 2
