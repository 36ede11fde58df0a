# SPDX-License-Identifier: Apache-2.0
"""One decoded picture of a video, as planes in the pixel format it is stored in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np

from anon_ros.core.planes import ArrayPlane, Grid
from anon_ros.errors import EncodingError
from anon_ros.media.colour_maps import BT601, BT709, BT2020, SMPTE240M, colour_map
from anon_ros.media.video_encoder import MOST_CRF, USUAL_CRF, encode_pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.planes import ColourMap, Plane
    from anon_ros.core.regions import UInt8Array

FORMATS = {
    'yuv420p': (2, 2, 8), 'yuvj420p': (2, 2, 8), 'yuv422p': (2, 1, 8), 'yuvj422p': (2, 1, 8),
    'yuv444p': (1, 1, 8), 'yuvj444p': (1, 1, 8), 'gray': (0, 0, 8), 'gray10le': (0, 0, 10),
    'yuv420p10le': (2, 2, 10), 'yuv422p10le': (2, 1, 10), 'yuv444p10le': (1, 1, 10),
}
"""By pixel format: image pixels across and down for one chroma sample (0: no chroma), bits."""

_LUMAS = {1: BT709, 7: SMPTE240M, 9: BT2020, 10: BT2020}
"""By H.273's matrix coefficients, which FFmpeg numbers alike; it takes all others for BT.601."""
_FULL_RANGE = 2


class VideoPicture:
    """A decoded picture: its planes are copies, so a decoder's references stay as they are."""

    def __init__(self, picture: av.VideoFrame, codec: str) -> None:
        """
        Take a decoded picture and the codec it came in, 'h264' or 'hevc'.

        Raises EncodingError for a pixel format that is not planar YUV of 8 or 10 bits, or gray.
        """
        if picture.format.name not in FORMATS:
            raise EncodingError(f'video in pixel format {picture.format.name} is not supported')
        self._picture = picture
        self._codec = codec
        self._samples: list[NDArray[Any]] = []

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self._picture.width, self._picture.height

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the pixel format."""
        return str(self._picture.format.name)

    def view_bgr(self) -> UInt8Array:
        """Return (h, w, 3) uint8 BGR of the picture as it stands now; read-only."""
        view = self.to_av().to_ndarray(format='bgr24')
        view.flags.writeable = False
        return np.asarray(view, np.uint8)

    def planes(self) -> list[Plane]:
        """Return Y and the chroma planes; the first call copies them."""
        if not self._samples:
            self._samples = [array.copy() for array in _arrays(self._picture)]
        step_x, step_y, bits = FORMATS[self.pixel_format]
        middle, amplitude = float(2 ** (bits - 1)), float(2**bits - 1)
        return [
            ArrayPlane(
                samples, Grid(samples.shape[::-1], (step_x, step_y) if index else (1, 1)),
                middle=middle, amplitude=amplitude, is_chroma=index > 0,
            )
            for index, samples in enumerate(self._samples)
        ]

    def colour_maps(self) -> list[ColourMap | None]:
        """Return how each plane follows from BGR, by what the video says of its colours."""
        name = self.pixel_format
        # FFmpeg takes gray for full range whatever is said of it.
        is_full_range = (
            name.startswith(('yuvj', 'gray')) or self._picture.color_range == _FULL_RANGE)
        luma = _LUMAS.get(int(self._picture.colorspace), BT601)
        return [
            colour_map(letter, luma=luma, is_full_range=is_full_range, bits=FORMATS[name][2])
            for letter in ('Y' if name.startswith('gray') else 'YUV')
        ]

    def to_av(self) -> av.VideoFrame:
        """Return the picture for an encoder: the decoded one where nobody asked for planes."""
        if not self._samples:
            return self._picture
        most = 2 ** FORMATS[self.pixel_format][2] - 1
        picture = av.VideoFrame(*self.size_wh, self.pixel_format)
        for target, samples in zip(_arrays(picture), self._samples, strict=True):
            np.minimum(samples, most, out=target)
        _copy_properties(self._picture, picture)
        return picture

    def encode(self) -> bytes:
        """
        Return a packet of this picture alone: a keyframe with its parameter sets.

        It fits no other group of pictures: whole groups go by video.encode_gop.
        """
        return encode_pictures([self.to_av()], self._codec, USUAL_CRF)[0]

    def encode_masked(self) -> bytes:
        """Return such a packet of a picture that is mid-gray all over."""
        gray = gray_picture(self.size_wh, self.pixel_format)
        _copy_properties(self._picture, gray)
        return encode_pictures([gray], self._codec, MOST_CRF)[0]


def gray_picture(size_wh: tuple[int, int], pixel_format: str = 'yuv420p') -> av.VideoFrame:
    """Return a picture that is mid-gray all over."""
    picture = av.VideoFrame(*size_wh, pixel_format)
    for samples in _arrays(picture):
        samples[...] = 2 ** (FORMATS[pixel_format][2] - 1)
    return picture


def _arrays(picture: av.VideoFrame) -> list[NDArray[Any]]:
    """Return each plane's samples without a copy, (h, w), without the padding of its rows."""
    dtype = np.dtype('u1' if FORMATS[picture.format.name][2] == 8 else '<u2')
    arrays = []
    for plane in picture.planes:
        rows = np.frombuffer(memoryview(plane), dtype)
        rows = rows.reshape(-1, plane.line_size // dtype.itemsize)
        arrays.append(rows[:plane.height, :plane.width])
    return arrays


def _copy_properties(source: av.VideoFrame, target: av.VideoFrame) -> None:
    target.pts = source.pts
    if source.time_base is not None:
        target.time_base = source.time_base
    for name in ('color_range', 'colorspace', 'color_primaries', 'color_trc'):
        setattr(target, name, getattr(source, name))
