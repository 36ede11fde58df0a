# SPDX-License-Identifier: Apache-2.0
"""
The encodings of sensor_msgs/Image and where each keeps its samples.

Source: sensor_msgs/image_encodings.hpp of ROS 2 Humble to Lyrical; the YUV layouts are those of
the Linux kernel's V4L2 documentation (UYVY, YUYV, NV12, NV21, NV24).

Mid-gray and the range of values of each sample type (the fields `middle` and `amplitude`):
unsigned integers 128 of 255, 32768 of 65535; signed integers 0; fractions 0.5 of a range 0..1.
A fraction's true range is not looked up in the image, because what is hidden must not decide
what replaces it. Depth images (see is_depth) take 0, which means no measurement (REP 118).
Alpha is a plane of its own whose middle is opaque.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anon_ros.errors import EncodingError


class Family(enum.Enum):
    """How samples lie in memory."""

    PACKED = enum.auto()
    """All channels of a pixel together."""
    BAYER = enum.auto()
    """One colour a pixel, in a mosaic of 2 x 2."""
    YUV_422 = enum.auto()
    """Two pixels in four bytes, sharing their colour."""
    YUV_SEMI_PLANAR = enum.auto()
    """All brightness first, then all colour, U and V interleaved."""


@dataclass(frozen=True)
class Encoding:
    """
    One encoding.

    sample: numpy's name of the sample type without byte order, as 'u1' or 'f4'.
    channels: samples a pixel of a packed encoding.
    colours: a packed encoding's channels ('BGR', 'RGBA', 'Y' ..., '' for unknown ones), the first
        row and second row of a Bayer mosaic ('RGGB'), or the order of bytes ('UYVY', 'UV', 'VU').
    chroma_step_xy: image pixels from one colour sample to the next.
    is_depth: whether a single channel of it is likely to hold distances.
    """

    family: Family
    sample: str
    channels: int
    colours: str
    chroma_step_xy: tuple[int, int] = (1, 1)
    is_depth: bool = False

    @property
    def sample_bytes(self) -> int:
        """Bytes a sample."""
        return int(self.sample[1:])

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel says how opaque a pixel is."""
        return self.colours.endswith('A')

    def dtype(self, is_bigendian: bool) -> np.dtype[np.generic]:
        """Return the sample type with its byte order."""
        return np.dtype(('>' if is_bigendian else '<') + self.sample)


class Levels(NamedTuple):
    """Mid-gray and the range of values of a plane."""

    middle: float
    amplitude: float


def levels(encoding: Encoding) -> Levels:
    """Return mid-gray and the range of values of an encoding's samples."""
    bits = 8 * encoding.sample_bytes
    if encoding.sample[0] == 'f':
        return Levels(0.0 if encoding.is_depth else 0.5, 1.0)
    amplitude = float(2**bits - 1)
    if encoding.sample[0] == 'i' or encoding.is_depth:
        return Levels(0.0, amplitude)
    return Levels(float(2 ** (bits - 1)), amplitude)


def _packed(sample: str, colours: str) -> Encoding:
    return Encoding(Family.PACKED, sample, len(colours), colours)


def _semi_planar(colours: str, step: int) -> Encoding:
    return Encoding(Family.YUV_SEMI_PLANAR, 'u1', 1, colours, (step, step))


_SAMPLES = {'8U': 'u1', '8S': 'i1', '16U': 'u2', '16S': 'i2', '32S': 'i4', '32F': 'f4',
            '64F': 'f8'}
_GENERIC = re.compile(r'(8U|8S|16U|16S|32S|32F|64F)C([1-9][0-9]{0,2})?')
_UYVY = Encoding(Family.YUV_422, 'u1', 2, 'UYVY', (2, 1))
_YUYV = Encoding(Family.YUV_422, 'u1', 2, 'YUYV', (2, 1))

ENCODINGS = {
    **{f'{colours.lower()}{8 * size}': _packed(f'u{size}', colours)
       for colours in ('RGB', 'RGBA', 'BGR', 'BGRA') for size in (1, 2)},
    **{f'mono{8 * size}': _packed(f'u{size}', 'Y') for size in (1, 2)},
    **{f'bayer_{colours.lower()}{8 * size}': Encoding(Family.BAYER, f'u{size}', 1, colours)
       for colours in ('RGGB', 'BGGR', 'GBRG', 'GRBG') for size in (1, 2)},
    'uyvy': _UYVY, 'yuv422': _UYVY, 'yuyv': _YUYV, 'yuv422_yuy2': _YUYV,
    'nv12': _semi_planar('UV', 2), 'nv21': _semi_planar('VU', 2), 'nv24': _semi_planar('UV', 1),
}
"""The encodings with a name; those of the form 8UC3 are read by find_encoding."""


def find_encoding(name: str) -> Encoding:
    """
    Return what is known of an encoding.

    Generic ones (8UC1, 16SC2, 32FC: <bits><U|S|F>C<channels>, no number for one channel) hold
    BGR or BGRA where they have three or four unsigned channels, as in OpenCV.
    Raises EncodingError for a name that is none.
    """
    known = ENCODINGS.get(name)
    if known is not None:
        return known
    match = _GENERIC.fullmatch(name)
    if match is None:
        raise EncodingError(f'encoding {name!r} is unknown')
    sample, channels = _SAMPLES[match[1]], int(match[2] or 1)
    colours = {1: 'Y', 3: 'BGR'}.get(channels, '')
    is_depth = channels == 1 and sample != 'u1'
    return Encoding(Family.PACKED, sample, channels, colours, is_depth=is_depth)


def is_depth(name: str) -> bool:
    """
    Return whether an encoding is likely to hold distances: one channel, not 8 bit, not mono.

    16UC1 and 32FC1 are depth images by REP 118, but thermal cameras use them too.
    Raises EncodingError for a name that is none.
    """
    return find_encoding(name).is_depth
