# SPDX-License-Identifier: Apache-2.0
"""Raw images: every encoding, any size, any step; to the byte outside of what is overwritten."""

import array

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.boxes import Rect
from anon_ros.errors import EncodingError
from anon_ros.media.encodings import ENCODINGS, Family, find_encoding, is_depth
from anon_ros.media.raw import RawImage, open_raw

GENERIC = [
    f'{bits}{kind}C{channels}' for bits, kind in
    ((8, 'U'), (8, 'S'), (16, 'U'), (16, 'S'), (32, 'S'), (32, 'F'), (64, 'F'))
    for channels in (1, 2, 3, 4, 6)
]
ALL = [*ENCODINGS, *GENERIC, '8UC', '32FC']


def length_of(name, width, height, step):
    if name in ('nv12', 'nv21'):
        return step * (height + (height + 1) // 2)
    if name == 'nv24':
        return step * height * 3
    return step * height


def least_step(name, width):
    encoding = find_encoding(name)
    if encoding.family is Family.YUV_SEMI_PLANAR:
        return width + width % 2
    return width * encoding.channels * encoding.sample_bytes


def image_of(name, width, height, padding=0, seed=0, is_bigendian=False):
    step = least_step(name, width) + padding
    rng = np.random.default_rng(seed)
    length = length_of(name, width, height, step)
    rows = rng.integers(0, 256, length, np.uint8)
    encoding = find_encoding(name)
    if encoding.sample[0] == 'f':
        used = width * encoding.channels
        fractions = rng.random((height, used)).astype(encoding.dtype(is_bigendian))
        rows.reshape(height, step)[:, :used * encoding.sample_bytes] = fractions.view(np.uint8)
    raw = rows.tobytes()
    return RawImage(width, height, name, is_bigendian, step, raw)


def fill(frame, rect, value=None):
    """Overwrite the samples that speak for a rectangle; return how many bytes that may touch."""
    for plane in frame.planes():
        part = plane.grid.covering(rect)
        if part.is_empty:
            continue
        samples = plane.read(part)
        samples[...] = plane.middle if value is None else value
        plane.write(part, samples, np.ones(samples.shape[:2], bool))


@pytest.mark.parametrize('name', ALL)
def test_planes_hold_every_sample_once(name):
    """Overwriting all of every plane leaves the padding, and nothing else, as it was."""
    image = image_of(name, 7, 5, padding=9)
    frame = open_raw(image, allow_depth=True)
    sizes = [plane.read(plane.grid.bounds).size for plane in frame.planes()]
    encoding = find_encoding(name)
    if encoding.family is Family.PACKED:
        assert sum(sizes) == 7 * 5 * encoding.channels
    if encoding.family is Family.BAYER:
        assert sum(sizes) == 7 * 5
    fill(frame, Rect(0, 0, 7, 5))
    blank = open_raw(
        RawImage(7, 5, name, False, image.step, bytes(len(image.data))), allow_depth=True
    )
    fill(blank, Rect(0, 0, 7, 5))
    changed = np.frombuffer(frame.encode(), np.uint8) != np.frombuffer(blank.encode(), np.uint8)
    rows = changed.reshape(-1, image.step)
    if encoding.family is not Family.YUV_SEMI_PLANAR:
        used = least_step(name, 7)
        assert not rows[:, :used].any()
        assert rows[:, used:].any()


@pytest.mark.parametrize('name', ALL)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_bytes_outside_stay(name, data):
    width, height = data.draw(st.integers(1, 19)), data.draw(st.integers(1, 19))
    padding, bigendian = data.draw(st.integers(0, 3)) * 2, data.draw(st.booleans())
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    rect = Rect(x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height)))
    image = image_of(name, width, height, padding, 1, bigendian)
    frame = open_raw(image, allow_depth=True)
    before = [plane.read(plane.grid.bounds) for plane in frame.planes()]
    fill(frame, rect)
    out = RawImage(width, height, name, bigendian, image.step, frame.encode())
    again = open_raw(out, allow_depth=True).planes()
    for old, plane in zip(before, again, strict=True):
        part = plane.grid.covering(rect)
        inside = np.zeros(old.shape[:2], bool)
        inside[part.y_min:part.y_max, part.x_min:part.x_max] = True
        new = plane.read(plane.grid.bounds)
        assert np.array_equal(new[~inside], old[~inside], equal_nan=True)
        assert (new[inside] == plane.middle).all()
    touched = np.frombuffer(image.data, np.uint8) != np.frombuffer(out.data, np.uint8)
    assert touched.sum() <= sum(
        max(0, part.width) * max(0, part.height) * old.shape[2]
        * find_encoding(name).sample_bytes
        for old, part in ((o, p.grid.covering(rect)) for o, p in zip(before, again, strict=True))
    )


