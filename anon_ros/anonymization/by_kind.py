# SPDX-License-Identifier: Apache-2.0
"""A method for each kind of region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.core.interfaces import RegionAnonymizer
    from anon_ros.core.planes import Plane
    from anon_ros.core.regions import Regions

# The smaller the thing, the later it is drawn: a face stays a face on top of its body.
DRAWING_ORDER = (Kind.BODY, Kind.PLATE, Kind.FACE)


class ByKind:
    """Gives the regions of each kind to the anonymizer of that kind."""

    def __init__(self, anonymizers: Mapping[Kind, RegionAnonymizer]) -> None:
        """Take an anonymizer for every kind that can occur."""
        self._anonymizers = dict(anonymizers)

    def anonymize(self, planes: Sequence[Plane], regions: Regions, hidden: Regions) -> None:
        """
        Overwrite the regions in every plane.

        Raises KeyError for a kind without an anonymizer: a region is never left out.
        """
        for kind in DRAWING_ORDER:
            chosen = regions.of_kind(kind)
            if len(chosen):
                self._anonymizers[kind].anonymize(planes, chosen, hidden)
