# SPDX-License-Identifier: Apache-2.0
"""What is odd about tracks: seen weakly, too short, lost for a while, long unseen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from anon_ros.audit.lone_regions import STRONG_SCORE
from anon_ros.core import boxes
from anon_ros.core.regions import NO_TRACK, Kind, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.core.regions import Regions

Box: TypeAlias = tuple[float, float, float, float]

WEAK = 'never seen clearly'
SHORT = 'comes and goes in the middle of the image'
GAP = 'lost and found again'
UNSEEN = 'hidden for long without being seen'

LONGEST_GAP_NS = 3 * 10**9
"""What is found again after more than this is taken for somebody else."""
SHORT_SIGHTINGS = 3
LONG_UNSEEN_NS = 400_000_000
_NEAR = 1.5
"""How far off something may be found again, in its own longer sides."""
_COVERED = 0.8
_TALL_PX = 12.0
"""A region of this height counts half."""


@dataclass(frozen=True)
class Place:
    """A frame: see FrameRegions."""

    topic: str
    index: int
    stamp_ns: int
    log_ns: int
    size_wh: tuple[int, int]

    @classmethod
    def of(cls, frame: FrameRegions) -> Place:
        """Return the place of a frame."""
        return cls(frame.topic, frame.index, frame.stamp_ns, frame.log_ns, frame.size_wh)


@dataclass(frozen=True)
class Risk:
    """
    One reason to look at a frame.

    reason: the same for all of its sort. text: in words. score: 0..1. kind: a label.
    track: NO_TRACK where it is about none. box_xyxy: where to look, px, or None for anywhere.
    """

    reason: str
    text: str
    score: float
    kind: str
    track: int = NO_TRACK
    box_xyxy: Box | None = None


@dataclass
class _Track:
    """
    What is remembered of a track.

    best: of the detected scores. after: the first frame in which nothing hides its place, None
    where another region does.
    """

    track: int
    kind: int
    first_box: Box
    last: Place
    last_box: Box
    best: float = 0.0
    best_place: Place | None = None
    best_box: Box | None = None
    sightings: int = 0
    seen_ns: int | None = None
    unseen: list[tuple[Place, Box]] = field(default_factory=list)
    longest_ns: int = 0
    longest: tuple[Place, Box] | None = None
    after: Place | None = None
    is_continued: bool = False

    def add(self, place: Place, box: Box, score: float, origin: int) -> None:
        self.last, self.last_box, self.after = place, box, None
        if origin == Origin.FILLED:
            self.unseen.append((place, box))
        if origin != Origin.DETECTED:
            return
        self.sightings += 1
        if self.best_place is None or score > self.best:
            self.best, self.best_place, self.best_box = score, place, box
        if self.unseen and self.seen_ns is not None:
            span_ns = place.log_ns - self.seen_ns
            if span_ns > self.longest_ns:
                self.longest_ns, self.longest = span_ns, self.unseen[len(self.unseen) // 2]
        self.seen_ns, self.unseen = place.log_ns, []

    @property
    def label(self) -> str:
        return Kind(self.kind).label

    @property
    def name(self) -> str:
        return name_of(self.kind)


class TrackWatch:
    """Follows the tracks of one camera and remembers those that may still go on."""

    def __init__(self) -> None:
        self._live: dict[int, _Track] = {}
        self._lost: dict[int, _Track] = {}

    def look(self, frame: FrameRegions) -> Iterator[tuple[Place, Risk]]:
        """Yield what the next frame shows to be odd, in it or in earlier ones."""
        place, regions = Place.of(frame), frame.regions
        for number in [n for n, t in self._lost.items() if _is_past(t, place)]:
            yield from _judged(self._lost.pop(number))
        here = set(regions.track_ids.tolist())
        for number in [number for number in self._live if number not in here]:
            track = self._lost[number] = self._live.pop(number)
            track.after = None if _is_covered(track.last_box, regions) else place
        columns = zip(
            regions.track_ids.tolist(), regions.kinds.tolist(), regions.scores.tolist(),
            regions.origins.tolist(), strict=True,
        )
        for i, (number, kind, score, origin) in enumerate(columns):
            box = box_of(regions, i)
            if number == NO_TRACK:
                yield from _untracked(place, kind, score, origin, box)
                continue
            if number not in self._live:
                yield from self._begin(number, kind, place, box)
            self._live[number].add(place, box, score, origin)

    def finish(self) -> Iterator[tuple[Place, Risk]]:
        """Yield what is odd about the tracks that are left at the end."""
        for track in [*self._lost.values(), *self._live.values()]:
            yield from _judged(track)
        self._lost, self._live = {}, {}

    def _begin(
        self, number: int, kind: int, place: Place, box: Box
    ) -> Iterator[tuple[Place, Risk]]:
        before = self._lost.pop(number, None)
        if before is not None:
            yield from _gap(before, place)
            self._live[number] = before
            return
        self._live[number] = _Track(number, kind, box, place, box)
        near = [
            (_distance(track.last_box, box), track.track) for track in self._lost.values()
            if track.kind == kind and not track.is_continued and _is_near(track.last_box, box)
        ]
        if near and not _at_edge(box, place.size_wh):
            before = self._lost[min(near)[1]]
            before.is_continued = True
            yield from _gap(before, place)


def box_of(regions: Regions, i: int) -> Box:
    """Return the box of a region in px."""
    x_min, y_min, x_max, y_max = regions.boxes_xyxy[i].tolist()
    return x_min, y_min, x_max, y_max


def name_of(kind: int) -> str:
    """Return what people call a kind."""
    return 'person' if kind == Kind.BODY else Kind(kind).label


def by_height(score: float, box: Box) -> float:
    """Return a score for something of that height: half of it at 12 px, all of it far above."""
    height = max(box[3] - box[1], 0.0)
    return score * height / (height + _TALL_PX)


def _is_covered(box: Box, regions: Regions) -> bool:
    """Return whether a region of a frame hides most of a box."""
    if not len(regions):
        return False
    cover = boxes.cover(np.array([box], np.float32), regions.boxes_xyxy)
    return bool(cover.max() >= _COVERED)


def _is_past(track: _Track, place: Place) -> bool:
    return abs(place.log_ns - track.last.log_ns) > LONGEST_GAP_NS


def _judged(track: _Track) -> Iterator[tuple[Place, Risk]]:
    """Yield what is odd about a track that has ended."""
    if track.best_place is None or track.best_box is None:
        return  # drawn by a person, or all of it carried: nothing was seen that could be weak
    is_weak = track.best < STRONG_SCORE
    if is_weak:
        yield track.best_place, _weak(track, track.best_box)
    if track.after is not None and track.sightings <= SHORT_SIGHTINGS and not (
        track.is_continued or _at_edge(track.first_box, track.last.size_wh)
        or _at_edge(track.last_box, track.last.size_wh)
    ):
        text = (
            f'a {track.name} was seen {_times(track.sightings)} in the middle of the image, '
            f'the best score {track.best:.2f}; here it is gone'
        )
        score = by_height(0.25 if is_weak else 0.6, track.last_box)
        yield track.after, Risk(SHORT, text, score, track.label, track.track, track.last_box)
    if track.longest is not None and track.longest_ns >= LONG_UNSEEN_NS:
        place, box = track.longest
        span_s = track.longest_ns / 1e9
        text = f'a {track.name} was not seen for {span_s:.1f} s; what is hidden here is a guess'
        score = by_height(0.25 + 0.35 * min(span_s, 1.0), box)
        yield place, Risk(UNSEEN, text, score, track.label, track.track, box)


def _weak(track: _Track, box: Box) -> Risk:
    text = (
        f'a {track.name} was seen {_times(track.sightings)}, with a score of {track.best:.2f} '
        'at best'
    )
    # Seen weakly again and again it is hardly an accident.
    base = 0.65 - 0.5 * track.best + 0.05 * min(track.sightings - 1, 4)
    return Risk(WEAK, text, by_height(base, box), track.label, track.track, box)


def _untracked(
    place: Place, kind: int, score: float, origin: int, box: Box
) -> Iterator[tuple[Place, Risk]]:
    if origin == Origin.DETECTED and score < STRONG_SCORE:
        label = Kind(kind).label
        text = f'a {name_of(kind)} was seen once, with a score of {score:.2f}'
        yield place, Risk(WEAK, text, by_height(0.65 - 0.5 * score, box), label, NO_TRACK, box)


def _gap(before: _Track, found: Place) -> Iterator[tuple[Place, Risk]]:
    if before.after is None or before.after.index == found.index:
        return  # in no frame was it to be seen
    span_s = max(0.0, (found.log_ns - before.after.log_ns) / 1e9)
    text = (
        f'a {before.name} is not hidden from here on for {span_s:.2f} s, until one is found '
        'again near by'
    )
    score = by_height(0.9 - 0.15 * min(span_s, 3.0), before.last_box)
    yield before.after, Risk(
        GAP, text, score, before.label, before.track, before.last_box)


def _at_edge(box: Box, size_wh: tuple[int, int]) -> bool:
    """Return whether something may come into the image, or leave it, there."""
    margin_x, margin_y = max(2.0, 0.02 * size_wh[0]), max(2.0, 0.02 * size_wh[1])
    return (
        box[0] <= margin_x or box[1] <= margin_y
        or box[2] >= size_wh[0] - margin_x or box[3] >= size_wh[1] - margin_y
    )


def _distance(one: Box, other: Box) -> float:
    """Return how far the centres are apart, in longer sides of the larger box."""
    side = max(one[2] - one[0], one[3] - one[1], other[2] - other[0], other[3] - other[1], 1.0)
    x = (one[0] + one[2] - other[0] - other[2]) / 2
    y = (one[1] + one[3] - other[1] - other[3]) / 2
    return float((x * x + y * y) ** 0.5) / side


def _is_near(one: Box, other: Box) -> bool:
    heights = sorted([one[3] - one[1], other[3] - other[1]])
    return heights[1] <= 2 * max(heights[0], 1.0) and _distance(one, other) <= _NEAR


def _times(count: int) -> str:
    return 'once' if count == 1 else f'{count} times'
