# SPDX-License-Identifier: Apache-2.0
"""
JPEG images in which only the blocks that change are encoded again.

A frame that nobody wrote to gives back the very bytes that came in. Once something was written,
the other blocks keep their coefficients, size, sampling, quantization and colour transform stay,
previews go (see jpeg_metadata), bytes after the end marker go, and the entropy coding is new:
sequential, standard Huffman tables, no restart markers. A progressive JPEG becomes a sequential
one of the same coefficients.

Refused, and so withheld: an image that ends early, that lost restart intervals, of 12 bits,
arithmetic, lossless or hierarchical coding. An error within the entropy-coded bits alone shows
in no header: the image is then what libjpeg makes of it, for the detector and for what is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.planes import Grid
from anon_ros.errors import EncodingError
from anon_ros.media.colour_maps import colour_map
from anon_ros.media.jpeg_header import (
    BASELINE,
    DHT,
    EOI,
    EXTENDED,
    SOI,
    SOS,
    Component,
    JpegHeader,
    Segment,
    read_header,
    read_markers,
)
from anon_ros.media.jpeg_library import read_coefficients, write_coefficients
from anon_ros.media.jpeg_metadata import (
    adobe_transform,
    is_jfif,
    only_decoding,
    without_previews,
)
from anon_ros.media.jpeg_plane import Coefficients, JpegPlane
from anon_ros.media.limits import check_size

if TYPE_CHECKING:
    from anon_ros.core.planes import ColourMap, Plane
    from anon_ros.core.regions import UInt8Array

REDUCTIONS = {
    1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""How many times smaller a view may be decoded, and OpenCV's flag for it."""


def open_jpeg(data: bytes | memoryview, *, max_pixels: int | None = None) -> JpegFrame:
    """
    Open a JPEG; its pixels are not decoded yet.

    Raises EncodingError for what is no JPEG that can be read, or one of too many px.
    """
    header = read_header(data)
    check_size(header.size_wh, max_pixels, 'JPEG')
    return JpegFrame(data, header)


