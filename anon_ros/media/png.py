# SPDX-License-Identifier: Apache-2.0
"""
PNG images: decoded unchanged, overwritten, and encoded without loss.

A frame that nobody wrote to gives back the very bytes that came in. Once something was written,
colour type and bit depth stay, but for palettes (which become RGB, or RGBA with transparency),
gray of less than 8 bits (8), RGB with a transparent colour (RGBA) and interlacing (none). Chunks
that say how colours are meant and the resolution stay; texts, EXIF, animation, all other chunks
and bytes after the end go: they could hold another picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.core.planes import ArrayPlane, Grid
from anon_ros.errors import EncodingError
from anon_ros.media.colour_maps import colour_map
from anon_ros.media.limits import check_size
from anon_ros.media.png_chunks import (
    CHANNELS,
    GRAY,
    GRAY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    PngHeader,
    read_chunks,
    write_png,
)
from anon_ros.media.views import stretch, stretched_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.boxes import Rect
    from anon_ros.core.planes import ColourMap, Plane
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array


def open_png(data: bytes | memoryview, *, max_pixels: int | None = None) -> PngFrame:
    """
    Open a PNG; its pixels are not decoded yet.

    Raises EncodingError for what is no whole PNG, or one of too many px.
    """
    header = read_chunks(bytes(data))
    check_size(header.size_wh, max_pixels, 'PNG')
    return PngFrame(data, header)


class _PngPlane(ArrayPlane):
    """A plane that knows whether anything was written to it."""

    is_touched = False

    def write(self, rect: Rect, samples: Float32Array, inside: BoolArray) -> None:
        """Overwrite the samples of a rectangle where inside is True."""
        super().write(rect, samples, inside)
        self.is_touched = self.is_touched or bool(inside.any())


class PngFrame:
    """A PNG whose planes are its decoded samples: colour, and alpha apart where there is any."""

    def __init__(self, data: bytes | memoryview, header: PngHeader) -> None:
        """Take a PNG and its header; open_png reads and checks it."""
        self._data = data
        self._header = header
        self._decoded: NDArray[Any] | None = None
        self._copy: NDArray[Any] | None = None
        self._planes: list[_PngPlane] = []

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px, as stored."""
        return self._header.size_wh

    def view_bgr(self) -> UInt8Array:
        """
        Return (h, w, 3) uint8 BGR of the image as it stands now, alpha left out; read-only.

        Raises EncodingError where it cannot be decoded.
        """
        pixels = self._pixels() if self._copy is None else self._copy
        colours = stretch(pixels[..., :_colours(pixels.shape[2])])
        view: UInt8Array = (
            np.ascontiguousarray(colours) if colours.shape[2] == 3
            else np.repeat(colours, 3, axis=2)
        ).view()
        view.flags.writeable = False
        return view

    def planes(self) -> list[Plane]:
        """
        Return the colour plane, and an alpha plane whose middle is opaque; the first call copies.

        Raises EncodingError where the image cannot be decoded.
        """
        if self._copy is None:
            self._copy = self._pixels().copy()
            self._planes = self._planes_over(self._copy)
        return list(self._planes)

    def colour_maps(self) -> list[ColourMap | None]:
        """Return how the colours follow from BGR as the image stands now; None for alpha."""
        pixels = self._pixels() if self._copy is None else self._copy
        colours = _colours(pixels.shape[2])
        maps = [colour_map('Y' if colours == 1 else 'BGR')]
        if pixels.dtype != np.uint8:
            maps = stretched_maps(maps, pixels[..., :colours])
        return maps if pixels.shape[2] == colours else [*maps, None]

    def encode(self) -> bytes | memoryview:
        """Return the PNG: the very bytes that came in where nothing was written."""
        if self._copy is None or not any(plane.is_touched for plane in self._planes):
            return self._data
        return self._write(self._copy)

    def encode_masked(self) -> bytes | memoryview:
        """Return a PNG of the same size, colour type and depth that is mid-gray all over."""
        width, height = self.size_wh
        channels = CHANNELS[RGB if self._header.kind == PALETTE else self._header.kind]
        most = 65535 if self._header.depth == 16 else 255
        pixels = np.full(
            (height, width, channels), (most + 1) // 2, np.uint16 if most > 255 else np.uint8
        )
        pixels[..., _colours(channels):] = most
        return self._write(pixels)

    def _planes_over(self, pixels: NDArray[Any]) -> list[_PngPlane]:
        most, grid = float(np.iinfo(pixels.dtype).max), Grid(self.size_wh)
        colours = _colours(pixels.shape[2])
        parts = [(pixels[..., :colours], (most + 1) / 2, False)]
        if pixels.shape[2] > colours:
            parts.append((pixels[..., colours:], most, True))
        return [
            _PngPlane(samples, grid, middle=middle, amplitude=most, is_chroma=is_alpha)
            for samples, middle, is_alpha in parts
        ]

    def _pixels(self) -> NDArray[Any]:
        """Return (h, w, channels): Y, YA, BGR or BGRA, uint8 or uint16."""
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded

    def _decode(self) -> NDArray[Any]:
        flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            image = cv2.imdecode(np.frombuffer(self._header.stream, np.uint8), flags)
        except cv2.error as error:
            raise EncodingError(f'PNG: OpenCV cannot decode it: {error}') from error
        if image is None or image.shape[:2] != self.size_wh[::-1]:
            raise EncodingError('PNG: its pixels cannot be decoded, or they end early')
        pixels = image if image.ndim == 3 else image[..., None]
        if self._header.kind == GRAY_ALPHA:
            # OpenCV repeats the gray three times.
            return pixels[..., 2:]
        return pixels

    def _write(self, pixels: NDArray[Any]) -> bytes:
        channels = pixels.shape[2]
        kind = {1: GRAY, 2: GRAY_ALPHA, 3: RGB, 4: RGB_ALPHA}[channels]
        if channels >= 3:
            pixels = pixels[..., [2, 1, 0, 3][:channels]]
        transparency = _transparent_gray(self._header) if kind == GRAY else b''
        return write_png(pixels, kind, self._header.colour_chunks, transparency)


def _colours(channels: int) -> int:
    """Return how many of the channels hold colour, not alpha."""
    return {1: 1, 2: 1, 3: 3, 4: 3}[channels]


def _transparent_gray(header: PngHeader) -> bytes:
    """Return the transparent gray in the depth that is written."""
    if header.kind != GRAY or len(header.transparency) != 2:
        return b''
    value = int.from_bytes(header.transparency, 'big')
    if header.depth < 8:
        value = value * 255 // (2**header.depth - 1)
    return value.to_bytes(2, 'big')
