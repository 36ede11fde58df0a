# SPDX-License-Identifier: Apache-2.0
"""
Where a region that a person drew is in the other frames.

Between two drawn boxes it is followed from both; before the first and after the last as far as it
is seen, and carried on a little by the tracker of recordings. Nothing crosses a camera's cut.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import boxes
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import FrameError
from anon_ros.media.thumbnail import thumbnail
from anon_ros.review import flow
from anon_ros.tracking import frame_motion
from anon_ros.tracking.track import Point, between
from anon_ros.tracking.two_sided import TwoSidedTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anon_ros.core.regions import UInt8Array
    from anon_ros.review.flow import Box

LONGEST_S = 10.0
MOST_FRAMES = 300
"""How far a box is followed beyond the drawn ones, on each side."""
_GROWTH_PER_S, _LARGEST_GROWTH = 0.05, 0.15
"""A follower drifts: what it finds grows on each side, in sizes of the box."""
_TAKEN_COVER, _TAKEN_FRAMES = 0.8, 3
"""Something hidden already that covers it for so many frames has taken over."""
_AGREEING_IOU = 0.3
_LEAST_LIKENESS = 0.35
"""A follower that drifts slides off onto what lies behind: then it looks like that."""
_LEAD_FRAMES = 6
"""Frames at an end from which its motion is told."""


@dataclass(frozen=True)
class Footage:
    """
    The frames of one camera, as a follower sees them.

    stamps_ns: of each frame. image: gives one as (h, w, 3) uint8; raises FrameError where there
    is nothing to see. hidden: what is hidden in it already. carry_s: see TwoSidedTracker.
    """

    stamps_ns: Sequence[int]
    image: Callable[[int], UInt8Array]
    hidden: Callable[[int], Regions]
    carry_s: float

    def seconds(self, a: int, b: int) -> float:
        """Return how far apart two frames are, in s."""
        return abs(self.stamps_ns[a] - self.stamps_ns[b]) / 1e9


@dataclass(frozen=True)
class Limits:
    """The first and the last frame in which a region may be; None where nobody said so."""

    first: int | None = None
    last: int | None = None

    def allow(self, number: int) -> bool:
        """Return whether the region may be in a frame."""
        is_early = self.first is not None and number < self.first
        return not is_early and not (self.last is not None and number > self.last)


def trace(footage: Footage, keys: Mapping[int, Box], limits: Limits) -> dict[int, Box]:
    """
    Return where a drawn region is, by frame, the drawn boxes themselves included.

    keys: the drawn boxes by frame, at least one.
    """
    found: dict[int, Box] = dict(keys)
    numbers = sorted(keys)
    for a, b in itertools.pairwise(numbers):
        found.update(_bridge(footage, (a, keys[a]), (b, keys[b])))
    for end, direction in ((numbers[0], -1), (numbers[-1], 1)):
        found.update(_beyond(footage, end, keys[end], direction, limits))
        found.update(_carried(footage, found, direction, limits))
    return {number: box for number, box in sorted(found.items()) if limits.allow(number)}


def _bridge(
    footage: Footage, first: tuple[int, Box], last: tuple[int, Box]
) -> dict[int, Box]:
    """Return boxes for the frames between two drawn ones; none of them is left out."""
    (a, box_a), (b, box_b) = first, last
    forward: dict[int, Box] = {}
    backward: dict[int, Box] = {}
    if b - a <= MOST_FRAMES:
        forward = dict(_follow(footage, a, box_a, range(a + 1, b)))
        backward = dict(_follow(footage, b, box_b, range(b - 1, a, -1)))
    start = Point(a, footage.stamps_ns[a], box_a, 1.0)
    end = Point(b, max(footage.stamps_ns[b], footage.stamps_ns[a] + 1), box_b, 1.0)
    found = {}
    for number in range(a + 1, b):
        straight = between(start, end, footage.stamps_ns[number])
        box = _agreed(forward.get(number), backward.get(number), straight)
        nearest_s = min(footage.seconds(number, a), footage.seconds(number, b))
        found[number] = _grown(box, nearest_s)
    return found


def _agreed(forward: Box | None, backward: Box | None, straight: Box) -> Box:
    """Return what two followers and the straight way make of one frame: rather more than less."""
    seen = [box for box in (forward, backward) if box is not None]
    if len(seen) == 2 and _iou(seen[0], seen[1]) < _AGREEING_IOU:
        # One of them went astray, and nobody knows which.
        return _union([*seen, straight])
    return _union(seen or [straight])


def _beyond(
    footage: Footage, number: int, box: Box, direction: int, limits: Limits
) -> dict[int, Box]:
    """Return boxes beyond the outermost drawn one, until it is lost or hidden already."""
    last = max(min(number + direction * MOST_FRAMES, len(footage.stamps_ns)), -1)
    found: dict[int, Box] = {}
    taken = 0
    for each, place in _follow(footage, number, box, range(number + direction, last, direction)):
        if not limits.allow(each) or footage.seconds(each, number) > LONGEST_S:
            break
        found[each] = _grown(place, footage.seconds(each, number))
        taken = taken + 1 if _is_hidden(footage.hidden(each), place) else 0
        if taken >= _TAKEN_FRAMES:
            break
    return found


def _follow(
    footage: Footage, number: int, box: Box, way: range
) -> Iterator[tuple[int, Box]]:
    """Yield the box in the frames of a way, one after another, until it is lost."""
    try:
        drawn = before = footage.image(number)
    except FrameError:
        return
    small = thumbnail(before)
    last, place = number, box
    for each in way:
        try:
            after = footage.image(each)
        except FrameError:
            # A withheld frame shows nothing, so nothing has to be hidden in it.
            continue
        now = thumbnail(after)
        if after.shape != before.shape or _is_cut(small, now, footage.seconds(last, each)):
            return
        found = flow.step(before, after, place)
        if found is None or not _is_inside(found, after):
            return
        if flow.likeness(drawn, box, after, found) < _LEAST_LIKENESS:
            return
        before, small, last, place = after, now, each, found
        yield each, found


def _carried(
    footage: Footage, found: Mapping[int, Box], direction: int, limits: Limits
) -> dict[int, Box]:
    """Return boxes for a moment beyond an end: the tracker's, the camera's motion included."""
    end = max(found) if direction > 0 else min(found)
    known = [number for number in range(end, end - direction * _LEAD_FRAMES, -direction)
             if number in found]
    tracker = TwoSidedTracker(footage.carry_s, carry_s=footage.carry_s)
    shown: list[int] = []
    done: list[Sighting] = []
    for number in sorted([*known, *_near(footage, end, direction, limits)]):
        try:
            image = footage.image(number)
        except FrameError:
            continue
        shown.append(number)
        done += tracker.push(_sighting(footage.stamps_ns[number], image, found.get(number)))
    done += tracker.flush()
    return {
        number: _union([_as_box(row) for row in sighting.regions.boxes_xyxy.tolist()])
        for number, sighting in zip(shown, done, strict=True)
        if number not in found and len(sighting.regions)
    }


def _sighting(stamp_ns: int, image: UInt8Array, box: Box | None) -> Sighting:
    seen = Regions.empty() if box is None else Regions.of([box], Kind.FACE)
    height, width = image.shape[:2]
    return Sighting(stamp_ns, seen, (width, height), thumbnail(image))


def _near(footage: Footage, number: int, direction: int, limits: Limits) -> list[int]:
    """Return the frames of a moment beyond one, nearest first."""
    found: list[int] = []
    each = number + direction
    while 0 <= each < len(footage.stamps_ns) and len(found) < MOST_FRAMES:
        if not limits.allow(each) or footage.seconds(each, number) > footage.carry_s:
            break
        found.append(each)
        each += direction
    return found


def _is_cut(before: UInt8Array, after: UInt8Array, gap_s: float) -> bool:
    shift = frame_motion.estimate_shift(before, after)
    return frame_motion.is_cut(before, after, shift, gap_s)


def _is_hidden(hidden: Regions, box: Box) -> bool:
    if not len(hidden):
        return False
    cover = boxes.cover(np.array([box], np.float32), hidden.boxes_xyxy)
    return bool(cover.max() >= _TAKEN_COVER)


def _is_inside(box: Box, image: UInt8Array) -> bool:
    """Return whether the middle of a box is in the picture."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    height, width = image.shape[:2]
    return bool(0 <= x < width and 0 <= y < height)


def _grown(box: Box, seconds: float) -> Box:
    share = min(seconds * _GROWTH_PER_S, _LARGEST_GROWTH)
    return _as_box(boxes.grow(np.array([box], np.float32), share)[0].tolist())


def _iou(a: Box, b: Box) -> float:
    return float(boxes.iou(np.array([a], np.float32), np.array([b], np.float32))[0, 0])


def _union(some: Sequence[Box]) -> Box:
    return (
        min(box[0] for box in some), min(box[1] for box in some),
        max(box[2] for box in some), max(box[3] for box in some),
    )


def _as_box(values: Sequence[float]) -> Box:
    return values[0], values[1], values[2], values[3]
