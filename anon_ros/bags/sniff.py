# SPDX-License-Identifier: Apache-2.0
"""
Tell whether bytes of any type hide a picture: a file inside a message is found by its header.

Every signature is checked beyond its magic bytes, so that chance bytes of point clouds and maps
are not taken for pictures. Raw pixels cannot be told from other numbers. Sources: ITU-T T.81
(JPEG), the PNG specification, ITU-T H.264 7.3.2.1 and H.265 7.3.2.1 to 7.3.2.3.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from anon_ros.core.regions import BoolArray

SHORTEST_IMAGE = 100
"""Bytes: no format shows anything recognizable in fewer."""

_HEAD = 1024
"""Rarer formats are only looked for here: a message's fields before its payload are short."""

_JPEG = b'\xff\xd8\xff'
_JPEG_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_PNG = b'\x89PNG\r\n\x1a\n'
_START_CODE = b'\0\0\x01'
_H264_SETS = frozenset({0x27, 0x47, 0x67})
_H265_SETS = frozenset({0x40, 0x42})
_H264_PROFILES = frozenset({
    44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244,
})
_H264_LEVELS = frozenset({
    9, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62,
})
_BLOCK = 1 << 16
"""Bytes compared at once: so many stay in the cache."""

_SMALL = 1 << 13
"""Shorter messages are searched byte by byte: numpy's overhead would weigh more."""

_BASE64_MARKS = ((b'9j', 1), (b'iVBORw0KGgo', 0))
"""What base64 shows of JPEG ('/9j/', '_9j_' in URLs, with backslashes in JSON) and of PNG."""

_BASE64_STRIDE = 32
_BASE64_RUN = 12
_BASE64_ALPHABET = np.zeros(256, bool)
_BASE64_ALPHABET[list(
    b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\\\r\n'
)] = True


def looks_like_image(data: bytes | bytearray | memoryview) -> str | None:
    """
    Return what picture or video is inside the bytes, e.g. 'JPEG', or None.

    JPEG, PNG, H.264 and H.265 parameter sets and base64 of JPEG and PNG are found anywhere,
    GIF, WebP, TIFF, BMP, PNM, JPEG 2000 and XL, MP4, AVIF, AVI, Matroska and IVF near the
    start.
    """
    if len(data) < SHORTEST_IMAGE:
        return None
    content = bytes(data)
    if any(_is_jpeg(content, start) for start in _places(content, _JPEG)):
        return 'JPEG'
    if any(_is_png(content, start) for start in _places(content, _PNG)):
        return 'PNG'
    return _find_video(content) or _find_base64(content) or _find_near_start(content)


def _places(content: bytes, magic: bytes, followers: Collection[int] = ()) -> Iterator[int]:
    """
    Yield where magic lies.

    followers: where given, the byte after magic's first three has to be one of them.
    """
    if len(content) < _SMALL:
        yield from _places_in_small(content, magic)
        return
    values = np.frombuffer(content, np.uint8)
    for offset in range(0, len(values), _BLOCK):
        block = values[offset:offset + _BLOCK + 3]
        hits = block[2:-1] == magic[2]
        hits &= block[1:-2] == magic[1]
        hits &= block[:-3] == magic[0]
        if not hits.any():
            continue
        places = np.flatnonzero(hits)
        if followers:
            places = places[np.isin(block[places + 3], list(followers))]
        for place in places.tolist():
            if content.startswith(magic, offset + place):
                yield offset + place


def _places_in_small(content: bytes, magic: bytes) -> Iterator[int]:
    start = content.find(magic)
    while start >= 0:
        yield start
        start = content.find(magic, start + 1)


def _is_jpeg(content: bytes, start: int) -> bool:
    """Walk the markers to the frame header; a file cut off before it counts with one segment."""
    position, segments = start + 2, 0
    while position + 4 <= len(content):
        if content[position] != 0xFF:
            return False
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        length = int.from_bytes(content[position + 2:position + 4], 'big')
        if marker in _JPEG_FRAMES:
            return _is_jpeg_frame(content[position + 4:position + 10], length)
        if marker not in _JPEG_TABLES or length < 2:
            return False
        if content[position + 4:position + 9] in {b'JFIF\0', b'Exif\0'}:
            return True
        position += 2 + length
        segments += 1
    return segments > 1


