# SPDX-License-Identifier: Apache-2.0
"""Parameter sets that the encoders at hand do not write, put together bit by bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.errors import EncodingError
from anon_ros.media.nal import is_keyframe, parameter_sets, split_units, video_size


class Bits:
    """Writes the fields of H.264 and H.265 headers."""

    def __init__(self):
        self.text = ''

    def u(self, count, value):
        self.text += f'{value:0{count}b}' if count else ''
        return self

    def ue(self, *values):
        for value in values:
            binary = f'{value + 1:b}'
            self.text += '0' * (len(binary) - 1) + binary
        return self

    def se(self, *values):
        return self.ue(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def unit(self, *header):
        text = self.text + '1'
        text += '0' * (-len(text) % 8)
        payload = int(text, 2).to_bytes(len(text) // 8, 'big')
        escaped, zeros = bytearray(), 0
        for byte in payload:
            if zeros == 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b'\0\0\0\1' + bytes(header) + bytes(escaped)


def h264_sps(width=1920, height=1080, profile=77, order=0, chroma=1, lists=(), fields=False,
             crop=True):
    bits = Bits().u(8, profile).u(16, 40).ue(0)
    if profile in {100, 244}:
        bits.ue(chroma)
        if chroma == 3:
            bits.u(1, 0)
        bits.ue(0, 0).u(1, 0).u(1, bool(lists))
        for index in range((12 if chroma == 3 else 8) if lists else 0):
            chosen = index < len(lists)
            bits.u(1, chosen)
            if chosen:
                bits.se(*lists[index])
    bits.ue(4, order)
    if order == 0:
        bits.ue(4)
    elif order == 1:
        bits.u(1, 0).se(-3, 2).ue(3).se(1, -1, 5)
    across, down = -(-width // 16), -(-height // (32 if fields else 16))
    bits.ue(2).u(1, 0).ue(across - 1, down - 1).u(1, not fields)
    if fields:
        bits.u(1, 1)
    bits.u(1, 1).u(1, crop)
    step_x, step_y = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[chroma]
    rows = 16 * down * (2 if fields else 1)
    if crop:
        bits.ue(0, (16 * across - width) // step_x, 0,
                (rows - height) // (step_y * (2 if fields else 1)))
    return bits.u(1, 0).unit(0x67)


def hevc_sps(width=1920, height=1080, layers=0, chroma=1, crop=(0, 0, 0, 0)):
    bits = Bits().u(4, 0).u(3, layers).u(1, 1).u(88, 1 << 80).u(8, 93)
    flags = [(index % 2, 1) for index in range(layers)]
    for profile, level in flags:
        bits.u(1, profile).u(1, level)
    if layers:
        bits.u(2 * (8 - layers), 0)
    for profile, level in flags:
        bits.u(88 * profile, 0).u(8 * level, 0)
    bits.ue(0, chroma)
    if chroma == 3:
        bits.u(1, 0)
    bits.ue(width, height).u(1, any(crop))
    if any(crop):
        bits.ue(*crop)
    return bits.ue(0, 0).unit(0x42, 0x01)


# A list that ends early: the delta to 0 says that the rest repeats.
LISTS = [(1,) * 16, (-8,), (2, -3) * 8, (0,) * 16, (-8,), (1,) * 16, (3,) + (0,) * 63]


@pytest.mark.parametrize('fields', [
    {}, {'order': 1}, {'order': 2}, {'profile': 100}, {'profile': 100, 'lists': LISTS},
    {'profile': 244, 'chroma': 3, 'lists': LISTS}, {'profile': 100, 'chroma': 0},
    {'fields': True}, {'profile': 100, 'chroma': 2, 'fields': True},
])
def test_h264_sizes(fields):
    assert video_size([h264_sps(**fields)], 'h264') == (1920, 1080)
    assert video_size([h264_sps(width=640, height=480, crop=False, **fields)], 'h264') == (
        640, 480,
    )


@pytest.mark.parametrize('fields', [
    {}, {'layers': 1}, {'layers': 3}, {'layers': 7}, {'chroma': 3}, {'chroma': 0},
])
def test_hevc_sizes(fields):
    assert video_size([hevc_sps(**fields)], 'hevc') == (1920, 1080)
    steps = {0: 1, 1: 2, 3: 1}[fields.get('chroma', 1)]
    cropped = hevc_sps(1920, 1088, crop=(1, 2, 0, 8 // steps), **fields)
    assert video_size([cropped], 'hevc') == (1920 - 3 * steps, 1080)


@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_any_even_size(width, height):
    assert video_size([h264_sps(2 * width, 2 * height)], 'h264') == (2 * width, 2 * height)
    assert video_size([hevc_sps(width, height)], 'hevc') == (width, height)


@given(data=st.binary(max_size=60), codec=st.sampled_from(['h264', 'hevc']))
def test_noise_ends_in_a_size_or_an_error(data, codec):
    header = b'\x67' if codec == 'h264' else b'\x42\x01'
    try:
        size_wh = video_size([b'\0\0\1' + header + data], codec)
    except EncodingError:
        return
    assert len(size_wh) == 2


def test_units_of_a_packet():
    packet = b'\0\0\0\1\x09\x10\0\0\1\x67abc\0\0\0\1\x68d\0\0\1\x65pixels\0\0'
    assert split_units(packet) == [b'\x09\x10', b'\x67abc', b'\x68d', b'\x65pixels']
    assert is_keyframe(packet, 'h264')
    assert parameter_sets(packet, 'h264') == b'\0\0\0\1\x67abc\0\0\0\1\x68d'
    assert not is_keyframe(b'\0\0\1\x41pixels', 'h264')


@pytest.mark.parametrize(('kind', 'is_key'), [(1, False), (16, True), (19, True), (21, True),
                                              (22, False), (32, False)])
def test_random_access_points_of_h265(kind, is_key):
    assert is_keyframe(b'\0\0\1' + bytes((kind << 1, 1)) + b'pixels', 'hevc') is is_key
