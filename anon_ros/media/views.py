# SPDX-License-Identifier: Apache-2.0
"""
What a detector sees of a raw image: 8-bit BGR, whatever the encoding.

Wider samples are spread over 0..255 from the 0.5th to the 99.5th percentile, because cameras of
10 or 12 bits fill only a part of 16. Colour spaces are BT.601. Nothing here is ever written back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.media.encodings import Encoding, Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from anon_ros.core.planes import ColourMap
    from anon_ros.core.regions import UInt8Array

_TO_BGR = {
    'RGB': cv2.COLOR_RGB2BGR, 'RGBA': cv2.COLOR_RGBA2BGR, 'BGRA': cv2.COLOR_BGRA2BGR,
    'Y': cv2.COLOR_GRAY2BGR,
    # OpenCV names a mosaic by the second row's second and third pixel.
    'RGGB': cv2.COLOR_BayerBG2BGR, 'BGGR': cv2.COLOR_BayerRG2BGR,
    'GBRG': cv2.COLOR_BayerGR2BGR, 'GRBG': cv2.COLOR_BayerGB2BGR,
}
_TWO_PLANES = {'UV': cv2.COLOR_YUV2BGR_NV12, 'VU': cv2.COLOR_YUV2BGR_NV21}
_FOUR_BYTES = {'UYVY': cv2.COLOR_YUV2BGR_UYVY, 'YUYV': cv2.COLOR_YUV2BGR_YUYV}
_LEAST_MOSAIC = 4


def to_bgr(encoding: Encoding, parts: Sequence[NDArray[Any]]) -> UInt8Array:
    """
    Return (h, w, 3) uint8 BGR.

    parts: the samples as they lie in memory: one array (h, w, channels) of a packed or Bayer
        image, (h, w, 2) of 4:2:2, and Y (h, w) and colour (h, w, 2) of a semi-planar one.
    """
    if encoding.family is Family.YUV_SEMI_PLANAR:
        return _semi_planar_to_bgr(parts[0], parts[1], encoding)
    if encoding.family is Family.YUV_422:
        return _yuv_422_to_bgr(parts[0], encoding.colours)
    samples, colours = parts[0], encoding.colours
    if encoding.family is Family.BAYER:
        return demosaic(stretch(samples)[..., 0], colours)
    if samples.dtype != np.uint8:
        samples, colours = _coloured(samples), colours[:3]
    return _packed_to_bgr(stretch(samples), colours)


def stretch(samples: NDArray[Any]) -> UInt8Array:
    """Return samples of any type as 8 bit; 8-bit unsigned ones as they are, without a copy."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    low, high = _robust_range(samples)
    scale = 255.0 / (high - low) if high > low else 0.0
    if samples.dtype.kind == 'u':
        rows = np.ascontiguousarray(samples, np.uint16).reshape(len(samples), -1)
        lifted = cv2.subtract(rows, np.full(4, low), dtype=cv2.CV_16U)
        view = np.asarray(cv2.convertScaleAbs(lifted, alpha=scale), np.uint8)
        return view.reshape(samples.shape)
    with np.errstate(all='ignore'):
        values = np.nan_to_num(samples.astype(np.float32), nan=low, posinf=high, neginf=low)
        values -= np.float32(low)
        values *= np.float32(scale)
        return np.clip(values, 0, 255, out=values).astype(np.uint8)


def stretched_maps(
    maps: Sequence[ColourMap | None], samples: NDArray[Any]
) -> list[ColourMap | None]:
    """
    Return the maps of samples wider than 8 bits from those of 8 bits, as stretch spreads them.

    samples: (h, w, channels), all of the image as it stands now; those beyond the colours of a
        packed image do not count. A flat image, which cannot be spread, keeps its values.
    """
    low, high = _robust_range(_coloured(samples))
    factor, shift = ((high - low) / 255.0, low) if high > low else (1.0, 0.0)
    return [None if each is None else each.scaled(factor, shift) for each in maps]


def demosaic(mosaic: UInt8Array, colours: str) -> UInt8Array:
    """
    Return (h, w, 3) BGR of a Bayer mosaic.

    colours: its first two rows, as 'RGGB'. Images too small for interpolation come out gray.
    """
    if min(mosaic.shape) < _LEAST_MOSAIC:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(mosaic), cv2.COLOR_GRAY2BGR), np.uint8)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(mosaic), _TO_BGR[colours]), np.uint8)


def _coloured(samples: NDArray[Any]) -> NDArray[Any]:
    """Leave out alpha, which is full nearly everywhere: it must not say how bright colours are."""
    return samples[..., :3] if samples.shape[2] > 3 else samples


def _packed_to_bgr(pixels: UInt8Array, colours: str) -> UInt8Array:
    if colours == 'BGR':
        return pixels
    if colours in _TO_BGR:
        return np.asarray(cv2.cvtColor(pixels, _TO_BGR[colours]), np.uint8)
    if pixels.shape[2] > 2:
        return np.ascontiguousarray(pixels[..., :3])
    # Two channels may be brightness and colour in either order: the livelier one is brightness.
    brightness = pixels[..., int(np.argmax(pixels.std(axis=(0, 1))))]
    gray = np.ascontiguousarray(brightness)
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)


def _robust_range(samples: NDArray[Any]) -> tuple[float, float]:
    step_y, step_x = (max(1, size // 256) for size in samples.shape[:2])
    with np.errstate(invalid='ignore'):
        some = samples[::step_y, ::step_x].astype(np.float64)
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 0.0
    low, high = np.percentile(some, (0.5, 99.5))
    return float(low), float(high)


def _semi_planar_to_bgr(luma: UInt8Array, chroma: UInt8Array, encoding: Encoding) -> UInt8Array:
    height, width = luma.shape
    if encoding.chroma_step_xy == (1, 1):
        pixels = np.dstack([luma, chroma[..., 1], chroma[..., 0]])
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_YCrCb2BGR), np.uint8)
    even = cv2.copyMakeBorder(luma, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    code = _TWO_PLANES[encoding.colours]
    bgr = cv2.cvtColorTwoPlane(even, np.ascontiguousarray(chroma), code)
    return np.asarray(bgr[:height, :width], np.uint8)


def _yuv_422_to_bgr(pairs: UInt8Array, order: str) -> UInt8Array:
    width = pairs.shape[1]
    even = cv2.copyMakeBorder(pairs, 0, 0, 0, width % 2, cv2.BORDER_REFLECT)
    if width % 2 and width > 1:
        # The last pixel's second colour is nowhere: its neighbour's is the nearest.
        even[:, -1] = pairs[:, -2]
    bgr = cv2.cvtColor(even, _FOUR_BYTES[order])
    return np.asarray(bgr[:, :width], np.uint8)
