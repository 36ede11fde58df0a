# SPDX-License-Identifier: Apache-2.0
"""
How the channels of an encoding follow from BGR: the way back from what a detector sees.

Sources: ITU-R BT.601-7 and JFIF 1.02, BT.709-6, BT.2020-2, SMPTE 240M, for the weights of
brightness and for the limited range of 16..235 (colour 16..240) of 8 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from anon_ros.core.planes import ColourMap


class Luma(NamedTuple):
    """What red and blue give to the brightness, of 1."""

    red: float
    blue: float


BT601, BT709 = Luma(0.299, 0.114), Luma(0.2126, 0.0722)
BT2020, SMPTE240M = Luma(0.2627, 0.0593), Luma(0.212, 0.087)

_COLOURS = 'BGR'
_LUMA_RANGE, _CHROMA_RANGE, _BLACK, _NO_COLOUR = 219.0, 224.0, 16.0, 128.0


def colour_map(
    letters: str, *, luma: Luma = BT601, is_full_range: bool = True, bits: int = 8
) -> ColourMap | None:
    """
    Return the map of a plane from the letters of its channels; None for no letters.

    letters: of B, G, R, Y, U and V, one a channel. bits: of a YUV sample; B, G and R are of 8.
    """
    if not letters:
        return None
    rows = [_row(letter, luma, is_full_range, bits) for letter in letters]
    return ColourMap(
        np.array([matrix for matrix, _ in rows], np.float32),
        np.array([offset for _, offset in rows], np.float32),
    )


def _row(
    letter: str, luma: Luma, is_full_range: bool, bits: int
) -> tuple[tuple[float, ...], float]:
    """Return what B, G and R give to a channel, and its offset."""
    if letter in _COLOURS:
        return tuple(float(letter == each) for each in _COLOURS), 0.0
    scale = 2.0 ** (bits - 8)
    brightness = np.array([luma.blue, 1 - luma.red - luma.blue, luma.red])
    if letter == 'Y':
        most, black = (255.0, 0.0) if is_full_range else (_LUMA_RANGE, _BLACK)
        if is_full_range:
            scale = (2**bits - 1) / 255.0
        return tuple(brightness * scale * most / 255.0), black * scale
    colour = np.eye(3)[0 if letter == 'U' else 2] - brightness
    share = 2 * (1 - (luma.blue if letter == 'U' else luma.red))
    most = 255.0 if is_full_range else _CHROMA_RANGE
    return tuple(colour / share * scale * most / 255.0), _NO_COLOUR * scale