class JpegFrame:
    """A JPEG whose planes are views of its coefficients."""

    def __init__(self, data: bytes | memoryview, header: JpegHeader) -> None:
        """Take a JPEG and its header; open_jpeg reads and checks it."""
        self._data = data
        self._header = header
        self._coefficients: list[Coefficients] = []
        self._planes: list[JpegPlane] = []

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px, as stored: an EXIF orientation turns nothing."""
        return self._header.size_wh

    def view_bgr(self) -> UInt8Array:
        """
        Return (h, w, 3) uint8 BGR of the image as it stands now; read-only.

        Raises EncodingError where it cannot be decoded.
        """
        return self.view_bgr_reduced(1)

    def view_bgr_reduced(self, reduction: int) -> UInt8Array:
        """
        Return the view at 1, 1/2, 1/4 or 1/8 of its size, rounded up; a third of the time at 1/2.

        Raises EncodingError where it cannot be decoded, KeyError for another reduction.
        """
        flags = REDUCTIONS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
        width, height = (-(-size // reduction) for size in self.size_wh)
        try:
            view = cv2.imdecode(np.frombuffer(self.encode(), np.uint8), flags)
        except cv2.error as error:
            raise EncodingError(f'JPEG: OpenCV cannot decode it: {error}') from error
        if view is None or view.shape != (height, width, 3):
            shape = None if view is None else view.shape
            raise EncodingError(f'JPEG: {width} x {height} px were promised, not {shape}')
        view.flags.writeable = False
        return np.asarray(view, np.uint8)

    def planes(self) -> list[Plane]:
        """
        Return one plane for each component; the first call reads the coefficients.

        Raises EncodingError where they cannot be read.
        """
        if not self._planes:
            header = self._header
            blocks_wh = [header.blocks_wh(component) for component in header.components]
            self._coefficients = read_coefficients(header.stream, blocks_wh)
            self._planes = [
                self._plane(component, coefficients, is_chroma) for component, coefficients,
                is_chroma in zip(header.components, self._coefficients, _chroma(header),
                                 strict=True)
            ]
        return list(self._planes)

    def colour_maps(self) -> list[ColourMap | None]:
        """Return how each component follows from BGR; None for the four of CMYK."""
        return [colour_map(letter) for letter in _letters(self._header)]

    def encode(self) -> bytes | memoryview:
        """Return the JPEG: the very bytes that came in where nothing was written."""
        if not any(plane.is_touched for plane in self._planes):
            return self._data
        metadata = without_previews(self._header.metadata)
        return _assemble(self._header, metadata, self._coefficients)

    def encode_masked(self) -> bytes | memoryview:
        """Return a JPEG of the same size, sampling and components that is mid-gray all over."""
        header = self._header
        blank = [
            np.zeros((*header.blocks_wh(component)[::-1], 64), np.int16)
            for component in header.components
        ]
        return _assemble(header, only_decoding(header.metadata), blank)

    def _plane(
        self, component: Component, coefficients: Coefficients, is_chroma: bool
    ) -> JpegPlane:
        (most_h, most_v), (h, v) = self._header.most_sampling_hv, component.sampling_hv
        grid = Grid(self._header.samples_wh(component), (most_h // h, most_v // v))
        table = self._header.quantization[component.table]
        return JpegPlane(coefficients, table, grid, is_chroma=is_chroma)


def _chroma(header: JpegHeader) -> list[bool]:
    """Return which components carry colour only, by the rules that decoders share."""
    count = len(header.components)
    transforms = [adobe_transform(segment) for segment in header.metadata]
    transform = next((value for value in transforms if value is not None), None)
    if count == 1:
        return [False]
    if count == 4:
        return [False, transform == 2, transform == 2, False]
    is_rgb = transform == 0 or [c.ident for c in header.components] == list(b'RGB')
    has_colour = any(is_jfif(segment) for segment in header.metadata) or not is_rgb
    return [False, has_colour, has_colour]


def _letters(header: JpegHeader) -> list[str]:
    """Return the colour of each component; '' for those of CMYK, whose colours are products."""
    is_chroma = _chroma(header)
    if len(is_chroma) == 4:
        return [''] * 4
    return list('Y' if len(is_chroma) == 1 else 'YUV' if is_chroma[1] else 'RGB')


def _assemble(
    header: JpegHeader, metadata: list[Segment], coefficients: list[Coefficients]
) -> bytes:
    """Return a JPEG of these coefficients with the header's own frame and quantization."""
    parts = [bytes((0xFF, SOI)), *(segment.to_bytes() for segment in metadata)]
    parts += [segment.to_bytes() for segment in header.tables]
    parts.append(_frame_segment(header).to_bytes())
    if len(coefficients) == 4:
        # The library writes no fourth component: each becomes a scan of its own.
        for component, plane in zip(header.components, coefficients, strict=True):
            written = write_coefficients([plane], header.samples_wh(component), [(1, 1)])
            parts += _scan_of(written, [component.ident])
    else:
        idents = [component.ident for component in header.components]
        sampling = [component.sampling_hv for component in header.components]
        sampling = [(1, 1)] if len(sampling) == 1 else sampling
        parts += _scan_of(write_coefficients(coefficients, header.size_wh, sampling), idents)
    parts.append(bytes((0xFF, EOI)))
    return b''.join(parts)


def _frame_segment(header: JpegHeader) -> Segment:
    width, height = header.size_wh
    payload = bytes([8]) + height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
    payload += bytes([len(header.components)])
    for component in header.components:
        h, v = component.sampling_hv
        payload += bytes([component.ident, h << 4 | v, component.table])
    has_wide_table = any(table.max() > 255 for table in header.quantization.values())
    is_baseline = header.process == BASELINE or not has_wide_table
    return Segment(BASELINE if is_baseline else EXTENDED, payload)


def _scan_of(written: bytes, idents: list[int]) -> list[bytes]:
    """Return Huffman tables, scan header and pixels of a JPEG, for components of other names."""
    parts = []
    for segment, pixels in read_markers(written):
        if segment.marker == DHT:
            parts.append(segment.to_bytes())
        if segment.marker == SOS:
            payload = bytearray(segment.payload)
            payload[1:1 + 2 * len(idents):2] = bytes(idents)
            parts += [Segment(SOS, bytes(payload)).to_bytes(), pixels]
    return parts
