# SPDX-License-Identifier: Apache-2.0
"""Mask-out: mid-gray, 128 of 255, as in arXiv 2306.05135."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.anonymization.surroundings import drawing_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Regions


class MaskOut:
    """Fills regions with the middle value of every plane."""

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """Overwrite the regions in every plane."""
        for plane in planes:
            middle = np.full((1, 1, 1), plane.middle, np.float32)
            for _, hole, _ in drawing_order(regions, others, plane.grid):
                shape = (*hole.inside.shape, 1)
                plane.write(hole.rect, np.broadcast_to(middle, shape), hole.inside)
