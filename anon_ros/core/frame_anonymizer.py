# SPDX-License-Identifier: Apache-2.0
"""
One frame from payload to payload, failing closed.

There are three outcomes and no fourth: the frame keeps its bytes because nothing in it has to be
hidden, it comes back with its regions overwritten, or it comes back masked all over. A frame that
nobody could look into is never taken for one with nothing to hide.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.core import boxes
from anon_ros.core.regions import Regions

if TYPE_CHECKING:
    from anon_ros.core.interfaces import RegionAnonymizer
    from anon_ros.core.planes import Frame

LEAST_MARGIN_PX = 2.0
"""A box of a few pixels is off by about one: a share of its size alone would not cover that."""


class Outcome(str, enum.Enum):
    """What became of a frame."""

    UNCHANGED = 'unchanged'
    ANONYMIZED = 'anonymized'
    MASKED = 'masked'


@dataclass(frozen=True)
class AnonymizedFrame:
    """
    A frame that may leave.

    payload: the new bytes, or None where the original bytes may stay.
    """

    outcome: Outcome
    payload: bytes | memoryview | None


class FrameAnonymizer:
    """Overwrites the regions of a frame, with a margin around them."""

    def __init__(self, anonymizer: RegionAnonymizer, *, margin: float) -> None:
        """Take what fills regions, and the margin as a share of a region's size."""
        self._anonymizer = anonymizer
        self._margin = margin

    def hidden(self, regions: Regions) -> Regions:
        """
        Return the regions as they are hidden: boxes larger by the margin on each side.

        A silhouette stays as it is: whoever finds it has made it larger than what was seen.
        """
        return regions.with_boxes(
            boxes.grow(regions.boxes_xyxy, self._margin, LEAST_MARGIN_PX)
        )

    def overwrite(self, frame: Frame, regions: Regions) -> None:
        """
        Overwrite the regions and their margins in a frame's planes.

        Raises FrameError where the payload cannot be decoded; the caller masks the frame then.
        """
        if len(regions):
            self._anonymizer.anonymize(frame.planes(), self.hidden(regions), Regions.empty())

    def anonymize(self, frame: Frame, regions: Regions) -> AnonymizedFrame:
        """
        Return the frame with its regions overwritten; its own bytes where there are none.

        Raises FrameError where the payload cannot be decoded; the caller masks the frame then.
        """
        if not len(regions):
            return AnonymizedFrame(Outcome.UNCHANGED, None)
        self.overwrite(frame, regions)
        return AnonymizedFrame(Outcome.ANONYMIZED, frame.encode())