@pytest.mark.parametrize('name', ALL)
@settings(max_examples=10, deadline=None)
@given(width=st.integers(1, 12), height=st.integers(1, 12), bigendian=st.booleans())
def test_view_is_bgr_of_the_same_size(name, width, height, bigendian):
    image = image_of(name, width, height, 2, 2, bigendian)
    view = open_raw(image, allow_depth=True).view_bgr()
    assert view.shape == (height, width, 3)
    assert view.dtype == np.uint8
    assert not view.flags.writeable


def test_untouched_frame_gives_the_very_bytes():
    image = image_of('bgr8', 8, 6)
    frame = open_raw(image)
    frame.view_bgr()
    assert frame.encode() is image.data


@pytest.mark.parametrize('name', ALL)
def test_masked_shows_nothing(name):
    one = open_raw(image_of(name, 7, 5, 4, seed=1), allow_depth=True).encode_masked()
    two = open_raw(image_of(name, 7, 5, 4, seed=2), allow_depth=True).encode_masked()
    assert bytes(one) == bytes(two)
    assert len(one) == len(image_of(name, 7, 5, 4).data)


def test_view_shows_what_was_overwritten():
    frame = open_raw(image_of('mono8', 8, 8))
    fill(frame, Rect(0, 0, 8, 8))
    assert (frame.view_bgr() == 128).all()


def test_alpha_stays_opaque_in_a_hole():
    frame = open_raw(image_of('rgba8', 4, 4))
    fill(frame, Rect(0, 0, 4, 4))
    pixels = np.frombuffer(frame.encode(), np.uint8).reshape(4, 4, 4)
    assert (pixels[..., :3] == 128).all()
    assert (pixels[..., 3] == 255).all()


@pytest.mark.parametrize(('name', 'pixel'), [
    ('bgr8', [10, 100, 200]), ('rgb8', [200, 100, 10]), ('bgra8', [10, 100, 200, 5]),
    ('rgba8', [200, 100, 10, 5]), ('8UC3', [10, 100, 200]), ('8UC4', [10, 100, 200, 5]),
])
def test_view_of_packed_colour(name, pixel):
    data = np.tile(np.array(pixel, np.uint8), (4, 4, 1))
    view = open_raw(RawImage(4, 4, name, False, 4 * len(pixel), data.tobytes())).view_bgr()
    assert (view == [10, 100, 200]).all()


@pytest.mark.parametrize('pattern', ['RGGB', 'BGGR', 'GBRG', 'GRBG'])
@pytest.mark.parametrize('bits', [8, 16])
def test_view_of_a_mosaic_has_its_colours(pattern, bits):
    colour = {'R': 240, 'G': 120, 'B': 10}
    tile = np.array([colour[letter] for letter in pattern]).reshape(2, 2)
    data = (np.tile(tile, (8, 8)) << (bits - 8)).astype(f'u{bits // 8}')
    name = f'bayer_{pattern.lower()}{bits}'
    view = open_raw(RawImage(16, 16, name, False, 2 * bits, data.tobytes())).view_bgr()
    blue, green, red = view[4:12, 4:12].reshape(-1, 3).mean(axis=0)
    assert red > green > blue


