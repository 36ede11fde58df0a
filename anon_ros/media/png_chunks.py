# SPDX-License-Identifier: Apache-2.0
"""
The chunks of a PNG, read and checked before any library sees them, and written.

Source: PNG specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNATURE = b'\x89PNG\r\n\x1a\n'
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}

_DEPTHS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16),
           RGB_ALPHA: (8, 16)}
_KEPT = (b'gAMA', b'cHRM', b'sRGB', b'iCCP', b'cICP', b'pHYs')
_NEEDED = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
_LEVEL = 2


@dataclass
class PngHeader:
    """
    What a PNG says of itself.

    depth: bits a sample. kind: its colour type. colour_chunks: those that say how its colours
    are meant, and its resolution. transparency: the colour that is transparent, as stored, or
    b''. stream: the image with nothing but what its pixels need, for the library.
    """

    size_wh: tuple[int, int]
    depth: int
    kind: int
    colour_chunks: list[tuple[bytes, bytes]] = field(default_factory=list)
    transparency: bytes = b''
    stream: bytes = b''


def read_chunks(data: bytes) -> PngHeader:
    """
    Walk through all chunks to the end of the image; check every length and checksum.

    Raises EncodingError for what is no PNG, ends early or was damaged.
    """
    if data[:8] != SIGNATURE:
        raise EncodingError('PNG: it does not begin with the signature of a PNG')
    header: PngHeader | None = None
    kept, at, name = [SIGNATURE], 8, b''
    while name != b'IEND':
        name, payload, at = _next_chunk(data, at)
        if header is None:
            header = _read_header(name, payload)
        elif name == b'IHDR':
            raise EncodingError('PNG: it has two headers')
        if name in _NEEDED:
            kept.append(data[at - len(payload) - 12:at])
        elif name in _KEPT:
            header.colour_chunks.append((name, payload))
        elif not name[0] & 0x20:
            raise EncodingError(f'PNG: it needs the unknown chunk {name!r}')
        if name == b'tRNS':
            header.transparency = payload
    if header is None:
        raise EncodingError('PNG: it has no header')
    header.stream = b''.join(kept)
    return header


def _next_chunk(data: bytes, at: int) -> tuple[bytes, bytes, int]:
    length = int.from_bytes(data[at:at + 4], 'big')
    end = at + 12 + length
    if at + 12 > len(data) or end > len(data):
        raise EncodingError(f'PNG: it ends at byte {len(data)}, within the chunk at {at}')
    name, payload = data[at + 4:at + 8], data[at + 8:end - 4]
    if zlib.crc32(data[at + 4:end - 4]) != int.from_bytes(data[end - 4:end], 'big'):
        raise EncodingError(f'PNG: chunk {name!r} at byte {at} has a wrong checksum')
    return name, payload, end


def _read_header(name: bytes, payload: bytes) -> PngHeader:
    if name != b'IHDR' or len(payload) != 13:
        raise EncodingError(f'PNG: it begins with {name!r} of {len(payload)} bytes')
    width, height, depth, kind, *rest = struct.unpack('>IIBBBBB', payload)
    if depth not in _DEPTHS.get(kind, ()) or rest[:2] != [0, 0] or rest[2] > 1:
        raise EncodingError(f'PNG: {depth} bits of colour type {kind} contradict each other')
    return PngHeader((width, height), depth, kind)


def write_png(
    pixels: NDArray[Any], kind: int, colour_chunks: list[tuple[bytes, bytes]],
    transparency: bytes = b'',
) -> bytes:
    """
    Return a PNG without loss.

    pixels: (h, w, channels) uint8 or uint16, channels in the order of the colour type.
    """
    height, width, _ = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    header = struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, 0)
    chunks = [(b'IHDR', header), *colour_chunks]
    if transparency:
        chunks.append((b'tRNS', transparency))
    chunks += [(b'IDAT', zlib.compress(_filter(pixels), _LEVEL)), (b'IEND', b'')]
    return SIGNATURE + b''.join(_chunk(name, payload) for name, payload in chunks)


def _chunk(name: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(name + payload).to_bytes(4, 'big')
    return len(payload).to_bytes(4, 'big') + name + payload + checksum


def _filter(pixels: NDArray[Any]) -> bytes:
    """Return the rows as differences to the left or to the row above, whichever are smaller."""
    height, width, channels = pixels.shape
    stored = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder('>'))
    rows = stored.view(np.uint8).reshape(height, -1)
    step = channels * pixels.dtype.itemsize
    left, above = rows.copy(), rows.copy()
    left[:, step:] -= rows[:, :-step] if width > 1 else 0
    above[1:] -= rows[:-1]
    # Signed bytes near 0 compress well: the PNG specification, 12.7, proposes this measure.
    costs = [np.abs(difference[:, ::4].view(np.int8).astype(np.int16)).sum(axis=1)
             for difference in (left, above)]
    is_above = costs[1] < costs[0]
    out = np.empty((height, rows.shape[1] + 1), np.uint8)
    out[:, 0] = np.where(is_above, 2, 1)
    out[:, 1:] = np.where(is_above[:, None], above, left)
    return out.tobytes()
