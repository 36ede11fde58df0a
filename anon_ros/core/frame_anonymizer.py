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
from anon_ros.core.interfaces import Hidden, Synthesis
from anon_ros.core.regions import Regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.interfaces import RegionAnonymizer, RegionSynthesizer
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

    payload: the new bytes, or None where the original bytes may stay. synthesis: what a generator
    painted, or could not; None where there is none.
    """

    outcome: Outcome
    payload: bytes | memoryview | None
    synthesis: Synthesis | None = None


class FrameAnonymizer:
    """
    Overwrites the regions of a frame, with a margin around them.

    Where a generator is to paint, everything is hidden by a classic method first: whatever fails
    afterwards, nothing is left to see.
    """

    def __init__(
        self, anonymizer: RegionAnonymizer, *, margin: float,
        synthesizer: RegionSynthesizer | None = None,
    ) -> None:
        """Take what fills regions, the margin as a share of a region's size, and a generator."""
        self._anonymizer = anonymizer
        self._margin = margin
        self._synthesizer = synthesizer

    @property
    def is_painting(self) -> bool:
        """Whether a generator paints over what is hidden."""
        return self._synthesizer is not None

    def hidden(self, regions: Regions) -> Regions:
        """Return the regions as they are hidden; see with_margin."""
        return with_margin(regions, self._margin)

    def hide(self, frame: Frame, regions: Regions) -> None:
        """
        Overwrite the regions and their margins in a frame's planes, without a generator.

        Raises FrameError where the payload cannot be decoded; the caller masks the frame then.
        """
        if len(regions):
            self._anonymizer.anonymize(frame.planes(), self.hidden(regions), Regions.empty())

    def synthesize(self, frames: Sequence[Hidden]) -> list[Synthesis | None]:
        """
        Paint over regions that were hidden, in all frames at once; None where nobody paints.

        frames: with their regions as they were given to hide. Raises ModelError where the network
        cannot run.
        """
        if self._synthesizer is None:
            return [None] * len(frames)
        return list(self._synthesizer.synthesize([
            each._replace(regions=self.hidden(each.regions)) for each in frames
        ]))

    def overwrite(
        self, frame: Frame, regions: Regions, source: str = ''
    ) -> Synthesis | None:
        """
        Overwrite the regions and their margins in a frame's planes; return what was synthesized.

        source: what the tracks' numbers are unique within, as a topic or a file.
        Raises FrameError where the payload cannot be decoded; the caller masks the frame then.
        """
        self.hide(frame, regions)
        return self.synthesize([Hidden(frame, regions, source)])[0] if len(regions) else None

    def anonymize(self, frame: Frame, regions: Regions, source: str = '') -> AnonymizedFrame:
        """
        Return the frame with its regions overwritten; its own bytes where there are none.

        source: see overwrite.
        Raises FrameError where the payload cannot be decoded; the caller masks the frame then.
        """
        if not len(regions):
            return AnonymizedFrame(Outcome.UNCHANGED, None)
        synthesis = self.overwrite(frame, regions, source)
        return AnonymizedFrame(Outcome.ANONYMIZED, frame.encode(), synthesis)


def with_margin(regions: Regions, margin: float) -> Regions:
    """
    Return the regions as they are hidden: boxes larger by the margin on each side.

    margin: a share of a region's size. A silhouette stays as it is: whoever finds it has made it
    larger than what was seen.
    """
    return regions.with_boxes(boxes.grow(regions.boxes_xyxy, margin, LEAST_MARGIN_PX))


def without_margin(regions: Regions, margin: float) -> Regions:
    """Return hidden regions as they were seen: the way back from with_margin."""
    return regions.with_boxes(boxes.shrink(regions.boxes_xyxy, margin, LEAST_MARGIN_PX))
