# SPDX-License-Identifier: Apache-2.0
"""PNG: lossless outside of what is overwritten, in the colour type it came in."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.boxes import Rect
from anon_ros.errors import EncodingError
from anon_ros.media.png import open_png
from anon_ros.media.png_chunks import SIGNATURE, read_chunks

KINDS = {
    'gray1': (0, 1), 'gray2': (0, 2), 'gray4': (0, 4), 'gray8': (0, 8), 'gray16': (0, 16),
    'rgb8': (2, 8), 'rgb16': (2, 16), 'palette': (3, 8), 'palette2': (3, 2), 'la8': (4, 8),
    'la16': (4, 16), 'rgba8': (6, 8), 'rgba16': (6, 16),
}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(name, payload):
    checksum = zlib.crc32(name + payload)
    return struct.pack('>I', len(payload)) + name + payload + struct.pack('>I', checksum)


def png(kind='rgb8', width=21, height=13, before=b'', after=b'', cut=0, size_wh=None):
    colour_type, depth = KINDS[kind]
    rng = np.random.default_rng(3)
    row = (width * CHANNELS[colour_type] * depth + 7) // 8
    rows = [b'\0' + rng.integers(0, 256, row, np.uint8).tobytes() for _ in range(height)]
    raw = b''.join(rows)
    raw = raw[:len(raw) - cut]
    palette = chunk(b'PLTE', rng.integers(0, 256, 3 * (256 if depth == 8 else 4),
                                          np.uint8).tobytes()) if colour_type == 3 else b''
    header = struct.pack('>IIBBBBB', *(size_wh or (width, height)), depth, colour_type, 0, 0, 0)
    return (SIGNATURE + chunk(b'IHDR', header) + palette + before
            + chunk(b'IDAT', zlib.compress(raw)) + after + chunk(b'IEND', b''))


def fill(frame, rect):
    for plane in frame.planes():
        samples = plane.read(rect)
        samples[...] = plane.middle
        plane.write(rect, samples, np.ones(samples.shape[:2], bool))


def decode(data):
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 3 else image[..., None]


@pytest.mark.parametrize('kind', KINDS)
def test_untouched_frame_gives_the_very_bytes(kind):
    data = png(kind)
    frame = open_png(data)
    assert frame.view_bgr().shape == (13, 21, 3)
    frame.planes()[0].read(Rect(0, 0, 3, 3))
    assert frame.encode() is data


@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_pixels_outside_stay(kind, data):
    width, height = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    rect = Rect(x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height)))
    source = png(kind, width, height)
    frame = open_png(source)
    fill(frame, rect)
    old, new = decode(source), decode(frame.encode())
    assert old.dtype == new.dtype
    hole = np.zeros(old.shape[:2], bool)
    hole[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = True
    assert np.array_equal(old[~hole], new[~hole])
    middle = (np.iinfo(new.dtype).max + 1) // 2
    assert (new[hole][:, :3] == middle).all()
    assert new.shape[2] < 4 or (new[hole][:, 3] == np.iinfo(new.dtype).max).all()


@pytest.mark.parametrize('kind', KINDS)
def test_colour_type_and_depth_stay(kind):
    frame = open_png(png(kind))
    fill(frame, Rect(0, 0, 21, 13))
    colour_type, depth = KINDS[kind]
    expected = (2 if colour_type == 3 else colour_type, max(8, depth))
    for data in (frame.encode(), open_png(png(kind)).encode_masked()):
        header = read_chunks(bytes(data))
        assert (header.kind, header.depth) == expected
        assert header.size_wh == (21, 13)


@pytest.mark.parametrize('kind', KINDS)
def test_masked_is_gray(kind):
    view = open_png(open_png(png(kind)).encode_masked()).view_bgr()
    assert view.std() == 0


def test_view_is_what_opencv_decodes():
    data = png('rgb8')
    assert np.array_equal(open_png(data).view_bgr(), decode(data))
    assert not open_png(data).view_bgr().flags.writeable


def test_view_shows_what_was_overwritten():
    frame = open_png(png('rgba8'))
    before = frame.view_bgr()
    fill(frame, Rect(0, 0, 21, 13))
    assert (frame.view_bgr() == 128).all()
    assert not (before == 128).all()


def test_interlaced():
    plain = decode(png('gray8', 8, 8))
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
              (0, 1, 1, 2)]
    raw = b''.join(
        b'\0' + row.tobytes()
        for x, y, step_x, step_y in passes for row in plain[y::step_y, x::step_x, 0]
    )
    header = struct.pack('>IIBBBBB', 8, 8, 8, 0, 0, 0, 1)
    data = (SIGNATURE + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(raw))
            + chunk(b'IEND', b''))
    frame = open_png(data)
    fill(frame, Rect(0, 0, 4, 4))
    new = decode(frame.encode())
    assert np.array_equal(new[4:], plain[4:])
    assert (new[:4, :4] == 128).all()


def test_transparency():
    for kind, key, channels in (('palette', b'\x07\x80', 4), ('rgb8', bytes(6), 4)):
        source = png(kind, before=chunk(b'tRNS', key))
        frame = open_png(source)
        fill(frame, Rect(0, 0, 5, 5))
        old, new = decode(source), decode(frame.encode())
        assert new.shape[2] == channels
        assert np.array_equal(old[5:], new[5:])
    frame = open_png(png('gray4', before=chunk(b'tRNS', b'\0\x0f')))
    fill(frame, Rect(0, 0, 5, 5))
    assert read_chunks(bytes(frame.encode())).transparency == b'\0\xff'


def test_what_says_how_colours_are_meant_stays():
    chunks = [(b'gAMA', b'\0\0\xb1\x8f'), (b'sRGB', b'\0'), (b'pHYs', bytes(9))]
    frame = open_png(png(before=b''.join(chunk(*pair) for pair in chunks)))
    fill(frame, Rect(0, 0, 5, 5))
    assert read_chunks(bytes(frame.encode())).colour_chunks == chunks


@pytest.mark.parametrize(('before', 'after', 'behind'), [
    (chunk(b'tEXt', b'Comment\0secret'), b'', b''), (chunk(b'eXIf', b'secret' * 50), b'', b''),
    (b'', chunk(b'iTXt', b'secret'), b''), (b'', chunk(b'fdAT', b'secret' * 9), b''),
    (chunk(b'acTL', bytes(8)), b'', b''), (b'', b'', b'secret' * 100),
])
def test_other_chunks_go(before, after, behind):
    frame, clean = open_png(png(before=before, after=after) + behind), open_png(png())
    for one in (frame, clean):
        fill(one, Rect(0, 0, 5, 5))
    assert frame.encode() == clean.encode()
    assert frame.encode_masked() == clean.encode_masked()


def test_truncation_is_found():
    data = png()
    for end in range(len(data)):
        with pytest.raises(EncodingError):
            open_png(data[:end])


def test_any_flipped_byte_is_found_or_harmless():
    data = png('gray8', 6, 5)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x5A
        with pytest.raises(EncodingError):
            open_png(bytes(damaged)).planes()


def test_too_few_pixels_are_found():
    for cut in (1, 30, 200):
        with pytest.raises(EncodingError, match='end early'):
            open_png(png(cut=cut)).view_bgr()


def test_too_many_pixels_are_refused_before_decoding():
    with pytest.raises(EncodingError, match='60000 x 60000'):
        open_png(png(size_wh=(60_000, 60_000)), max_pixels=100_000_000)


@pytest.mark.parametrize(('data', 'words'), [
    (b'', 'signature'), (SIGNATURE + chunk(b'IEND', b''), 'begins with'),
    (png(size_wh=(0, 5)), '0 x 5'), (png(before=chunk(b'ABCD', b'')), 'unknown chunk'),
    (png(before=chunk(b'IHDR', bytes(13))), 'two headers'),
    (SIGNATURE + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 3, 2, 0, 0, 0)), '3 bits'),
])
def test_contradictions_are_refused(data, words):
    with pytest.raises(EncodingError, match=words):
        open_png(data)


@pytest.mark.parametrize('kind', ['rgba16', 'la16'])
def test_alpha_does_not_darken_the_view(kind):
    frame = open_png(png(kind, 64, 64))
    colour, alpha = frame.planes()
    whole = Rect(0, 0, 64, 64)
    channels = colour.read(whole).shape[2]
    ramp = np.repeat(np.linspace(0, 1000, 64, dtype=np.float32)[:, None, None], 64, axis=1)
    colour.write(whole, np.repeat(ramp, channels, axis=2), np.ones((64, 64), bool))
    alpha.write(whole, np.full((64, 64, 1), 65535, np.float32), np.ones((64, 64), bool))
    assert frame.view_bgr()[-1].min() > 250
