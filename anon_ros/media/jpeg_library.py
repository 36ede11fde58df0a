# SPDX-License-Identifier: Apache-2.0
"""
The DCT coefficients of a JPEG, read and written by the libjpeg-turbo inside jpeglib.

We call its shared library ourselves, because the Python side of jpeglib decodes all pixels to
read the header, keeps markers in variables that threads share, and goes by files on a disk.
The library opens files by name: anonymous memory of Linux (memfd) has one, so nothing touches a
disk; elsewhere a temporary file serves.

The library ends the process on a damaged header unless that is found by read_jpeg_markers first
(it leaves the file variable unset elsewhere): so that is what is called first, always.
Calls release the interpreter's lock, so threads run side by side.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Coefficients = NDArray[np.int16]

# The fastest first; all of them read the same coefficients.
_VERSIONS = ('turbo210', 'turbo200', 'turbo150', 'turbo140')
_SUFFIXES = ('.so', '.dylib', '.dll', '.pyd')
_GRAY, _YCBCR = 1, 3
_NO_FLAGS, _ALL_FLAGS = 0, 0xFFFFFFFF
_NO_QUALITY = -1


@functools.cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec('jpeglib')
    locations = spec.submodule_search_locations if spec else None
    for folder in locations or []:
        for version in _VERSIONS:
            for path in sorted((Path(folder) / 'cjpeglib').glob(f'cjpeglib_{version}.*')):
                if path.suffix in _SUFFIXES:
                    return _typed(ctypes.CDLL(str(path)))
    raise EncodingError(f'no jpeglib with {_VERSIONS[0]} is installed: install jpeglib 1.0.2')


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    library.read_jpeg_markers.argtypes = [text, pointer]
    library.read_jpeg_dct.argtypes = [text] + [pointer] * 6
    library.write_jpeg_dct.argtypes = [
        text, text, pointer, pointer, pointer, pointer, pointer, pointer, pointer, number, number,
        pointer, ctypes.c_short, pointer, number, pointer, pointer, pointer,
        ctypes.c_uint, ctypes.c_uint,
    ]
    return library


def read_coefficients(
    stream: bytes, blocks_wh: Sequence[tuple[int, int]]
) -> list[Coefficients]:
    """
    Return the quantized coefficients of each component, (down, across, 64) int16, row-major.

    stream: a JPEG without APPn and COM segments. blocks_wh: blocks across and down by component.
    Raises EncodingError where the library cannot read it.
    """
    library = _library()
    planes = [np.empty((down, across, 64), np.int16) for across, down in blocks_wh]
    pointers = [plane.ctypes.data for plane in planes] + [None] * (4 - len(planes))
    unused = ctypes.create_string_buffer(4 * 64 * 2 + 8)
    with _file_of(stream) as (_, path):
        if library.read_jpeg_markers(path, unused) != 1:
            raise EncodingError('JPEG: libjpeg does not take its header')
        if library.read_jpeg_dct(path, *pointers, unused, ctypes.byref(unused, 512)) != 1:
            raise EncodingError('JPEG: libjpeg cannot read its coefficients')
    return planes


def write_coefficients(
    planes: Sequence[Coefficients],
    size_wh: tuple[int, int],
    sampling_hv: Sequence[tuple[int, int]],
) -> bytes:
    """
    Return a JPEG with these coefficients and the standard Huffman tables.

    planes: one or three components as read_coefficients gives them. size_wh: px.
    Its quantization tables mean nothing: the caller puts the right ones in their place.
    Raises EncodingError for coefficients that no JPEG of 8 bits can hold.
    """
    height_width = np.array(size_wh[::-1], np.int32)
    blocks = np.array([plane.shape[:2] for plane in planes], np.int32)
    factors = np.array([(v, h) for h, v in sampling_hv], np.int32)
    planes = [np.ascontiguousarray(plane, np.int16) for plane in planes]
    _check_range(planes)
    pointers = [plane.ctypes.data for plane in planes] + [None] * (4 - len(planes))
    with _file_of(b'') as (descriptor, path):
        status = _library().write_jpeg_dct(
            None, path, *pointers, height_width.ctypes.data, blocks.ctypes.data,
            factors.ctypes.data, _GRAY if len(planes) == 1 else _YCBCR, len(planes),
            None, _NO_QUALITY, None, 0, None, None, None, _NO_FLAGS, _ALL_FLAGS,
        )
        if status != 1:
            raise EncodingError('JPEG: libjpeg cannot write the coefficients')
        return _content(descriptor)


def _check_range(planes: Sequence[Coefficients]) -> None:
    for plane in planes:
        low, high = int(plane.min()), int(plane.max())
        if low < -1024 or high > 1023 or (low == -1024 and plane[..., 1:].min() == low):
            raise EncodingError(f'JPEG: coefficients from {low} to {high} fit no image of 8 bits')


@contextlib.contextmanager
def _file_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield a descriptor and a name under which the library can open it."""
    if hasattr(os, 'memfd_create'):
        descriptor = os.memfd_create('jpeg')
        try:
            _write_all(descriptor, content)
            yield descriptor, b'/proc/self/fd/%d' % descriptor
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'jpeg'
        path.write_bytes(content)
        descriptor = os.open(path, os.O_RDWR)
        try:
            yield descriptor, os.fsencode(path)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest):]


def _content(descriptor: int) -> bytes:
    length = os.fstat(descriptor).st_size
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts = []
    while length > 0 and (part := os.read(descriptor, length)):
        parts.append(part)
        length -= len(part)
    return b''.join(parts)
