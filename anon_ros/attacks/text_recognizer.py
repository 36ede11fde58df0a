# SPDX-License-Identifier: Apache-2.0
"""What stands on plates, by `rapidocr`: PP-OCR, Apache-2.0, its network in the wheel."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from anon_ros.attacks.extra import import_extra
from anon_ros.core.boxes import grow, to_rects

if TYPE_CHECKING:
    from anon_ros.attacks.interface import Identity, Picture

LEAST_CHARACTERS, LEAST_SCORE = 4, 0.8
"""A plate counts as read where that many characters come with that score, right or wrong."""
_GROWTH = 0.03
_CLEAR_LOOKS = 3
_REMEMBERED = 4096


class Reading(NamedTuple):
    """What the recognizer takes a plate for, without spaces, and how sure it is."""

    text: str
    score: float

    @property
    def is_read(self) -> bool:
        """Whether it counts as read."""
        return len(self.text) >= LEAST_CHARACTERS and self.score > LEAST_SCORE


class TextRecognizer:
    """Reads plates; the same pixels only once. Safe to call from one thread at a time."""

    def __init__(self) -> None:
        """Load the network; raise ModelError where the extra `attack` is not installed."""
        package: Any = import_extra('rapidocr')
        self._recognize = package.RapidOCR(params={'Global.log_level': 'critical'})
        self._read = lru_cache(maxsize=_REMEMBERED)(self._read_bytes)

    def read(self, picture: Picture) -> Reading:
        """Return what stands on the plate."""
        size_wh = (picture.image_bgr.shape[1], picture.image_bgr.shape[0])
        rect = to_rects(grow(picture.box_xyxy[None], _GROWTH), size_wh)[0]
        if rect.is_empty:
            return Reading('', 0.0)
        part = picture.image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        return self._read(part.tobytes(), part.shape[:2])

    def read_clear(self, identity: Identity) -> Reading:
        """Return the best reading of a plate's first looks, before it was hidden."""
        readings = [self.read(look.picture('clear')) for look in identity.looks[:_CLEAR_LOOKS]]
        return max(readings, key=lambda reading: (reading.is_read, reading.score))

    def _read_bytes(self, pixels_bgr: bytes, size_hw: tuple[int, int]) -> Reading:
        part = np.frombuffer(pixels_bgr, np.uint8).reshape(*size_hw, 3)
        found = self._recognize(part, use_det=False, use_cls=False, use_rec=True)
        texts, scores = found.txts or (), found.scores or ()
        text = ''.join(''.join(texts).split()).upper()
        return Reading(text, float(min(scores, default=0.0)))


@lru_cache(maxsize=1)
def load_recognizer() -> TextRecognizer:
    """Return the recognizer of this process; raise ModelError without the extra `attack`."""
    return TextRecognizer()
