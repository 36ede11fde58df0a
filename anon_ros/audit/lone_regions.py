# SPDX-License-Identifier: Apache-2.0
"""Weak regions that no other frame confirms: hidden, but worth a look by a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.core.regions import NO_TRACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anon_ros.audit.frame_regions import FrameRegions

STRONG_SCORE = 0.5


@dataclass(frozen=True)
class LoneRegion:
    """Where a weak region was seen, once. track: NO_TRACK where nothing was followed."""

    topic: str
    index: int
    stamp_ns: int
    track: int
    kind: int
    score: float


def lone_weak_regions(
    frames: Iterable[FrameRegions], strong_score: float = STRONG_SCORE
) -> list[LoneRegion]:
    """
    Return the regions of low score whose track has no other, in the order of the frames.

    Holds one entry per track, not per region.
    """
    lone: dict[tuple[str, int], LoneRegion | None] = {}
    untracked: list[LoneRegion] = []
    for frame in frames:
        regions = frame.regions
        rows = zip(
            regions.track_ids.tolist(), regions.kinds.tolist(), regions.scores.tolist(),
            strict=True,
        )
        for track, kind, score in rows:
            region = LoneRegion(frame.topic, frame.index, frame.stamp_ns, track, kind, score)
            is_weak = score < strong_score
            if track != NO_TRACK:
                key = frame.topic, track
                lone[key] = region if is_weak and key not in lone else None
            elif is_weak:
                untracked.append(region)
    found = [region for region in lone.values() if region is not None] + untracked
    return sorted(found, key=lambda region: (region.index, region.topic, region.track))
