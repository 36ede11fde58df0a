# SPDX-License-Identifier: Apache-2.0
"""
EXIF without pictures: what a camera wrote about an image, less its previews.

The block is built anew from the small values of its first directory and of the Exif and GPS
directories in it. What is larger than 256 bytes, the second directory (the thumbnail's), maker
notes and everything unknown are left out: 256 bytes hold no picture of a person.
Source: TIFF 6.0, section 2; Exif 2.32, section 4.6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

EXIF_HEADER = b'Exif\0\0'
LARGEST_VALUE = 256

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 11: 4, 12: 8}
_LONG = 4
_EXIF_DIRECTORY, _GPS_DIRECTORY = 0x8769, 0x8825
_DIRECTORIES = (_EXIF_DIRECTORY, _GPS_DIRECTORY)
# Maker note, sub-directories, thumbnails and their sizes, strips and tiles of an image, and the
# interoperability directory: what points elsewhere would point nowhere.
_LEFT_OUT = {0x927C, 0x014A, 0x0201, 0x0202, 0x002E, 0x0111, 0x0117, 0x0144, 0x0145, 0xA005}
_MOST_ENTRIES = 512


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: bytes


def strip_previews(payload: bytes) -> bytes | None:
    """
    Return an EXIF payload without previews, or None where nothing of it can be read.

    payload: begins with EXIF_HEADER, as in a JPEG's APP1 segment.
    """
    tiff = payload[len(EXIF_HEADER):]
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(tiff[:4])
    if order is None:
        return None
    try:
        first = struct.unpack_from(f'{order}I', tiff, 4)[0]
        main = _read_directory(tiff, first, order)
        nested = {
            entry.tag: _read_directory(tiff, struct.unpack(f'{order}I', entry.value)[0], order)
            for entry in main if entry.tag in _DIRECTORIES
        }
    except struct.error:
        return None
    return EXIF_HEADER + _build(tiff[:4], main, nested, order)


def _read_directory(tiff: bytes, at: int, order: str) -> list[_Entry]:
    count = min(struct.unpack_from(f'{order}H', tiff, at)[0], _MOST_ENTRIES)
    entries: dict[int, _Entry] = {}
    for index in range(count):
        place = at + 2 + 12 * index
        tag, kind, number = struct.unpack_from(f'{order}HHI', tiff, place)
        length = _TYPE_BYTES.get(kind, 0) * number
        if tag in _LEFT_OUT or not 0 < length <= LARGEST_VALUE:
            continue
        start = place + 8
        if length > 4:
            start = struct.unpack_from(f'{order}I', tiff, start)[0]
        value = tiff[start:start + length]
        if len(value) == length:
            entries[tag] = _Entry(tag, kind, number, value)
    return [entries[tag] for tag in sorted(entries)]


def _build(
    magic: bytes, main: list[_Entry], nested: dict[int, list[_Entry]], order: str
) -> bytes:
    out = magic + struct.pack(f'{order}I', 8)
    # The nested directories follow the main one, whose length does not depend on where they lie.
    main = [entry for entry in main if entry.tag not in _DIRECTORIES or nested.get(entry.tag)]
    at = len(out) + len(_directory(main, 8, order))
    blocks = b''
    placed = []
    for entry in main:
        if entry.tag not in _DIRECTORIES:
            placed.append(entry)
            continue
        place = at + len(blocks)
        placed.append(_Entry(entry.tag, _LONG, 1, struct.pack(f'{order}I', place)))
        blocks += _directory(nested[entry.tag], place, order)
    return out + _directory(placed, 8, order) + blocks


def _directory(entries: list[_Entry], at: int, order: str) -> bytes:
    """Return a directory that begins at that offset, its longer values behind it."""
    table, values = struct.pack(f'{order}H', len(entries)), b''
    after = at + 2 + 12 * len(entries) + 4
    for entry in entries:
        table += struct.pack(f'{order}HHI', entry.tag, entry.kind, entry.count)
        if len(entry.value) <= 4:
            table += entry.value.ljust(4, b'\0')
        else:
            table += struct.pack(f'{order}I', after + len(values))
            values += entry.value + b'\0' * (len(entry.value) % 2)
    return table + b'\0\0\0\0' + values
