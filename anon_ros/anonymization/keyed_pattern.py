# SPDX-License-Identifier: Apache-2.0
"""
Patterns drawn from a key: what a region shows beside the one colour around it.

Measured (docs/privacy.md): colours that follow the surroundings cell by cell make a region as
good as a fingerprint, and even their mean alone tells people apart. A pattern that belongs to the
track, and to nobody else, covers that; it stands still along the track, so that averaging frames
gives the pattern and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.regions import NO_TRACK

if TYPE_CHECKING:
    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Float32Array, Regions

SIDE = 16
"""Cells of a pattern; a region shows the first rows and columns of it."""
_TINTS = 3
_WORD = 2**32


@dataclass(frozen=True)
class KeyedPattern:
    """
    Random cells of a region, the same in every frame of its track.

    brightness: (16, 16) offsets, of 255. tints: (16, 16, 3) offsets of a plane or a channel.
    """

    brightness: Float32Array
    tints: Float32Array

    @classmethod
    def draw(
        cls, regions: Regions, index: int, *, seed: int, brightness: float, tint: float
    ) -> KeyedPattern:
        """
        Return the pattern of a region.

        It depends on the seed, the kind and the track; on the seed, the kind and the box where
        nothing follows the region. brightness, tint: standard deviations, of 255.
        """
        return _draw((seed, *_identity(regions, index)), brightness, tint)

    def cells(
        self, colour: Float32Array, plane: Plane, number: int, cells_xy: tuple[int, int]
    ) -> Float32Array:
        """
        Return (cells_y, cells_x, channels): cells around one colour, (channels,).

        number: of the plane in its image, so that planes of one channel differ in their tints.
        """
        across, down = cells_xy
        if plane.middle >= plane.amplitude:
            # How opaque a pixel is shows nobody, and holes in an image would only be odd.
            return np.broadcast_to(colour, (down, across, len(colour))).astype(np.float32)
        chosen = (number + np.arange(len(colour))) % _TINTS
        offsets = self.tints[:down, :across, chosen]
        if not plane.is_chroma:
            offsets = offsets + self.brightness[:down, :across, None]
        return np.asarray(colour + offsets * (plane.amplitude / 255), np.float32)


@lru_cache(maxsize=4096)
def _draw(key: tuple[int, ...], brightness: float, tint: float) -> KeyedPattern:
    """Return the pattern of a key; a track needs its own in every frame."""
    random = np.random.default_rng(key)
    return KeyedPattern(
        random.normal(0, brightness, (SIDE, SIDE)).astype(np.float32),
        random.normal(0, tint, (SIDE, SIDE, _TINTS)).astype(np.float32),
    )


def _identity(regions: Regions, index: int) -> list[int]:
    """Return whose pattern it is: what is known of a region but for what it shows."""
    kind, track = int(regions.kinds[index]), int(regions.track_ids[index])
    if track != NO_TRACK:
        return [kind, 1, track % _WORD, track // _WORD % _WORD]
    box = np.clip(np.rint(regions.boxes_xyxy[index]), -1e9, 1e9).astype(np.int64)
    return [kind, 0, *(int(value) % _WORD for value in box)]
