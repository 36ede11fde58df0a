# SPDX-License-Identifier: Apache-2.0
"""Compressed images are told by their bytes; what cannot be anonymized is refused by name."""

import cv2
import jpeg_samples
import numpy as np
import pytest

from anon_ros.errors import EncodingError
from anon_ros.media.compressed import is_compressed_depth, open_compressed, sniff
from anon_ros.media.jpeg import JpegFrame
from anon_ros.media.png import PngFrame
from anon_ros.media.thumbnail import thumbnail


def encoded(extension):
    return cv2.imencode(extension, jpeg_samples.picture(20, 10))[1].tobytes()


@pytest.mark.parametrize(('extension', 'kind'), [('.jpg', JpegFrame), ('.png', PngFrame)])
def test_opens_by_magic(extension, kind):
    for data in (encoded(extension), memoryview(encoded(extension))):
        frame = open_compressed(data)
        assert isinstance(frame, kind)
        assert frame.size_wh == (20, 10)


@pytest.mark.parametrize(('data', 'kind'), [
    (encoded('.webp'), 'webp'), (encoded('.tiff'), 'tiff'), (encoded('.bmp'), 'bmp'),
    (encoded('.avif') if cv2.haveImageWriter('.avif') else b'\0\0\0 ftypavif', 'avif'),
    (b'GIF89a' + bytes(20), 'gif'), (b'\0\0\0\x0cJXL \r\n', 'jpegxl'),
])
def test_others_are_recognized_and_refused(data, kind):
    assert sniff(data) == kind
    with pytest.raises(EncodingError, match=f'{kind} images are not supported'):
        open_compressed(data)


@pytest.mark.parametrize('data', [b'', b'\xff\xd8', b'hello world', bytes(100)])
def test_noise_is_no_image(data):
    assert sniff(data) is None
    with pytest.raises(EncodingError, match='no image begins with'):
        open_compressed(data)


def test_size_limit_reaches_the_readers():
    for extension in ('.jpg', '.png'):
        with pytest.raises(EncodingError, match='199 px allowed'):
            open_compressed(encoded(extension), max_pixels=199)


def test_depth_by_format():
    assert is_compressed_depth('16UC1; compressedDepth png')
    assert is_compressed_depth('32FC1; compressedDepth')
    assert not is_compressed_depth('bgr8; jpeg compressed bgr8')
    assert not is_compressed_depth('')


@pytest.mark.parametrize('size_wh', [(1920, 1080), (640, 480), (33, 19), (5, 3), (1, 1)])
def test_thumbnail(size_wh):
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    image[:, size_wh[0] // 2:] = 200
    small = thumbnail(image)
    assert small.shape == (18, 32)
    assert small.dtype == np.uint8
    if size_wh[0] > 1:
        assert small[:, 0].max() == 0
        assert small[:, -1].min() >= 199
