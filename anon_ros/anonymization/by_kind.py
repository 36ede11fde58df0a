# SPDX-License-Identifier: Apache-2.0
"""A method for each kind of region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.core.regions import Kind, Regions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.core.interfaces import RegionAnonymizer
    from anon_ros.core.planes import Plane

# The smaller the thing, the later it is drawn: a face stays a face on top of its body.
DRAWING_ORDER = (Kind.BODY, Kind.PLATE, Kind.FACE)


class ByKind:
    """Gives the regions of each kind to the anonymizer of that kind."""

    def __init__(self, anonymizers: Mapping[Kind, RegionAnonymizer]) -> None:
        """Take an anonymizer for every kind that can occur."""
        self._anonymizers = dict(anonymizers)

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """
        Overwrite the regions in every plane.

        Raises KeyError for a kind without an anonymizer: a region is never left out.
        """
        rest = regions
        for kind in DRAWING_ORDER:
            chosen, rest = rest.of_kind(kind), rest.select(rest.kinds != int(kind))
            if len(chosen):
                untouched = Regions.concatenate([rest, others])
                self._anonymizers[kind].anonymize(planes, chosen, untouched)