def _is_jpeg_frame(header: bytes, length: int) -> bool:
    if len(header) < 6:
        return True
    precision, components = header[0], header[5]
    return (
        2 <= precision <= 16 and 1 <= components <= 4 and length == 8 + 3 * components
        and header[3:5] != b'\0\0'
    )


def _is_png(content: bytes, start: int) -> bool:
    return content[start + 8:start + 16] == b'\x00\x00\x00\x0dIHDR'


def _find_video(content: bytes) -> str | None:
    for start in _places(content, _START_CODE, _H264_SETS | _H265_SETS):
        unit = content[start + 3:start + 64]
        if len(unit) >= 6 and unit[0] in _H264_SETS and _is_h264(unit):
            return 'H.264'
        if len(unit) >= 9 and unit[0] in _H265_SETS and unit[1] == 1 and _is_h265(unit):
            return 'H.265'
    return None


def _is_h264(unit: bytes) -> bool:
    """Check a sequence parameter set's profile, reserved bits, level, and id (0..31)."""
    leading_zeros = 8 - unit[4].bit_length()
    return (
        unit[1] in _H264_PROFILES and not unit[2] & 0x03 and unit[3] in _H264_LEVELS
        and leading_zeros <= 5
    )


def _is_h265(unit: bytes) -> bool:
    """Check a video or a sequence parameter set's fixed bits and its profile."""
    unit = unit.replace(b'\0\0\3', b'\0\0') + bytes(9)
    if unit[0] == 0x40:
        return unit[4:6] == b'\xff\xff' and unit[2] & 0x03 == 0 and 1 <= unit[6] & 0x1F <= 11
    profile = unit[3] & 0x1F
    compatible = int.from_bytes(unit[4:8], 'big')
    return (
        1 <= profile <= 11 and unit[3] >> 6 == 0 and (unit[2] >> 1) & 7 <= 6
        and bool(compatible >> (31 - profile) & 1)
    )


def _find_base64(content: bytes) -> str | None:
    if len(content) > 64 * 1024 and not _has_long_text(content):
        return None
    for mark, offset in _BASE64_MARKS:
        for start in _places_in_small(content, mark):
            name = _decoded(content[max(start - offset, 0):start + 1024])
            if name:
                return name
    return None


def _has_long_text(content: bytes) -> bool:
    """
    Return whether there may be a run of base64 of more than about 400 characters.

    Only every 32nd byte is looked at: a long run shows as 12 such bytes in a row.
    """
    samples: BoolArray = _BASE64_ALPHABET[np.frombuffer(content, np.uint8)[::_BASE64_STRIDE]]
    breaks = np.flatnonzero(~samples)
    edges = np.concatenate([[-1], breaks, [len(samples)]])
    return bool(np.diff(edges).max() > _BASE64_RUN)


