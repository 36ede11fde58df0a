# SPDX-License-Identifier: Apache-2.0
"""
Planes: the samples of an image as they are stored, whatever the encoding.

An anonymizer never converts an image: it reads and writes rectangles of planes. A bgr8 image is
one plane of three channels, a Bayer image four planes of every second sample, a JPEG one plane
per component that decodes only the blocks somebody asks for. What is not written stays as it is,
to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array


@dataclass(frozen=True)
class Grid:
    """
    Where a plane's samples lie in the image.

    size_wh: samples across and down.
    step_xy: image pixels from one sample to the next.
    offset_xy: the image position of the first sample.
    """

    size_wh: tuple[int, int]
    step_xy: tuple[int, int] = (1, 1)
    offset_xy: tuple[int, int] = (0, 0)

    @property
    def bounds(self) -> Rect:
        """The rectangle of all samples."""
        return Rect(0, 0, *self.size_wh)

    def covering(self, rect: Rect) -> Rect:
        """
        Return the samples that speak for any pixel of an image rectangle.

        A sample speaks for step_xy pixels from its multiple of the step on, whatever its offset:
        so subsampled chroma and Bayer sites never keep a pixel of the rectangle.
        """
        step_x, step_y = self.step_xy
        return Rect(
            rect.x_min // step_x, rect.y_min // step_y,
            -(-rect.x_max // step_x), -(-rect.y_max // step_y),
        ).intersect(self.bounds)


@dataclass(frozen=True)
class ColourMap:
    """
    How the first channels of a plane follow from BGR of 0..255; the others show no colour.

    samples = matrix @ bgr + offset. matrix: (k, 3) float32. offset: (k,) float32.
    """

    matrix: Float32Array
    offset: Float32Array

    def scaled(self, factor: float, shift: float) -> ColourMap:
        """Return the map to these samples times a factor, plus a shift."""
        matrix = np.asarray(self.matrix * factor, np.float32)
        return ColourMap(matrix, np.asarray(self.offset * factor + shift, np.float32))


class Plane(Protocol):
    """Samples that can be read and overwritten by rectangles."""

    @property
    def grid(self) -> Grid:
        """Where the samples lie in the image."""

    @property
    def middle(self) -> float:
        """The value of mid-gray, or of no colour in a chroma plane."""

    @property
    def amplitude(self) -> float:
        """The range of values that an 8-bit image spreads over 0..255, e.g. 65535 for 16 bit."""

    @property
    def is_chroma(self) -> bool:
        """Whether the samples carry colour only, no brightness."""

    def read(self, rect: Rect) -> Float32Array:
        """Return (h, w, channels) float32 samples of a rectangle inside the plane."""

    def write(self, rect: Rect, samples: Float32Array, inside: BoolArray) -> None:
        """
        Overwrite samples of a rectangle inside the plane.

        samples: (h, w, channels), or (h, w, 1) for all channels alike; rounded and clipped to
            the stored type.
        inside: (h, w), True where a sample is overwritten.
        """


class ArrayPlane:
    """A plane over an array, or over a strided view of one: written in place."""

    def __init__(
        self,
        samples: NDArray[Any],
        grid: Grid,
        *,
        middle: float,
        amplitude: float,
        is_chroma: bool = False,
    ) -> None:
        """Take (h, w) or (h, w, channels) samples of any numeric type and byte order."""
        self._samples = samples[..., None] if samples.ndim == 2 else samples
        self.grid = grid
        self.middle = middle
        self.amplitude = amplitude
        self.is_chroma = is_chroma

    def read(self, rect: Rect) -> Float32Array:
        """Return (h, w, channels) float32 samples of a rectangle inside the plane; NaN as 0."""
        samples = self._crop(rect).astype(np.float32)
        if np.issubdtype(self._samples.dtype, np.floating):
            np.nan_to_num(samples, copy=False)
        return samples

    def write(self, rect: Rect, samples: Float32Array, inside: BoolArray) -> None:
        """Overwrite the samples of a rectangle where inside is True."""
        target = self._crop(rect)
        if np.issubdtype(target.dtype, np.integer):
            limits = np.iinfo(target.dtype)
            # float32 cannot hold the largest 32-bit integer: it would round beyond it.
            exact = np.float64 if target.dtype.itemsize > 2 else np.float32
            samples = np.clip(np.rint(samples, dtype=exact), limits.min, limits.max)
        np.copyto(target, samples, where=inside[..., None], casting='unsafe')

    def _crop(self, rect: Rect) -> NDArray[Any]:
        return self._samples[rect.y_min:rect.y_max, rect.x_min:rect.x_max]


class Frame(Protocol):
    """One image, opened: what a detector sees of it, its planes, and the way back to bytes."""

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""

    def view_bgr(self) -> UInt8Array:
        """
        Return (h, w, 3) uint8 BGR for detectors; read-only.

        Raises FrameError where the payload cannot be decoded.
        """

    def planes(self) -> list[Plane]:
        """
        Return the planes to overwrite; together they hold every sample of the image.

        Raises FrameError where the payload cannot be decoded.
        """

    def colour_maps(self) -> list[ColourMap | None]:
        """
        Return how the samples of each of the planes follow from BGR, as the image stands now.

        None for a plane that view_bgr does not show, as one of opacities or of distances.
        """

    def encode(self) -> bytes | memoryview:
        """Return the payload with what was written to the planes, in the encoding it came in."""

    def encode_masked(self) -> bytes | memoryview:
        """Return a payload of the same size and encoding that is mid-gray all over."""
