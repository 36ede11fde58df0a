# SPDX-License-Identifier: Apache-2.0
"""
One component of a JPEG as a plane: only the blocks somebody asks for are decoded.

What is written goes back into the coefficients of the blocks that hold a changed sample; all
other blocks keep theirs. A block that lies half in a hole keeps its other samples as they were
decoded, but for rounding; however often it is written to, they are rounded once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anon_ros.core.boxes import Rect
    from anon_ros.core.planes import Grid
    from anon_ros.core.regions import BoolArray, Float32Array

Coefficients: TypeAlias = NDArray[np.int16]

_CENTRE = 128.0
_PORTION = 32
_LEAST_DC, _MOST = -1024, 1023


@functools.cache
def _transform() -> Float32Array:
    """
    Return the (64, 64) matrix from a block's coefficients to its samples, both row-major.

    The DCT of ITU-T T.81, A.3.3, is orthonormal: the transposed matrix is the way back.
    """
    k = np.arange(8)
    cosines = np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / 16) / 2
    cosines[0] /= np.sqrt(2)
    return np.kron(cosines, cosines).astype(np.float32)


def _multiply(blocks: Float32Array, matrix: Float32Array) -> Float32Array:
    """
    Return (N, 64) blocks times a (64, 64) matrix, in portions that BLAS does not share out.

    Its threads would wait for each other longer than the work takes where all cores are busy.
    """
    result = np.empty_like(blocks)
    for start in range(0, len(blocks), _PORTION):
        portion = slice(start, start + _PORTION)
        np.matmul(blocks[portion], matrix, out=result[portion])
    return result


class JpegPlane:
    """A component's samples, 0..255, over its quantized coefficients: written in place."""

    amplitude = 255.0
    middle = _CENTRE

    def __init__(
        self,
        coefficients: Coefficients,
        table: NDArray[np.uint16],
        grid: Grid,
        *,
        is_chroma: bool,
    ) -> None:
        """
        Take the coefficients to write to.

        coefficients: (down, across, 64) int16, at least as many blocks as the grid has samples.
        table: (64,) uint16 quantization steps. Both row-major.
        """
        self._coefficients = coefficients
        self._written: _Written | None = None
        self._table = table.astype(np.float32)
        self.grid = grid
        self.is_chroma = is_chroma

    @property
    def is_touched(self) -> bool:
        """Whether anything was written."""
        return self._written is not None

    @property
    def coefficients(self) -> Coefficients:
        """The quantized coefficients as they stand now, (down, across, 64) int16, row-major."""
        return self._coefficients

    def read(self, rect: Rect) -> Float32Array:
        """Return (h, w, 1) float32 samples of a rectangle inside the plane."""
        if rect.is_empty:
            return np.zeros((max(0, rect.height), max(0, rect.width), 1), np.float32)
        samples = self._decode(_Window(rect))
        return np.clip(samples, 0.0, 255.0)[..., None]

    def write(self, rect: Rect, samples: Float32Array, inside: BoolArray) -> None:
        """Overwrite the samples of a rectangle where inside is True."""
        if rect.is_empty or not inside.any():
            return
        if self._written is None:
            self._written = _Written(self._coefficients, self.grid.size_wh)
        self._written.put(rect, np.clip(samples[..., 0], 0.0, 255.0), inside)
        window = _Window(rect)
        whole = self._decode_blocks(window)
        self._spread_edge(window, whole)
        self._encode_blocks(window, whole, window.touched_blocks(inside))

    def _decode(self, window: _Window) -> Float32Array:
        return self._decode_blocks(window)[window.rows, window.columns]

    def _decode_blocks(self, window: _Window) -> Float32Array:
        """Return the samples of all blocks of a window, (8 * down, 8 * across) float32."""
        written = self._written
        source = self._coefficients if written is None else written.original
        quantized = source[window.blocks]
        down, across = quantized.shape[:2]
        flat = _multiply((quantized * self._table).reshape(-1, 64), _transform())
        whole = flat.reshape(down, across, 8, 8).swapaxes(1, 2).reshape(8 * down, 8 * across)
        whole = np.asarray(whole + np.float32(_CENTRE), np.float32)
        if written is not None:
            written.show(window, whole)
        return whole

    def _encode_blocks(self, window: _Window, whole: Float32Array, touched: BoolArray) -> None:
        down, across = touched.shape
        blocks = whole.reshape(down, 8, across, 8).swapaxes(1, 2)[touched].reshape(-1, 64)
        values = _multiply(blocks - np.float32(_CENTRE), _transform().T) / self._table
        quantized = np.clip(np.rint(values), -_MOST, _MOST)
        quantized[:, 0] = np.clip(np.rint(values[:, 0]), _LEAST_DC, _MOST)
        self._coefficients[window.blocks][touched] = quantized.astype(np.int16)

    def _spread_edge(self, window: _Window, whole: Float32Array) -> None:
        """
        Repeat the last column and row of the image in the blocks' part beyond it.

        An encoder put there what the image's edge showed, so it must go with it.
        """
        width, height = self.grid.size_wh
        right, bottom = width - window.left, height - window.top
        if 0 < right < whole.shape[1]:
            whole[:, right:] = whole[:, right - 1:right]
        if 0 < bottom < whole.shape[0]:
            whole[bottom:] = whole[bottom - 1:bottom]


class _Written:
    """
    The samples that were written, and the coefficients as they were before any of them.

    Without them each write would round what the one before has rounded already.
    """

    def __init__(self, coefficients: Coefficients, size_wh: tuple[int, int]) -> None:
        self.original = coefficients.copy()
        self._inside = np.zeros(size_wh[::-1], bool)
        self._samples = np.zeros(size_wh[::-1], np.float32)

    def put(self, rect: Rect, samples: Float32Array, inside: BoolArray) -> None:
        """Take samples of a rectangle where inside is True."""
        part = np.s_[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        np.copyto(self._samples[part], samples, where=inside)
        self._inside[part] |= inside

    def show(self, window: _Window, whole: Float32Array) -> None:
        """Put what was written into the decoded samples of a window."""
        height, width = window.shape
        part = np.s_[window.top:window.top + height, window.left:window.left + width]
        inside = self._inside[part]
        target = whole[:inside.shape[0], :inside.shape[1]]
        np.copyto(target, self._samples[part], where=inside)


class _Window:
    """A rectangle of samples, and the blocks it lies in."""

    def __init__(self, rect: Rect) -> None:
        x_first, y_first = rect.x_min // 8, rect.y_min // 8
        x_end, y_end = -(-rect.x_max // 8), -(-rect.y_max // 8)
        self.left, self.top = 8 * x_first, 8 * y_first
        self.shape = 8 * (y_end - y_first), 8 * (x_end - x_first)
        self.blocks = np.s_[y_first:y_end, x_first:x_end]
        self.rows = slice(rect.y_min - self.top, rect.y_max - self.top)
        self.columns = slice(rect.x_min - self.left, rect.x_max - self.left)

    def touched_blocks(self, inside: BoolArray) -> BoolArray:
        """Return (down, across): the blocks in which any sample is overwritten."""
        whole = np.zeros(self.shape, bool)
        whole[self.rows, self.columns] = inside
        down, across = self.shape[0] // 8, self.shape[1] // 8
        return np.asarray(whole.reshape(down, 8, across, 8).any(axis=(1, 3)))
