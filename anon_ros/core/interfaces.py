# SPDX-License-Identifier: Apache-2.0
"""The protocols between the rooms: whoever finds, follows or hides something speaks one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.core.planes import Frame, Plane
    from anon_ros.core.regions import Regions, UInt8Array


class RegionDetector(Protocol):
    """Finds regions in an image. Safe to call from several threads at once."""

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """
        Return what is seen in one image, boxes in its pixels.

        image_bgr: (h, w, 3) uint8; never written to.
        Raises ModelError when the network cannot run.
        """


@dataclass(frozen=True)
class Sighting:
    """
    What was seen in one frame of a camera.

    stamp_ns: the frame's time in ns; a camera's sightings come in the order of the recording.
    size_wh: the frame's size in px.
    thumbnail: (18, 32) uint8 gray, the whole frame scaled down, to tell a cut from a motion;
        None for a frame that could not be decoded.
    """

    stamp_ns: int
    regions: Regions
    size_wh: tuple[int, int]
    thumbnail: UInt8Array | None = None


class RegionTracker(Protocol):
    """
    Follows the regions of one camera through time.

    Frames come out in the order they went in, each once, with at least the regions that went in,
    with track ids, and with regions that other frames of the same track prove to be there.
    """

    def push(self, sighting: Sighting) -> list[Sighting]:
        """Take the next frame; return the frames whose look-ahead window has closed."""

    def flush(self) -> list[Sighting]:
        """Return all frames still held: the recording ends here."""


class RegionAnonymizer(Protocol):
    """Overwrites regions so that nothing of what they show is left. Safe from several threads."""

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """
        Overwrite every sample of every one of the regions in every plane, in place.

        regions: what to overwrite; they may overlap, and lie partly or wholly off the image.
        others: regions that somebody else will overwrite afterwards. No sample inside them or
            inside the regions is an input: any other content there gives the same result.
        """


class Hidden(NamedTuple):
    """
    A frame whose regions are overwritten already.

    regions: as they are hidden, with margins. source: what their tracks' numbers are unique
    within, as a topic or a file.
    """

    frame: Frame
    regions: Regions
    source: str = ''


@dataclass(frozen=True)
class Synthesis:
    """
    What stands in the place of a frame's regions that were to be synthesized.

    synthesized: how many show somebody who does not exist, by kind's label.
    classic_instead: how many show a classic method, by 'LABEL: REASON'.
    """

    synthesized: Mapping[str, int] = field(default_factory=dict)
    classic_instead: Mapping[str, int] = field(default_factory=dict)


class RegionSynthesizer(Protocol):
    """Paints somebody who does not exist over hidden regions. Safe from several threads."""

    def synthesize(self, hidden: Sequence[Hidden]) -> list[Synthesis]:
        """
        Paint over the regions of several frames; what is not painted over stays as it is.

        No sample inside the regions is an input. Raises ModelError where the network cannot run.
        """