def _decoded(text: bytes) -> str | None:
    """Return what a piece of base64 decodes to, where its first 88 characters are base64."""
    plain = re.sub(rb'\\[nr]|[\\\r\n]', b'', text).replace(b'_', b'/').replace(b'-', b'+')
    match = re.match(rb'[A-Za-z0-9+/]{88,}', plain)
    if match is None:
        return None
    try:
        head = base64.b64decode(match[0][:len(match[0]) // 4 * 4])
    except binascii.Error:
        return None
    if head.startswith(_PNG) and _is_png(head, 0):
        return 'base64 PNG'
    return 'base64 JPEG' if head.startswith(_JPEG) and _is_jpeg(head, 0) else None


def _find_near_start(content: bytes) -> str | None:
    match = _HEAD_MAGIC.search(content, 0, _HEAD)
    while match:
        name, is_real = _HEAD_FORMATS[match[0]]
        if is_real(content, match.start()):
            return name
        match = _HEAD_MAGIC.search(content, match.start() + 1, _HEAD)
    return None


def _is_known_by_magic(_content: bytes, _start: int) -> bool:
    return True


def _is_gif(content: bytes, start: int) -> bool:
    """Check the version and that the screen has a size."""
    size = _little(content, start + 6, 2), _little(content, start + 8, 2)
    return content[start + 4:start + 6] in {b'7a', b'9a'} and min(size) > 0


def _is_riff(content: bytes, start: int) -> bool:
    return content[start + 8:start + 16] in {b'WEBPVP8 ', b'WEBPVP8L', b'WEBPVP8X', b'AVI LIST'}


def _is_iso_file(content: bytes, start: int) -> bool:
    """Check the size of an ISO base media file's first box, and its brand."""
    brand = content[start + 4:start + 8]
    size = int.from_bytes(content[max(start - 4, 0):start], 'big')
    return 16 <= size <= 256 and size % 4 == 0 and re.fullmatch(rb'\w{3}[\w ]', brand) is not None


def _is_matroska(content: bytes, start: int) -> bool:
    near = content[start:start + 64]
    return b'webm' in near or b'matroska' in near


def _is_ivf(content: bytes, start: int) -> bool:
    return content[start + 4:start + 8] == b'\0\0\x20\0'


def _is_jpeg_2000(content: bytes, start: int) -> bool:
    """Check a codestream's size marker: its length follows from the number of components."""
    length = int.from_bytes(content[start + 4:start + 6], 'big')
    components = int.from_bytes(content[start + 40:start + 42], 'big')
    return 1 <= components <= 4 and length == 38 + 3 * components


def _is_tiff(content: bytes, start: int) -> bool:
    """Check that the first directory holds a plausible number of entries of known types."""
    order: Literal['little', 'big'] = 'little' if content[start:start + 1] == b'I' else 'big'

    def number(offset: int, size: int) -> int:
        return int.from_bytes(content[start + offset:start + offset + size], order)

    directory = number(4, 4)
    if directory < 8 or start + directory + 14 > len(content):
        return False
    return (
        1 <= number(directory, 2) <= 256 and number(directory + 2, 2) >= 254
        and 1 <= number(directory + 4, 2) <= 18
    )


def _is_bmp(content: bytes, start: int) -> bool:
    """Check the sizes of the headers, and the planes and bits of a pixel."""
    return (
        _little(content, start + 6, 4) == 0
        and _little(content, start + 14, 4) in {40, 52, 56, 64, 108, 124}
        and 26 <= _little(content, start + 10, 4) <= 2048
        and _little(content, start + 26, 2) == 1
        and _little(content, start + 28, 2) in {1, 4, 8, 16, 24, 32}
    )


def _is_pnm(content: bytes, start: int) -> bool:
    """Check that a binary PNM's pixels fill what is there; the text forms are not looked for."""
    match = re.match(rb'P([56])\s+(\d+)\s+(\d+)\s+(255|65535)\s', content[start:start + 64])
    if match is None:
        return False
    pixels = int(match[2]) * int(match[3]) * (3 if match[1] == b'6' else 1)
    return 64 <= pixels * (1 if match[4] == b'255' else 2) <= len(content) - start


def _little(content: bytes, start: int, size: int) -> int:
    return int.from_bytes(content[start:start + size], 'little')


_HEAD_FORMATS: dict[bytes, tuple[str, Callable[[bytes, int], bool]]] = {
    b'GIF8': ('GIF', _is_gif),
    b'RIFF': ('WebP or AVI', _is_riff),
    b'ftyp': ('MP4, AVIF or JP2', _is_iso_file),
    b'\x1aE\xdf\xa3': ('Matroska', _is_matroska),
    b'DKIF': ('IVF', _is_ivf),
    b'\xffO\xffQ': ('JPEG 2000', _is_jpeg_2000),
    b'JXL \r\n\x87\n': ('JPEG XL', _is_known_by_magic),
    b'II*\0': ('TIFF', _is_tiff),
    b'MM\0*': ('TIFF', _is_tiff),
    b'BM': ('BMP', _is_bmp),
    b'P5': ('PNM', _is_pnm),
    b'P6': ('PNM', _is_pnm),
}
_HEAD_MAGIC = re.compile(b'|'.join(re.escape(magic) for magic in _HEAD_FORMATS))
