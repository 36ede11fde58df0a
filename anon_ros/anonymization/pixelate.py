# SPDX-License-Identifier: Apache-2.0
"""The mosaic: flat cells in the colours of the surroundings, with a pattern of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.anonymization.surroundings import (
    cell_counts,
    drawing_order,
    stretch,
    surrounding_cells,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Float32Array, Regions

PATTERN_SIZE = 16
PATTERN_DEVIATION = 18.0
"""Standard deviation of the cells' brightness, of 255: enough to read as a mosaic."""


class Pixelate:
    """
    Fills regions with a mosaic that looks like one of the region and takes nothing from it.

    The cells' number is fixed along the region's longer side, so a region of any size shows the
    same. The pattern depends on the seed and the kind alone: it does not flicker, averaging the
    frames of a track gives the pattern and nothing else, and it links no two regions.
    """

    def __init__(self, *, cells: int, seed: int) -> None:
        """Take the cells along the longer side and the seed of the pattern."""
        self._cells = cells
        self._seed = seed

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """Overwrite the regions in every plane."""
        patterns = [self._pattern(kind) for kind in regions.kinds]
        for plane in planes:
            for i, hole, unknown in drawing_order(regions, others, plane.grid):
                across, down = cell_counts(hole.rect, self._cells)
                cells = surrounding_cells(plane, hole, unknown, (across, down))
                if not plane.is_chroma:
                    pattern = patterns[i][:down, :across, None]
                    cells = cells + pattern * (plane.amplitude / 255)
                plane.write(hole.rect, stretch(cells, hole.rect), hole.inside)

    def _pattern(self, kind: int) -> Float32Array:
        """Return (16, 16) brightness offsets, of 255, the same in every frame."""
        random = np.random.default_rng([self._seed, int(kind)])
        pattern = random.normal(0, PATTERN_DEVIATION, (PATTERN_SIZE, PATTERN_SIZE))
        return pattern.astype(np.float32)
