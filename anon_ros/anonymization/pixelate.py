# SPDX-License-Identifier: Apache-2.0
"""The mosaic: flat cells in the colour of the surroundings, with a pattern of their own."""

from __future__ import annotations

from anon_ros.anonymization.patterned import Look, Patterned
from anon_ros.anonymization.surroundings import stretch

BRIGHTNESS, TINT = 24.0, 6.0
"""Standard deviations of the cells, of 255: enough to read as a mosaic, and to cover the colour
that they are drawn around."""


class Pixelate(Patterned):
    """Fills regions with a mosaic that looks like one of the region and takes nothing from it."""

    def __init__(self, *, cells: int, seed: int) -> None:
        """Take the cells along the longer side and the seed of the patterns."""
        super().__init__(Look(cells, BRIGHTNESS, TINT, stretch), seed)
