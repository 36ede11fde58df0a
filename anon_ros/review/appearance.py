# SPDX-License-Identifier: Apache-2.0
"""
What a drawn box looks like, told apart from what is around it.

A correlation filter over several channels (Bolme et al. 2010, Henriques et al. 2015): it answers
with a peak where the box is, and was taught to answer with nothing around it. So it does not
slide off onto what lies behind. Half of it stays as it was drawn, half learns how it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.review.flow import Box

_BOX_AREA_PX = 32 * 32
"""A box is looked at in this size, whatever it has in the picture."""
_AROUND = 0.75
"""How much is looked at on each side, in the mean of width and height."""
_CELL_PX = 2
_PEAK_CELLS = 1.6
_REGULARIZATION = 1e-3
_RATE = 0.02
_SCALES = (1.0, 0.97, 1.03)
_SCALE_DOUBT = 0.99
"""Another size has to answer a little better than the same."""


@dataclass(frozen=True)
class Found:
    """Where a box is; sureness: how well it answers, about 1 for what was drawn, 0 for nothing."""

    box: Box
    sureness: float


class Appearance:
    """The look of one box, from the picture in which it was drawn."""

    def __init__(self, image_bgr: UInt8Array, box: Box) -> None:
        """image_bgr: (h, w, 3) uint8. box: wider and higher than 0."""
        width, height = box[2] - box[0], box[3] - box[1]
        more = _AROUND * (width + height)
        self._field_wh = (width + more) / width, (height + more) / height
        zoom = (_BOX_AREA_PX / (width * height)) ** 0.5
        self._cells_wh = tuple(
            2 * max(round(side * zoom / _CELL_PX / 2), 4)
            for side in (width + more, height + more)
        )
        cells_w, cells_h = self._cells_wh
        self._window = np.outer(_window(cells_h), _window(cells_w)).astype(np.float32)
        self._wanted = np.fft.rfft2(_peak(cells_w, cells_h))
        self._drawn = self._learnt = self._taught(image_bgr, box)
        self._full = max(float(self._answer(image_bgr, box).max()), 1e-6)

    def find(self, image_bgr: UInt8Array, near: Box) -> Found:
        """Return where the box is in a picture of the same camera, near a place."""
        answers = [(self._answer(image_bgr, scaled(near, scale)), scale) for scale in _SCALES]
        answer, scale = max(
            answers, key=lambda each: float(each[0].max()) * (
                1.0 if each[1] == 1.0 else _SCALE_DOUBT))
        x, y = _top(answer)
        box = scaled(near, scale)
        cells_w, cells_h = self._cells_wh
        shift_x = (x - cells_w // 2) * (box[2] - box[0]) * self._field_wh[0] / cells_w
        shift_y = (y - cells_h // 2) * (box[3] - box[1]) * self._field_wh[1] / cells_h
        place = box[0] + shift_x, box[1] + shift_y, box[2] + shift_x, box[3] + shift_y
        return Found(place, float(answer.max()) / self._full)

    def learn(self, image_bgr: UInt8Array, box: Box) -> None:
        """Take in how it looks now."""
        taught = self._taught(image_bgr, box)
        self._learnt = tuple(
            (1 - _RATE) * old + _RATE * new for old, new in zip(self._learnt, taught, strict=True))

    def _taught(self, image_bgr: UInt8Array, box: Box) -> tuple[NDArray[np.complex64], ...]:
        seen = self._channels(image_bgr, box)
        return np.conj(self._wanted)[..., None] * seen, (seen * np.conj(seen)).sum(-1).real

    def _answer(self, image_bgr: UInt8Array, box: Box) -> Float32Array:
        seen = self._channels(image_bgr, box)
        taught, power = (
            (old + new) / 2 for old, new in zip(self._drawn, self._learnt, strict=True))
        answer = np.fft.irfft2(
            (np.conj(taught) * seen).sum(-1) / (power + _REGULARIZATION * power.mean() + 1e-12),
            s=self._window.shape)
        return np.asarray(np.fft.fftshift(answer), np.float32)

    def _channels(self, image_bgr: UInt8Array, box: Box) -> NDArray[np.complex64]:
        """Return edges by direction, and colours, as (cells_h, cells_w // 2 + 1, N)."""
        colours = self._field(image_bgr, box)
        gray = colours[..., 0]
        across, down = (cv2.Sobel(gray, cv2.CV_32F, x, 1 - x) for x in (1, 0))
        strength = cv2.magnitude(across, down)
        even = strength / (cv2.blur(strength, (9, 9)) + 0.02)
        unit = even / (strength * strength + 1e-6)
        # The double angle: an edge from light to dark is one from dark to light.
        straight, slanted = (across * across - down * down) * unit, 2 * across * down * unit
        edges = np.dstack([np.maximum(straight, 0), np.maximum(-straight, 0),
                           np.maximum(slanted, 0), np.maximum(-slanted, 0)])
        edges = cv2.resize(cv2.blur(edges, (3, 3)), self._cells_wh, interpolation=cv2.INTER_AREA)
        flat = cv2.resize(colours, self._cells_wh, interpolation=cv2.INTER_AREA)
        flat = (flat - flat.mean(axis=(0, 1))) * np.array([1, 3, 3], np.float32)
        layers = np.concatenate([edges * 0.5, flat], axis=-1) * self._window[..., None]
        return np.asarray(np.fft.rfft2(layers, axes=(0, 1)), np.complex64)

    def _field(self, image_bgr: UInt8Array, box: Box) -> Float32Array:
        """Return a box and what is around it in one size, as Lab in 0..1."""
        size_wh = self._cells_wh[0] * _CELL_PX, self._cells_wh[1] * _CELL_PX
        zoom_x = size_wh[0] / ((box[2] - box[0]) * self._field_wh[0])
        zoom_y = size_wh[1] / ((box[3] - box[1]) * self._field_wh[1])
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        moved = np.array([
            [zoom_x, 0, size_wh[0] / 2 - zoom_x * x], [0, zoom_y, size_wh[1] / 2 - zoom_y * y],
        ])
        field = cv2.warpAffine(
            image_bgr, moved, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        lab = cv2.cvtColor(field, cv2.COLOR_BGR2LAB)
        return np.asarray(np.asarray(lab, np.float32) / 255, np.float32)


def scaled(box: Box, scale: float) -> Box:
    """Return a box of another size around the same middle."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_w, half_h = (box[2] - box[0]) / 2 * scale, (box[3] - box[1]) / 2 * scale
    return x - half_w, y - half_h, x + half_w, y + half_h


def _window(cells: int) -> NDArray[np.float64]:
    """Return weights that fade to the edges, so that they do not count as edges."""
    return np.hanning(cells + 2)[1:-1]


def _peak(cells_w: int, cells_h: int) -> NDArray[np.float64]:
    x = np.minimum(np.arange(cells_w), cells_w - np.arange(cells_w))
    y = np.minimum(np.arange(cells_h), cells_h - np.arange(cells_h))
    far = (x[None] ** 2 + y[:, None] ** 2) / (2 * _PEAK_CELLS ** 2)
    return np.asarray(np.exp(-far), np.float64)


def _top(answer: Float32Array) -> tuple[float, float]:
    """Return the place of the peak, x and y, between the cells: the top of a parabola."""
    y, x = (int(each) for each in np.unravel_index(int(answer.argmax()), answer.shape))
    return x + _vertex(answer[y], x), y + _vertex(answer[:, x], y)


def _vertex(line: Float32Array, at: int) -> float:
    left, middle, right = (float(line[(at + each) % len(line)]) for each in (-1, 0, 1))
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5)) if bend else 0.0