@pytest.mark.parametrize('name', ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21', 'nv24'])
@pytest.mark.parametrize('width', [16, 15])
def test_view_of_yuv_has_its_colours(name, width):
    """A red picture comes out red: Y 81, U 90, V 240 in BT.601."""
    height = 15
    y, u, v = 81, 90, 240
    pairs = (width + 1) // 2
    four = {'uyvy': [u, y, v, y], 'yuv422': [u, y, v, y],
            'yuyv': [y, u, y, v], 'yuv422_yuy2': [y, u, y, v]}
    if name in four:
        data = np.tile(np.array(four[name], np.uint8), (height, pairs)).tobytes()
        image = RawImage(width, height, name, False, 4 * pairs, data)
    else:
        count = height * width if name == 'nv24' else pairs * ((height + 1) // 2)
        pair = [v, u] if name == 'nv21' else [u, v]
        data = bytes([y]) * (width * height) + bytes(pair) * count
        image = RawImage(width, height, name, False, width, data)
    blue, green, red = open_raw(image).view_bgr()[:, :].reshape(-1, 3).mean(axis=0)
    assert red > 180
    assert blue < 60
    assert green < 60


@pytest.mark.parametrize('bigendian', [False, True])
def test_twelve_bit_cameras_are_stretched(bigendian):
    ramp = np.linspace(100, 4000, 64 * 64).reshape(64, 64)
    data = ramp.astype('>u2' if bigendian else '<u2').tobytes()
    view = open_raw(RawImage(64, 64, 'mono16', bigendian, 128, data)).view_bgr()
    assert view.min() == 0
    assert view.max() == 255
    assert (np.diff(view[..., 0].astype(int).ravel()) >= 0).all()


def test_not_a_number_does_not_reach_the_view():
    data = np.full((4, 4, 3), np.nan, '<f4')
    data[0, 0] = np.inf
    data[1, 1] = 1.0
    view = open_raw(RawImage(4, 4, '32FC3', False, 48, data.tobytes())).view_bgr()
    assert view.dtype == np.uint8


def test_sixteen_bit_write_keeps_the_byte_order():
    data = np.full((2, 2), 0x0102, '>u2').tobytes()
    frame = open_raw(RawImage(2, 2, 'mono16', True, 4, data))
    plane = frame.planes()[0]
    assert (plane.read(plane.grid.bounds) == 0x0102).all()
    fill(frame, Rect(0, 0, 1, 1), value=0x0304)
    assert bytes(frame.encode()) == b'\x03\x04' + data[2:]


def test_memoryview_in():
    image = image_of('bgr8', 5, 4)
    view = memoryview(image.data)
    frame = open_raw(RawImage(5, 4, 'bgr8', False, image.step, view))
    fill(frame, Rect(0, 0, 2, 2))
    assert bytes(frame.encode()) != image.data
    assert frame.view_bgr().shape == (4, 5, 3)


@pytest.mark.parametrize('name', ['16UC1', '32FC1', '64FC1', '16SC1', '32SC1', '32FC', '8SC1'])
def test_depth_is_refused_unless_asked_for(name):
    image = image_of(name, 4, 4)
    assert is_depth(name)
    with pytest.raises(EncodingError, match='depth'):
        open_raw(image)
    assert open_raw(image, allow_depth=True).size_wh == (4, 4)


@pytest.mark.parametrize('name', ['mono8', 'mono16', '8UC1', '16UC3', 'bgr8', 'nv12'])
def test_images_are_no_depth(name):
    assert not is_depth(name)


@pytest.mark.parametrize('name', ['', 'jpeg', 'BGR8', '8UC0', '8UC1000', '9UC1', '8FC1', 'rgb 8'])
def test_unknown_encodings_are_refused(name):
    with pytest.raises(EncodingError, match='unknown'):
        open_raw(RawImage(4, 4, name, False, 12, bytes(48)))


@pytest.mark.parametrize(('changes', 'words'), [
    ({'width': 0}, '0 x 4'), ({'height': 0}, '4 x 0'), ({'height': -1}, '4 x -1'),
    ({'step': 11}, 'need 12 bytes'), ({'data': bytes(47)}, '47'), ({'data': bytes(49)}, '49'),
    ({'data': b''}, ' 0'), ({'width': 60_000, 'height': 60_000}, '1000 px allowed'),
])
def test_contradictions_are_refused_with_the_numbers(changes, words):
    fields = {'width': 4, 'height': 4, 'encoding': 'bgr8', 'is_bigendian': False, 'step': 12,
              'data': bytes(48)}
    with pytest.raises(EncodingError, match=words):
        open_raw(RawImage(**{**fields, **changes}), max_pixels=1000)


@pytest.mark.parametrize(('name', 'step', 'length'), [
    ('nv12', 4, 23), ('nv12', 3, 24), ('nv24', 4, 32), ('nv12', 4, 25), ('nv24', 8, 100),
])
def test_semi_planar_contradictions_are_refused(name, step, length):
    with pytest.raises(EncodingError, match=str(step)):
        open_raw(RawImage(4, 4, name, False, step, bytes(length)))


def test_view_needs_no_copy_of_bgr8():
    data = bytearray(image_of('bgr8', 6, 4).data)
    frame = open_raw(RawImage(6, 4, 'bgr8', False, 18, memoryview(data)))
    view = frame.view_bgr()
    data[0] ^= 255
    assert view[0, 0, 0] == data[0]
    assert cv2.cvtColor(view, cv2.COLOR_BGR2GRAY).shape == (4, 6)


def test_the_largest_integers_do_not_wrap():
    frame = open_raw(image_of('32SC3', 2, 2))
    fill(frame, Rect(0, 0, 1, 1), value=3e9)
    fill(frame, Rect(1, 0, 2, 1), value=-3e9)
    pixels = np.frombuffer(frame.encode(), '<i4').reshape(2, 2, 3)
    assert (pixels[0, 0] == 2**31 - 1).all()
    assert (pixels[0, 1] == -2**31).all()


@pytest.mark.parametrize('size_wh', [(1, 4), (4, 1), (2, 2), (1, 1)])
def test_tiny_sixteen_bit_images_have_a_view(size_wh):
    width, height = size_wh
    data = np.arange(width * height, dtype='<u2').tobytes()
    view = open_raw(RawImage(width, height, 'mono16', False, 2 * width, data)).view_bgr()
    assert view.shape == (height, width, 3)
    assert view.max() == (255 if width * height > 1 else 0)


def test_message_data_may_be_an_array():
    """What rosbags and rclpy hand out: numpy arrays and array.array of bytes."""
    image = image_of('bgr8', 5, 4)
    for data in (np.frombuffer(image.data, np.uint8), array.array('B', image.data)):
        frame = open_raw(RawImage(5, 4, 'bgr8', False, image.step, data))
        assert np.array_equal(frame.view_bgr(), open_raw(image).view_bgr())
        fill(frame, Rect(0, 0, 2, 2))
        assert bytes(frame.encode())[6:15] == image.data[6:15]


@pytest.mark.parametrize('name', ['rgba16', 'bgra16', '16UC4'])
def test_alpha_does_not_darken_the_view(name):
    data = np.full((64, 64, 4), 65535, '<u2')
    data[..., :3] = np.linspace(0, 1000, 64)[:, None, None]
    view = open_raw(RawImage(64, 64, name, False, 512, data.tobytes())).view_bgr()
    assert view[-1].min() > 250
    assert view[0].max() < 5
