# SPDX-License-Identifier: Apache-2.0
"""JPEG: blocks that nobody wrote to keep their coefficients; holes take nothing from within."""

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import jpeg_samples
import jpeglib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.boxes import Rect
from anon_ros.errors import EncodingError
from anon_ros.media.jpeg import open_jpeg
from anon_ros.media.jpeg_header import read_header
from anon_ros.media.jpeg_library import read_coefficients, write_coefficients

KINDS = jpeg_samples.kinds()


def coefficients(data):
    header = read_header(bytes(data))
    return read_coefficients(header.stream, [header.blocks_wh(c) for c in header.components])


def fill(frame, rect, value=None):
    for plane in frame.planes():
        part = plane.grid.covering(rect)
        samples = plane.read(part)
        samples[...] = plane.middle if value is None else value
        plane.write(part, samples, np.ones(samples.shape[:2], bool))


def touched_blocks(plane, rect):
    """The blocks of a plane in which a sample speaks for a pixel of a rectangle."""
    part = plane.grid.covering(rect)
    down, across = (-(-size // 8) for size in plane.grid.size_wh[::-1])
    touched = np.zeros((down, across), bool)
    touched[part.y_min // 8:-(-part.y_max // 8), part.x_min // 8:-(-part.x_max // 8)] = True
    return touched


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize('kind', KINDS)
def test_untouched_frame_gives_the_very_bytes(kind):
    frame = open_jpeg(KINDS[kind])
    for plane in frame.planes():
        plane.read(plane.grid.bounds)
    assert frame.encode() is KINDS[kind]


@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_untouched_blocks_keep_their_coefficients(kind, data):
    frame = open_jpeg(KINDS[kind])
    width, height = frame.size_wh
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    rect = Rect(x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height)))
    fill(frame, rect, value=40.0)
    before, after = coefficients(KINDS[kind]), coefficients(frame.encode())
    for plane, old, new in zip(frame.planes(), before, after, strict=True):
        touched = touched_blocks(plane, rect)
        assert np.array_equal(old[~touched], new[~touched])


@pytest.mark.parametrize('sampling', jpeg_samples.SAMPLINGS)
@settings(max_examples=12, deadline=None)
@given(width=st.integers(1, 40), height=st.integers(1, 40))
def test_every_size(sampling, width, height):
    data = jpeg_samples.jpeg(width, height, sampling)
    frame = open_jpeg(data)
    corner = Rect(width - 1, height - 1, width, height)
    fill(frame, corner, value=250.0)
    out = bytes(frame.encode())
    assert decode(out).shape == (height, width, 3)
    for plane, old, new in zip(
        frame.planes(), coefficients(data), coefficients(out), strict=True
    ):
        touched = touched_blocks(plane, corner)
        assert np.array_equal(old[~touched], new[~touched])


@pytest.mark.parametrize('kind', ['444', '420', 'progressive', 'restarts', 'gray'])
def test_an_independent_reader_sees_the_same(kind, tmp_path):
    """The library's own Python side reads equal coefficients outside, and our tables."""
    frame = open_jpeg(KINDS[kind])
    rect = Rect(16, 16, 32, 32)
    fill(frame, rect)
    (tmp_path / 'old.jpg').write_bytes(KINDS[kind])
    (tmp_path / 'new.jpg').write_bytes(frame.encode())
    old, new = (jpeglib.read_dct(str(tmp_path / f'{name}.jpg')) for name in ('old', 'new'))
    assert np.array_equal(old.qt, new.qt)
    outside = ~touched_blocks(frame.planes()[0], rect)
    assert np.array_equal(old.Y[outside], new.Y[outside])
    assert not np.array_equal(old.Y, new.Y)


@pytest.mark.parametrize('kind', ['444', '420', '411', 'gray', 'progressive', 'restarts'])
def test_planes_read_what_a_decoder_shows(kind):
    plane = open_jpeg(KINDS[kind]).planes()[0]
    luma = cv2.imdecode(np.frombuffer(KINDS[kind], np.uint8), cv2.IMREAD_GRAYSCALE)
    for rect in (plane.grid.bounds, Rect(3, 5, 30, 29), Rect(60, 44, 61, 45)):
        part = luma[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        assert np.abs(plane.read(rect)[..., 0] - part).max() <= 1.0


@pytest.mark.parametrize('kind', KINDS)
def test_a_hole_shows_what_was_written(kind):
    frame = open_jpeg(KINDS[kind])
    rect = Rect(9, 7, 45, 39)
    fill(frame, rect)
    again = open_jpeg(frame.encode())
    for plane in again.planes():
        samples = plane.read(plane.grid.covering(rect))
        # Blocks at the rim also hold what lies outside, so quantization shows in the hole.
        assert np.abs(samples - plane.middle).max() < 40
        assert np.abs(samples - plane.middle).mean() < 3


def test_overlapping_holes_read_what_the_last_one_wrote():
    frame = open_jpeg(KINDS['420'])
    fill(frame, Rect(4, 4, 40, 40), value=60.0)
    fill(frame, Rect(20, 20, 56, 44), value=200.0)
    plane = frame.planes()[0]
    assert abs(plane.read(Rect(24, 24, 40, 40)).mean() - 200) < 3
    assert abs(plane.read(Rect(8, 8, 16, 40)).mean() - 60) < 3


@pytest.mark.parametrize('sampling', ['444', '420', '422'])
@pytest.mark.parametrize('rect', [Rect(16, 16, 48, 32), Rect(48, 32, 61, 45), Rect(0, 0, 61, 45)])
def test_the_hole_is_no_input(sampling, rect):
    """Two images that differ only in the hole's blocks become one, to the byte."""
    results = []
    original = KINDS[sampling]
    for seed in (1, 2):
        frame = open_jpeg(original)
        for plane in frame.planes():
            part = plane.grid.covering(rect)
            noise = np.random.default_rng(seed).integers(0, 256, (part.height, part.width, 1))
            plane.write(part, noise.astype(np.float32), np.ones(noise.shape[:2], bool))
        other = open_jpeg(frame.encode())
        assert not np.array_equal(decode(frame.encode()), decode(original))
        fill(other, rect, value=99.0)
        results.append(bytes(other.encode()))
    assert results[0] == results[1]


def test_padding_beyond_the_edge_is_overwritten():
    """The last blocks reach beyond the image; an encoder repeats the edge's pixels there."""
    data = jpeg_samples.jpeg(61, 45, '444')
    frame = open_jpeg(data)
    fill(frame, Rect(56, 40, 61, 45), value=128.0)
    for plane in coefficients(frame.encode()):
        assert not plane[-1, -1].any()


def test_a_partly_covered_block_keeps_its_other_samples():
    data = jpeg_samples.jpeg(64, 64, '444')
    frame = open_jpeg(data)
    before = frame.planes()[0].read(Rect(0, 0, 64, 64))
    fill(frame, Rect(20, 20, 44, 44))
    after = frame.planes()[0].read(Rect(0, 0, 64, 64))
    ring = np.ones((64, 64), bool)
    ring[20:44, 20:44] = False
    assert np.abs(before - after)[ring].mean() < 2


def test_what_is_written_twice_is_rounded_once():
    """What stands in a hole for a while leaves no trace beside it."""
    image = np.random.default_rng(3).integers(60, 190, (48, 48, 3), np.uint8)
    data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1].tobytes()
    frames = [open_jpeg(data) for _ in range(2)]
    fill(frames[0], Rect(5, 5, 27, 30), 255)
    fill(frames[0], Rect(9, 9, 20, 40), 0)
    for frame in frames:
        fill(frame, Rect(5, 5, 27, 30), 90)
        fill(frame, Rect(9, 9, 20, 40), 130)
    assert frames[0].encode() == frames[1].encode()


def test_only_inside_is_written():
    frame = open_jpeg(KINDS['444'])
    plane = frame.planes()[0]
    rect = Rect(0, 0, 32, 32)
    before = plane.read(rect)
    inside = np.zeros((32, 32), bool)
    plane.write(rect, before + 50, inside)
    assert frame.encode() is KINDS['444']
    inside[16:24, 8:16] = True
    plane.write(rect, np.full_like(before, 255), inside)
    changed = np.abs(plane.read(rect) - before)[..., 0] > 0
    assert not changed[~inside].any()
    assert (plane.read(rect)[inside] > 253).all()


@pytest.mark.parametrize('kind', KINDS)
def test_masked_is_gray_and_of_one_form(kind):
    masked = bytes(open_jpeg(KINDS[kind]).encode_masked())
    old, new = read_header(KINDS[kind]), read_header(masked)
    assert (old.size_wh, old.components) == (new.size_wh, new.components)
    view = open_jpeg(masked).view_bgr()
    assert view.std(axis=(0, 1)).max() == 0
    if kind != 'cmyk':
        assert (view == 128).all()


def test_masked_needs_no_pixels():
    """An image whose pixels cannot be decoded is masked all the same."""
    data = bytearray(jpeg_samples.jpeg(64, 64))
    start = data.index(b'\xff\xda') + 14
    data[start:-2] = bytes(len(data) - 2 - start)
    assert (open_jpeg(open_jpeg(bytes(data)).encode_masked()).view_bgr() == 128).all()


@pytest.mark.parametrize('kind', KINDS)
def test_view_is_what_opencv_decodes(kind):
    view = open_jpeg(KINDS[kind]).view_bgr()
    assert np.array_equal(view, decode(KINDS[kind]))
    assert not view.flags.writeable


@pytest.mark.parametrize('reduction', [1, 2, 4, 8])
def test_reduced_views(reduction):
    frame = open_jpeg(KINDS['420'])
    view = frame.view_bgr_reduced(reduction)
    assert view.shape == (-(-45 // reduction), -(-61 // reduction), 3)
    assert abs(view.mean() - frame.view_bgr().mean()) < 4


def test_view_shows_what_was_overwritten():
    frame = open_jpeg(KINDS['444'])
    fill(frame, Rect(0, 0, 61, 45))
    assert (frame.view_bgr() == 128).all()


def test_chroma_planes():
    kinds = {kind: [plane.is_chroma for plane in open_jpeg(KINDS[kind]).planes()]
             for kind in ('420', 'gray', 'adobe_rgb', 'cmyk')}
    assert kinds == {
        '420': [False, True, True], 'gray': [False], 'adobe_rgb': [False] * 3,
        'cmyk': [False] * 4,
    }


def test_adobe_rgb_stays_rgb():
    frame = open_jpeg(KINDS['adobe_rgb'])
    fill(frame, Rect(0, 0, 8, 8))
    changed = (decode(frame.encode()) != decode(KINDS['adobe_rgb'])).any(axis=2)
    assert changed[:8, :8].any()
    assert not changed[8:, :].any()
    assert not changed[:, 8:].any()


def test_cmyk_black_is_written_too():
    frame = open_jpeg(KINDS['cmyk'])
    fill(frame, Rect(0, 0, 16, 16), value=10.0)
    black = open_jpeg(frame.encode()).planes()[3]
    assert np.abs(black.read(Rect(0, 0, 16, 16)) - 10).max() < 3


def test_too_many_pixels_are_refused_before_decoding():
    data = bytearray(KINDS['420'])
    at = data.index(b'\xff\xc0') + 5
    data[at:at + 4] = (60_000).to_bytes(2, 'big') * 2
    with pytest.raises(EncodingError, match='60000 x 60000'):
        open_jpeg(bytes(data), max_pixels=100_000_000)


def test_coefficients_beyond_eight_bits_are_refused():
    plane = np.zeros((2, 2, 64), np.int16)
    plane[0, 0, 5] = 1024
    with pytest.raises(EncodingError, match='1024'):
        write_coefficients([plane], (16, 16), [(1, 1)])
    plane[0, 0, 5] = -1024
    with pytest.raises(EncodingError, match='1024'):
        write_coefficients([plane], (16, 16), [(1, 1)])
    plane[0, 0, 5], plane[0, 0, 0] = 1023, -1024
    written = write_coefficients([plane], (16, 16), [(1, 1)])
    assert np.array_equal(coefficients(written)[0], plane)


def test_motion_jpeg_without_huffman_tables():
    """Cameras leave the standard tables out; decoders know them."""
    data = bytearray(jpeg_samples.jpeg(64, 48))
    while (at := data.find(b'\xff\xc4')) >= 0:
        del data[at:at + 2 + int.from_bytes(data[at + 2:at + 4], 'big')]
    frame = open_jpeg(bytes(data))
    assert np.array_equal(frame.view_bgr(), decode(jpeg_samples.jpeg(64, 48)))
    fill(frame, Rect(0, 0, 16, 16))
    assert b'\xff\xc4' in bytes(frame.encode())
    assert np.array_equal(frame.view_bgr()[32:], decode(jpeg_samples.jpeg(64, 48))[32:])


def test_works_where_no_anonymous_memory_is(monkeypatch):
    monkeypatch.delattr(os, 'memfd_create')
    frame = open_jpeg(KINDS['420'])
    fill(frame, Rect(0, 0, 16, 16))
    there = frame.encode()
    monkeypatch.undo()
    assert there == frame.encode()


def test_threads_do_not_disturb_each_other():
    def work(kind):
        frame = open_jpeg(KINDS[kind])
        fill(frame, Rect(5, 5, 40, 30))
        return bytes(frame.encode())

    alone = {kind: work(kind) for kind in KINDS}
    with ThreadPoolExecutor(4) as pool:
        for kind, result in zip([*KINDS] * 20, pool.map(work, [*KINDS] * 20), strict=True):
            assert result == alone[kind]
