# SPDX-License-Identifier: Apache-2.0
"""Uncompressed images, as sensor_msgs/Image carries them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.core.planes import ArrayPlane, Grid, Plane
from anon_ros.errors import EncodingError
from anon_ros.media.colour_maps import colour_map
from anon_ros.media.encodings import Encoding, Family, find_encoding, levels
from anon_ros.media.layouts import ImageSize, PlaneLayout, plan
from anon_ros.media.limits import check_size
from anon_ros.media.views import stretched_maps, to_bgr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.planes import ColourMap, Frame
    from anon_ros.core.regions import UInt8Array


@dataclass(frozen=True)
class RawImage:
    """
    The fields of sensor_msgs/Image that say what its bytes mean, and the bytes.

    width, height: px. step: bytes a row, padding included.
    """

    width: int
    height: int
    encoding: str
    is_bigendian: bool
    step: int
    data: bytes | memoryview


def open_raw(
    image: RawImage, *, max_pixels: int | None = None, allow_depth: bool = False
) -> Frame:
    """
    Open an uncompressed image.

    allow_depth: whether a single channel of 16UC1, 32FC1 and the like is to be read as an image.
    Raises EncodingError for an unknown encoding, a depth image that is not allowed, and where
    width, height, step and the length of the data contradict each other.
    """
    encoding = find_encoding(image.encoding)
    if encoding.is_depth and not allow_depth:
        raise EncodingError(
            f'{image.encoding}: this is likely a depth image; copy or drop its topic by name'
        )
    check_size((image.width, image.height), max_pixels, image.encoding)
    length = memoryview(image.data).nbytes
    size = ImageSize(image.width, image.height, image.step, length)
    return RawFrame(image, encoding, plan(encoding, size, image.encoding))


class RawFrame:
    """An uncompressed image whose planes are views of one copy of its bytes."""

    def __init__(
        self, image: RawImage, encoding: Encoding, layouts: list[PlaneLayout]
    ) -> None:
        """Take an image and where its samples lie; open_raw finds that out and checks it."""
        self._image = image
        self._encoding = encoding
        self._layouts = layouts
        self._copy: bytearray | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self._image.width, self._image.height

    def view_bgr(self) -> UInt8Array:
        """Return (h, w, 3) uint8 BGR of the image as it stands now; read-only."""
        data = self._image.data if self._copy is None else self._copy
        view: UInt8Array = to_bgr(self._encoding, self._parts(data)).view()
        view.flags.writeable = False
        return view

    def planes(self) -> list[Plane]:
        """Return the planes to overwrite; the first call copies the bytes."""
        if self._copy is None:
            self._copy = bytearray(self._image.data)
        return self._planes_over(self._copy)

    def colour_maps(self) -> list[ColourMap | None]:
        """Return how the planes follow from BGR as the image stands now; None for distances."""
        if self._encoding.is_depth:
            return [None for _ in self._layouts]
        encoding = self._encoding
        is_full_range = encoding.family in {Family.PACKED, Family.BAYER} or (
            encoding.chroma_step_xy == (1, 1))
        maps = [
            colour_map(layout.colours, is_full_range=is_full_range) for layout in self._layouts
        ]
        if encoding.sample == 'u1':
            return maps
        data = self._image.data if self._copy is None else self._copy
        return stretched_maps(maps, self._parts(data)[0])

    def encode(self) -> bytes | memoryview:
        """Return the bytes: those that came in where nothing asked for the planes."""
        return self._image.data if self._copy is None else memoryview(self._copy)

    def encode_masked(self) -> bytes | memoryview:
        """Return as many bytes that are mid-gray all over; padding is 0."""
        blank = bytearray(memoryview(self._image.data).nbytes)
        for layout, plane in zip(self._layouts, self._planes_over(blank), strict=True):
            samples = layout.over(blank, self._dtype)
            samples[...] = np.asarray(plane.middle).astype(samples.dtype)
        return memoryview(blank)

    @property
    def _dtype(self) -> np.dtype[np.generic]:
        return self._encoding.dtype(self._image.is_bigendian)

    def _planes_over(self, data: bytearray) -> list[Plane]:
        middle, amplitude = levels(self._encoding)
        return [
            ArrayPlane(
                layout.over(data, self._dtype), layout.grid,
                middle=amplitude if layout.is_alpha else middle,
                amplitude=amplitude, is_chroma=layout.is_chroma,
            )
            for layout in self._layouts
        ]

    def _parts(self, data: Any) -> list[NDArray[Any]]:
        """Return the samples as they lie in memory, for views.to_bgr."""
        if self._encoding.family is Family.YUV_SEMI_PLANAR:
            return [layout.over(data, self._dtype) for layout in self._layouts]
        width, channels = self._image.width, self._encoding.channels
        sample = self._encoding.sample_bytes
        whole = PlaneLayout(
            Grid((width, self._image.height)), 0,
            (self._image.step, channels * sample, sample), channels,
        )
        return [whole.over(data, self._dtype)]
