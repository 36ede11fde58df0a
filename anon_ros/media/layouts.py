# SPDX-License-Identifier: Apache-2.0
"""
From an encoding, a size and a step to strided arrays over one buffer.

A layout is checked against the length of the data before it is used: it never reaches beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.core.planes import Grid
from anon_ros.errors import EncodingError
from anon_ros.media.encodings import Encoding, Family

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PlaneLayout:
    """
    Where one plane's samples lie in the bytes of an image.

    offset, strides: bytes; strides from row to row, from sample to sample, and, where a sample
        has several channels, from channel to channel.
    colours: the letters of its first channels, of B, G, R, Y, U and V; '' where they show none.
    """

    grid: Grid
    offset: int
    strides: tuple[int, ...]
    channels: int = 1
    is_chroma: bool = False
    is_alpha: bool = False
    colours: str = ''

    def over(self, data: Any, dtype: np.dtype[np.generic]) -> NDArray[Any]:
        """Return the samples in a buffer, (h, w) or (h, w, channels), without a copy."""
        width, height = self.grid.size_wh
        shape = (height, width, self.channels)[:len(self.strides)]
        samples: NDArray[Any] = np.ndarray(shape, dtype, data, self.offset, self.strides)
        return samples


@dataclass(frozen=True)
class ImageSize:
    """What an image message says of itself: px, px, bytes a row, bytes in all."""

    width: int
    height: int
    step: int
    length: int


def plan(encoding: Encoding, size: ImageSize, name: str) -> list[PlaneLayout]:
    """
    Return where an image's samples lie.

    name: the encoding's name, for messages.
    Raises EncodingError where size, step and length contradict each other. Bytes beyond the last
    row are refused too: they could hold what nobody looks at.
    """
    if encoding.family is Family.YUV_SEMI_PLANAR:
        return _plan_semi_planar(encoding, size, name)
    row = size.width * encoding.channels * encoding.sample_bytes
    if size.step < row:
        raise EncodingError(
            f'{name}: {size.width} px a row need {row} bytes, but step is {size.step}'
        )
    if size.length != size.step * size.height:
        raise EncodingError(
            f'{name}: {size.height} rows of {size.step} bytes are {size.step * size.height} '
            f'bytes, but there are {size.length}'
        )
    planners = {
        Family.PACKED: _plan_packed, Family.BAYER: _plan_bayer, Family.YUV_422: _plan_yuv_422,
    }
    return planners[encoding.family](encoding, size)


def _plan_packed(encoding: Encoding, size: ImageSize) -> list[PlaneLayout]:
    sample = encoding.sample_bytes
    strides = (size.step, sample * encoding.channels, sample)
    grid = Grid((size.width, size.height))
    visible = encoding.channels - encoding.has_alpha
    # As OpenCV has it, and as the detectors see it.
    colours = encoding.colours or ('BGR' if visible > 3 else '')
    planes = [PlaneLayout(grid, 0, strides, visible, colours=colours[:visible])]
    if encoding.has_alpha:
        planes.append(PlaneLayout(grid, visible * sample, strides, 1, True, True))
    return planes


def _plan_bayer(encoding: Encoding, size: ImageSize) -> list[PlaneLayout]:
    sample = encoding.sample_bytes
    planes = []
    for y, x in np.ndindex(2, 2):
        across, down = (size.width - x + 1) // 2, (size.height - y + 1) // 2
        if across and down:
            grid = Grid((across, down), (2, 2), (x, y))
            strides = (2 * size.step, 2 * sample)
            colour = encoding.colours[2 * y + x]
            planes.append(
                PlaneLayout(grid, y * size.step + x * sample, strides, colours=colour))
    return planes


def _plan_yuv_422(encoding: Encoding, size: ImageSize) -> list[PlaneLayout]:
    y, u, v = (encoding.colours.index(letter) for letter in 'YUV')
    planes = [PlaneLayout(Grid((size.width, size.height)), y, (size.step, 2), colours='Y')]
    for letter, offset in (('U', u), ('V', v)):
        # In an odd width the last pixel's second colour lies in the padding, or nowhere.
        across = min((size.width + 1) // 2, (size.step - offset + 3) // 4)
        if across:
            grid = Grid((across, size.height), (2, 1))
            planes.append(
                PlaneLayout(grid, offset, (size.step, 4), is_chroma=True, colours=letter))
    return planes


def _plan_semi_planar(encoding: Encoding, size: ImageSize, name: str) -> list[PlaneLayout]:
    """
    Lay out NV12, NV21 and NV24: rows of Y, then rows of U and V, of one step or without padding.

    The step of NV24's colour rows is twice that of its Y rows.
    """
    width, height = size.width, size.height
    step_x, step_y = encoding.chroma_step_xy
    across, down = -(-width // step_x), -(-height // step_y)
    for y_step, uv_step in ((width, 2 * across), (size.step, size.step * 2 // step_x)):
        tight = y_step * height + uv_step * down
        if y_step >= width and uv_step >= 2 * across and size.length == tight:
            break
    else:
        raise EncodingError(
            f'{name}: {width} x {height} px in rows of {size.step} bytes do not make '
            f'{size.length} bytes'
        )
    if size.step < width:
        raise EncodingError(f'{name}: {width} px a row need {width} bytes, step is {size.step}')
    chroma = Grid((across, down), encoding.chroma_step_xy)
    return [
        PlaneLayout(Grid((width, height)), 0, (y_step, 1), colours='Y'),
        PlaneLayout(
            chroma, y_step * height, (uv_step, 2, 1), 2, is_chroma=True, colours=encoding.colours),
    ]
