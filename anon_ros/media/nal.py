# SPDX-License-Identifier: Apache-2.0
"""
What H.264 and H.265 packets are, without decoding them.

A packet is one access unit in Annex B: units behind start codes. Source: ITU-T H.264 and H.265,
sections 7.3 and 7.4 (unit types, sequence parameter sets) and annex B.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Sequence

H264, HEVC = 'h264', 'hevc'

_START_CODE = re.compile(rb'\x00\x00\x01')
_H264_IDR, _H264_PARAMETERS, _H264_SPS = {5}, {7, 8}, 7
# Random access points begin a group of pictures: BLA, IDR and CRA.
_HEVC_IRAP, _HEVC_PARAMETERS, _HEVC_SPS = set(range(16, 22)), {32, 33, 34}, 33
_HIGH_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
_CHROMA_STEPS = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}


def codec_of(name: str) -> str:
    """
    Return 'h264' or 'hevc' for the name in a message.

    name: a format of CompressedVideo or an encoding of FFMPEGPacket: 'h264', 'libx265',
        'hevc_nvenc', 'h264;yuv420p;bgr24' ...
    Raises EncodingError for another codec.
    """
    codec = name.split(';', maxsplit=1)[0].strip().lower()
    if codec.startswith(('h264', 'libx264', 'avc', 'h.264')):
        return H264
    if codec.startswith(('h265', 'hevc', 'libx265', 'h.265')):
        return HEVC
    raise EncodingError(f'video codec {name!r} is not supported: only H.264 and H.265 are')


def split_units(packet: bytes | memoryview) -> list[bytes]:
    """
    Return the units of a packet, without start codes.

    Raises EncodingError for a packet that is not in Annex B.
    """
    data = bytes(packet)
    starts = [match.end() for match in _START_CODE.finditer(data)]
    if not starts or data[:starts[0] - 3].strip(b'\0'):
        kind = 'length-prefixed (AVCC)' if _is_length_prefixed(data) else 'unknown'
        raise EncodingError(f'video packet of {len(data)} bytes is {kind}, not Annex B')
    ends = [start - 3 for start in starts[1:]] + [len(data)]
    # A unit ends in a 1 bit, so zeros before the next start code belong to that one.
    units = [data[start:end].rstrip(b'\0') for start, end in zip(starts, ends, strict=True)]
    return [unit for unit in units if unit]


def is_keyframe(packet: bytes | memoryview, codec: str) -> bool:
    """
    Return whether a group of pictures begins with this packet.

    Raises EncodingError for a packet that is not in Annex B.
    """
    types = _H264_IDR if codec == H264 else _HEVC_IRAP
    return any(_type_of(unit, codec) in types for unit in split_units(packet))


def parameter_sets(packet: bytes | memoryview, codec: str) -> bytes:
    """
    Return the parameter sets in a packet, in Annex B; b'' where it has none.

    A decoder needs them before the first keyframe; some encoders send them only once.
    Raises EncodingError for a packet that is not in Annex B.
    """
    types = _H264_PARAMETERS if codec == H264 else _HEVC_PARAMETERS
    return b''.join(
        b'\0\0\0\1' + unit for unit in split_units(packet) if _type_of(unit, codec) in types
    )


def video_size(packets: Sequence[bytes | memoryview], codec: str) -> tuple[int, int]:
    """
    Return width and height in px that the first parameter set in the packets promises.

    Raises EncodingError where there is none, or a damaged one.
    """
    wanted = _H264_SPS if codec == H264 else _HEVC_SPS
    for packet in packets:
        for unit in split_units(packet):
            if _type_of(unit, codec) == wanted:
                try:
                    return _h264_size(unit) if codec == H264 else _hevc_size(unit)
                except IndexError:
                    raise EncodingError(f'{codec}: its parameter set ends early') from None
    raise EncodingError(f'{codec}: the size is unknown, no parameter set has come yet')


def _type_of(unit: bytes, codec: str) -> int:
    return unit[0] & 0x1F if codec == H264 else unit[0] >> 1 & 0x3F


def _is_length_prefixed(data: bytes) -> bool:
    at = 0
    while at + 4 < len(data):
        at += 4 + int.from_bytes(data[at:at + 4], 'big')
    return at == len(data) > 0


class _Bits:
    """Bits of a unit's payload; past the end raises IndexError."""

    def __init__(self, unit: bytes, header_bytes: int) -> None:
        payload = unit[header_bytes:].replace(b'\0\0\3', b'\0\0')
        self._bits = ''.join(f'{byte:08b}' for byte in payload[:512])
        self._at = 0

    def take(self, count: int) -> int:
        """Return an unsigned number of that many bits."""
        self._at += count
        if self._at > len(self._bits):
            raise IndexError
        return int(self._bits[self._at - count:self._at] or '0', 2)

    def golomb(self) -> int:
        """Return an unsigned Exp-Golomb number."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        """Return a signed Exp-Golomb number."""
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _h264_size(unit: bytes) -> tuple[int, int]:
    bits = _Bits(unit, 1)
    profile, _, _ = bits.take(8), bits.take(16), bits.golomb()
    chroma = _read_h264_high(bits) if profile in _HIGH_PROFILES else 1
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1), bits.golomb(), bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb(), bits.take(1)
    across, down = bits.golomb() + 1, bits.golomb() + 1
    is_progressive = bits.take(1)
    bits.take(1 if is_progressive else 2)
    fields = 2 - is_progressive
    step_x, step_y = _CHROMA_STEPS.get(chroma, (1, 1))
    left, right, top, bottom = _read_crop(bits)
    return (16 * across - step_x * (left + right),
            fields * (16 * down - step_y * (top + bottom)))


def _read_h264_high(bits: _Bits) -> int:
    """Read the fields that only high profiles have; return the chroma format."""
    chroma = bits.golomb()
    if chroma == 3:
        bits.take(1)
    bits.golomb(), bits.golomb(), bits.take(1)
    if bits.take(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: _Bits, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _hevc_size(unit: bytes) -> tuple[int, int]:
    bits = _Bits(unit, 2)
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)
    bits.golomb()
    chroma = bits.golomb()
    if chroma == 3:
        bits.take(1)
    width, height = bits.golomb(), bits.golomb()
    step_x, step_y = _CHROMA_STEPS.get(chroma, (1, 1))
    left, right, top, bottom = _read_crop(bits)
    return width - step_x * (left + right), height - step_y * (top + bottom)


def _read_crop(bits: _Bits) -> tuple[int, int, int, int]:
    """Return what is cut off at the left, right, top and bottom, in steps of chroma."""
    if not bits.take(1):
        return 0, 0, 0, 0
    return bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()
