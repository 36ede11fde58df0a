# SPDX-License-Identifier: Apache-2.0
"""A touched JPEG carries no second picture, and keeps what is harmless."""

import io
import os

import jpeg_samples
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anon_ros.core.boxes import Rect
from anon_ros.media.exif import EXIF_HEADER, strip_previews
from anon_ros.media.jpeg import open_jpeg
from anon_ros.media.jpeg_header import read_header

PREVIEW = jpeg_samples.jpeg(160, 120, seed=5)
SECRET = os.urandom(2000)


def touched(data):
    frame = open_jpeg(data)
    plane = frame.planes()[0]
    rect = Rect(0, 0, 8, 8)
    plane.write(rect, np.zeros((8, 8, 1), np.float32), np.ones((8, 8), bool))
    return bytes(frame.encode())


def exif(order='<', thumbnail=PREVIEW):
    """An EXIF block by Pillow, with a thumbnail directory put behind it by hand."""
    source = Image.Exif()
    source.endian = order
    source[0x0112] = 6
    source[0x010F] = 'Camera Works'
    source.get_ifd(0x8769)[0x829A] = (1, 250)
    source.get_ifd(0x8769)[0x927C] = SECRET
    source.get_ifd(0x8825)[1] = 'N'
    source.get_ifd(0x8825)[2] = (48.0, 8.0, 14.0)
    tiff = bytearray(source.tobytes()[6:])
    byte_order = 'little' if tiff[:2] == b'II' else 'big'
    first = int.from_bytes(tiff[4:8], byte_order)
    count = int.from_bytes(tiff[first:first + 2], byte_order)
    link = first + 2 + 12 * count
    tiff[link:link + 4] = len(tiff).to_bytes(4, byte_order)
    place = len(tiff) + 2 + 24 + 4
    tiff += (2).to_bytes(2, byte_order)
    for tag, value in ((0x0201, place), (0x0202, len(thumbnail))):
        tiff += tag.to_bytes(2, byte_order) + (4).to_bytes(2, byte_order)
        tiff += (1).to_bytes(4, byte_order) + value.to_bytes(4, byte_order)
    return EXIF_HEADER + bytes(tiff) + bytes(4) + thumbnail


@pytest.mark.parametrize('order', ['<', '>'])
def test_exif_keeps_its_values_and_loses_its_pictures(order):
    payload = exif(order)
    assert PREVIEW in payload
    assert SECRET in payload
    data = touched(jpeg_samples.with_segments(jpeg_samples.jpeg(64, 64), (0xE1, payload)))
    assert PREVIEW not in data
    assert SECRET not in data
    kept = Image.open(io.BytesIO(data)).getexif()
    assert kept[0x0112] == 6
    assert kept[0x010F] == 'Camera Works'
    assert kept.get_ifd(0x8769)[0x829A] == (1, 250)
    assert kept.get_ifd(0x8825)[2] == (48.0, 8.0, 14.0)
    assert not kept.get_ifd(1)


def test_untouched_keeps_its_previews():
    data = jpeg_samples.with_segments(jpeg_samples.jpeg(64, 64), (0xE1, exif()))
    assert open_jpeg(data).encode() == data


@pytest.mark.parametrize(('marker', 'payload'), [
    (0xE0, b'JFXX\0\x10' + PREVIEW), (0xE0, b'JFXX\0\x11\x02\x02' + bytes(772)),
    (0xE2, b'MPF\0' + bytes(80)), (0xE1, b'http://ns.adobe.com/xap/1.0/\0' + SECRET),
    (0xED, b'Photoshop 3.0\0' + PREVIEW), (0xE5, PREVIEW), (0xFE, SECRET), (0xEF, SECRET),
    (0xE1, EXIF_HEADER + b'XX' + SECRET),
])
def test_other_pictures_go(marker, payload):
    clean = jpeg_samples.jpeg(64, 64)
    data = touched(jpeg_samples.with_segments(clean, (marker, payload)))
    assert data == touched(clean)


@pytest.mark.parametrize(('marker', 'payload'), [
    (0xE2, b'ICC_PROFILE\0\x01\x01' + bytes(3000)), (0xFE, b'stamp=17'), (0xE9, b'vendor'),
])
def test_harmless_segments_stay(marker, payload):
    data = touched(jpeg_samples.with_segments(jpeg_samples.jpeg(64, 64), (marker, payload)))
    assert (marker, payload) in [(s.marker, s.payload) for s in read_header(data).metadata]


def test_jfif_thumbnail_goes_and_its_header_stays():
    data = bytearray(jpeg_samples.jpeg(64, 64))
    thumbnail = os.urandom(3 * 16)
    data[4:6] = (16 + len(thumbnail)).to_bytes(2, 'big')
    data[18:20] = bytes((4, 4))
    data[20:20] = thumbnail
    out = touched(bytes(data))
    assert thumbnail not in out
    assert out[2:20] == jpeg_samples.jpeg(64, 64)[2:20]


def test_bytes_behind_the_end_go():
    clean = jpeg_samples.jpeg(64, 64)
    assert touched(clean + PREVIEW) == touched(clean)


def test_masked_carries_no_metadata_but_what_decoders_need():
    data = jpeg_samples.with_segments(
        jpeg_samples.jpeg(64, 64), (0xE1, exif()), (0xFE, b'text'),
    )
    masked = open_jpeg(data + PREVIEW).encode_masked()
    assert [segment.marker for segment in read_header(bytes(masked)).metadata] == [0xE0]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_exif_never_lets_a_picture_through(data):
    payload = bytearray(exif())
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(6, 300))] = data.draw(st.integers(0, 255))
    payload = payload[:data.draw(st.integers(0, len(payload)))]
    out = strip_previews(EXIF_HEADER + bytes(payload[6:])) or b''
    assert not any(out[at:at + 300] in PREVIEW for at in range(0, max(0, len(out) - 300), 50))
    assert strip_previews(out) in (out, None) or not out
