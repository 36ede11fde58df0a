# SPDX-License-Identifier: Apache-2.0
"""Pictures are found wherever they hide; chance bytes are not pictures."""

from __future__ import annotations

import base64
import io
import json
import struct

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.bags.sniff import looks_like_image

PICTURE = np.random.default_rng(5).integers(0, 255, (48, 64, 3), np.uint8)
AROUND = (0, 1, 30, 9000, 70000, (1 << 16) - 1, (1 << 16) - 2, (1 << 17) + 1)


def encoded(extension, *options):
    done, data = cv2.imencode(extension, PICTURE, list(options))
    assert done
    return data.tobytes()


def inside(content, before, after=1000, seed=0):
    """Return the content between bytes that are no picture."""
    noise = np.random.default_rng(seed).integers(0, 200, before + after, np.uint8).tobytes()
    return noise[:before] + content + noise[before:]


def annex_b(codec, pixel_format='yuv420p'):
    buffer = io.BytesIO()
    name = {'h264': 'libx264', 'hevc': 'libx265'}[codec]
    with av.open(buffer, 'w', format=codec) as target:
        stream = target.add_stream(name, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        if codec == 'hevc':
            stream.options = {'x265-params': 'log-level=none'}
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(PICTURE, format='bgr24')
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return buffer.getvalue()


@pytest.mark.parametrize('before', AROUND)
@pytest.mark.parametrize(('extension', 'name'), [('.jpg', 'JPEG'), ('.png', 'PNG')])
def test_jpeg_and_png_are_found_anywhere(extension, name, before):
    assert looks_like_image(inside(encoded(extension), before)) == name


@pytest.mark.parametrize('options', [
    (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
])
def test_every_kind_of_jpeg_is_found_without_its_jfif_segment_too(options):
    data = encoded('.jpg', *options)
    assert looks_like_image(data) == 'JPEG'
    assert data[2:4] == b'\xff\xe0'
    length = int.from_bytes(data[4:6], 'big')
    bare = data[:2] + data[4 + length:]
    assert looks_like_image(inside(bare, 100)) == 'JPEG'


def test_a_jpeg_cut_into_pieces_is_found_by_its_first():
    assert looks_like_image(encoded('.jpg')[:128]) == 'JPEG'


def test_a_camera_jpeg_with_a_large_exif_segment_is_found():
    data = encoded('.jpg')
    exif = b'\xff\xe1' + (60000).to_bytes(2, 'big') + b'Exif\0\0' + bytes(59992)
    assert looks_like_image(data[:2] + exif + data[2:]) == 'JPEG'


@pytest.mark.parametrize('before', AROUND)
@pytest.mark.parametrize(('codec', 'name'), [('h264', 'H.264'), ('hevc', 'H.265')])
def test_video_parameter_sets_are_found_anywhere(codec, name, before):
    assert looks_like_image(inside(annex_b(codec), before)) == name


def test_an_h265_sequence_parameter_set_alone_is_found():
    data = annex_b('hevc')
    start = data.index(b'\0\0\1\x42\x01')
    assert looks_like_image(data[start:]) == 'H.265'


@pytest.mark.parametrize('before', [0, 7, 9000, 200_000])
@pytest.mark.parametrize(('extension', 'name'), [('.jpg', 'base64 JPEG'), ('.png', 'base64 PNG')])
def test_base64_is_found_in_text(extension, name, before):
    text = b'{"note": "' + b'word ' * (before // 5) + b'", "image": "'
    text += base64.b64encode(encoded(extension)) + b'"}'
    assert looks_like_image(text) == name


@pytest.mark.parametrize('seed', range(3))
def test_base64_is_found_between_binary(seed):
    assert looks_like_image(
        inside(base64.b64encode(encoded('.jpg')), 100_000 + seed, 100_000, seed)
    ) == 'base64 JPEG'


def test_base64_of_urls_of_json_and_in_lines_is_found():
    data = encoded('.jpg')
    assert looks_like_image(base64.urlsafe_b64encode(data)) == 'base64 JPEG'
    assert looks_like_image(base64.encodebytes(data)) == 'base64 JPEG'
    escaped = json.dumps(base64.b64encode(data).decode()).replace('/', '\\/').encode()
    assert looks_like_image(escaped) == 'base64 JPEG'


@pytest.mark.parametrize(('extension', 'name'), [
    ('.webp', 'WebP or AVI'), ('.bmp', 'BMP'), ('.tiff', 'TIFF'), ('.ppm', 'PNM'),
    ('.jp2', 'MP4, AVIF or JP2'), ('.gif', 'GIF'), ('.avif', 'MP4, AVIF or JP2'),
])
def test_rarer_formats_are_found_near_the_start(extension, name):
    try:
        data = encoded(extension)
    except cv2.error:
        pytest.skip(f'OpenCV writes no {extension} here')
    assert looks_like_image(data) == name
    assert looks_like_image(struct.pack('<4sI8s', b'\0\1\0\0', 7, b'frame_id') + data) == name


def test_a_bare_jpeg_2000_codestream_is_found():
    data = encoded('.jp2')
    assert looks_like_image(data[data.index(b'\xffO\xffQ'):]) == 'JPEG 2000'


@pytest.mark.parametrize(('container', 'name'), [
    ('mp4', 'MP4, AVIF or JP2'), ('matroska', 'Matroska'), ('ivf', 'IVF'), ('avi', 'WebP or AVI'),
])
def test_video_files_are_found(container, name):
    buffer = io.BytesIO()
    with av.open(buffer, 'w', format=container) as target:
        stream = target.add_stream('libvpx' if container == 'ivf' else 'mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        target.mux(stream.encode(av.VideoFrame.from_ndarray(PICTURE, format='bgr24')))
        target.mux(stream.encode())
    assert looks_like_image(buffer.getvalue()) == name


@pytest.mark.parametrize('seed', range(40))
def test_random_bytes_are_no_picture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, 1 << 20, np.uint8).tobytes()
    assert looks_like_image(noise) is None


@pytest.mark.parametrize('dtype', [np.int16, np.int32, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize('scale', [0.6, 3.0, 100.0, 3e4])
def test_numbers_of_sensors_are_no_picture(dtype, scale):
    values = np.random.default_rng(1).normal(0, scale, 1 << 17).astype(dtype)
    assert looks_like_image(values.tobytes()) is None
    assert looks_like_image(np.sort(values).byteswap().tobytes()) is None


@settings(max_examples=300, deadline=None)
@given(prefix=st.sampled_from([
    b'\xff\xd8\xff', b'\xff\xd8\xff\xe0', b'\x89PNG\r\n\x1a\n', b'\0\0\1\x67', b'\0\0\1\x42\1',
    b'\0\0\1\x40\1', b'/9j/', b'iVBORw0KGgo', b'BM', b'II*\0', b'MM\0*', b'RIFF', b'GIF8', b'P6',
    b'ftyp', b'\xffO\xffQ', b'\x1aE\xdf\xa3', b'DKIF', b'9j', b'_9j_',
]), seed=st.integers(0, 10**6), length=st.integers(0, 300))
def test_magic_bytes_before_noise_never_crash(prefix, seed, length):
    noise = np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()
    assert looks_like_image(prefix + noise) in {None, 'H.264', 'H.265', 'GIF', 'JPEG 2000', 'PNM'}
    assert looks_like_image(noise + prefix) is None


def test_one_magic_inside_another_hides_nothing():
    data = encoded('.tiff')
    assert data[:4] in {b'II*\0', b'MM\0*'}
    assert looks_like_image(data[:1] + data) == 'TIFF'
    assert looks_like_image(b'B' + encoded('.bmp')) == 'BMP'
    assert looks_like_image(b'\x89P' + encoded('.ppm')) == 'PNM'


def test_a_jpeg_xl_container_is_found():
    assert looks_like_image(b'\0\0\0\x0cJXL \r\n\x87\n' + bytes(100)) == 'JPEG XL'


def test_every_kind_of_bytes_is_taken():
    data = inside(encoded('.jpg'), 50)
    assert looks_like_image(memoryview(data)) == 'JPEG'
    assert looks_like_image(bytearray(data)) == 'JPEG'
    assert looks_like_image(memoryview(data)[::2]) is None
    assert looks_like_image(b'') is None
