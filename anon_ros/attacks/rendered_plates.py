# SPDX-License-Identifier: Apache-2.0
"""Plates as an attacker draws them who knows a list of texts: into a frame, in its light."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import to_rects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Picture
    from anon_ros.core.boxes import Rect
    from anon_ros.core.regions import Float32Array, UInt8Array

LETTERS, DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '0123456789'
_PLATE_WH = (240, 56)
_MIDDLE_X = 0.53
_GLYPH_SHARE = 0.82
_FONT, _FONT_SCALE, _STROKE = cv2.FONT_HERSHEY_SIMPLEX, 2.0, 6
_PAPER, _INK = 1.25, 0.4
"""Brightness of a plate's ground and of its text, by that of the whole plate."""
_RING_PX = 3


@dataclass(frozen=True)
class Layout:
    """
    How the text stands on a plate.

    width, height: of the text, as shares of the plate's. gap: between letters and digits, in
    widths of a character.
    """

    width: float
    height: float
    gap: float

    @property
    def text_xyxy(self) -> tuple[float, float, float, float]:
        """Where the text is, as shares of the plate: behind a band, when there is one."""
        left = _MIDDLE_X - self.width / 2
        top = (1 - self.height) / 2
        return left, top, left + self.width, top + self.height


LAYOUTS = tuple(
    Layout(width, height, gap)
    for width in (0.66, 0.74, 0.82) for height in (0.5, 0.64) for gap in (0.35, 0.8)
)


def draw_candidates(truth: str, others: Sequence[str], count: int) -> list[str]:
    """
    Return the truth, then so many different texts of its pattern, then the others.

    A letter stands for a letter, and a digit for a digit; what is neither stays. The same truth
    gives the same texts. Of a pattern with fewer texts all of them come.
    """
    random = np.random.default_rng([ord(character) for character in truth])
    texts = dict.fromkeys([truth])
    for _ in range(20 * count):
        if len(texts) > count:
            break
        texts.setdefault(''.join(_another(character, random) for character in truth))
    return list(texts | dict.fromkeys(others))


@dataclass(frozen=True, eq=False)
class Blank:
    """
    What an attacker sees of a plate, with the hole in the colour that is around it.

    Nothing but what is shown is used: how light the region is, and what lies around it.
    """

    ground_bgr: UInt8Array
    rect: Rect
    mean_bgr: Float32Array

    @classmethod
    def of(cls, picture: Picture) -> Blank | None:
        """Return what is to be drawn on; None where nothing of the plate is in the picture."""
        size_wh = (picture.image_bgr.shape[1], picture.image_bgr.shape[0])
        rect = to_rects(picture.box_xyxy[None], size_wh)[0]
        if rect.is_empty:
            return None
        part = picture.image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        return cls(_filled(picture), rect, part.reshape(-1, 3).mean(axis=0).astype(np.float32))

    def with_text(self, text: str, layout: Layout) -> UInt8Array:
        """Return (h, w, 3): the picture with that plate in it."""
        rect = self.rect
        ink = cv2.resize(
            _drawn(text, layout), (rect.width, rect.height), interpolation=cv2.INTER_AREA)
        level = _PAPER + (_INK - _PAPER) * ink[..., None]
        scene = self.ground_bgr.copy()
        scene[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = np.clip(
            np.rint(level * self.mean_bgr), 0, 255)
        return np.asarray(scene, np.uint8)


def _another(character: str, random: np.random.Generator) -> str:
    for alphabet in (LETTERS, DIGITS):
        if character in alphabet:
            return alphabet[int(random.integers(len(alphabet)))]
    return character


def _filled(picture: Picture) -> UInt8Array:
    """Return the picture with the hole in the colour that is around it."""
    hole = picture.hole.astype(np.uint8)
    side = 2 * _RING_PX + 1
    ring = (cv2.dilate(hole, np.ones((side, side), np.uint8)) > 0) & ~picture.hole
    around = picture.image_bgr[ring] if ring.any() else picture.image_bgr.reshape(-1, 3)
    colour = np.rint(around.mean(axis=0)).astype(np.uint8)
    return np.where(picture.hole[..., None], colour, picture.image_bgr)


@lru_cache(maxsize=8192)
def _drawn(text: str, layout: Layout) -> Float32Array:
    """Return (56, 240), 0..1: how much ink there is."""
    width, height = _PLATE_WH
    ink = np.zeros((height, width), np.float32)
    starts = _starts(text, layout.gap)
    left, top, right, bottom = layout.text_xyxy
    step = (right - left) * width / (starts[-1] + 1)
    rows = slice(round(top * height), round(bottom * height))
    wide = max(1, round(_GLYPH_SHARE * step))
    for character, start in zip(text, starts, strict=True):
        x = round(left * width + start * step)
        ink[rows, x:x + wide] = cv2.resize(
            _glyph(character), (wide, rows.stop - rows.start), interpolation=cv2.INTER_AREA)
    return ink


def _starts(text: str, gap: float) -> list[float]:
    """Return where each character begins, in widths of one."""
    starts = [0.0]
    for before, after in itertools.pairwise(text):
        changes = (before in DIGITS) != (after in DIGITS)
        starts.append(starts[-1] + 1 + (gap if changes else 0))
    return starts


@lru_cache(maxsize=256)
def _glyph(character: str) -> Float32Array:
    """Return a character, cut tightly, 0..1."""
    canvas = np.zeros((110, 110), np.uint8)
    cv2.putText(canvas, character, (20, 80), _FONT, _FONT_SCALE, 255, _STROKE, cv2.LINE_AA)
    rows, columns = canvas.any(axis=1).nonzero()[0], canvas.any(axis=0).nonzero()[0]
    if not len(rows):
        return np.zeros((2, 2), np.float32)
    return np.asarray(
        canvas[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] / np.float32(255), np.float32)
