# SPDX-License-Identifier: Apache-2.0
"""
Where a region that a person drew is in the other frames.

Between two drawn boxes it is followed from both; before the first and after the last as far as it
is seen, and carried on a little by the tracker of recordings. Nothing crosses a camera's cut.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import boxes
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import FrameError
from anon_ros.media.thumbnail import thumbnail
from anon_ros.review import flow
from anon_ros.review.appearance import Appearance
from anon_ros.tracking import frame_motion
from anon_ros.tracking.track import Point, between
from anon_ros.tracking.two_sided import TwoSidedTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anon_ros.core.regions import UInt8Array
    from anon_ros.review.appearance import Found
    from anon_ros.review.flow import Box

LONGEST_S = 10.0
MOST_FRAMES = 300
"""How far a box is followed beyond the drawn ones, on each side."""
_GROWTH_PER_S, _LARGEST_GROWTH = 0.05, 0.15
"""A follower drifts: what it finds grows on each side, in sizes of the box."""
_GROWTH_IN_DOUBT = 0.2
"""What looks like nothing that was drawn grows by this, too; what looks the same by nothing."""
_TAKEN_COVER, _TAKEN_FRAMES = 0.8, 3
"""Something hidden already that covers it for so many frames has taken over."""
_AGREEING_IOU = 0.3
_SURE, _LOST, _LOST_FRAMES = 0.3, 0.2, 3
"""Less sure, and a person should look; so little for so many frames, and it is lost."""
_SURE_AT_ONCE = 0.5
"""Less sure, and it is looked for at another place, too."""
_LEAD_FRAMES = 6
"""Frames at an end from which its motion is told."""
LOST, UNSURE, FAR = 'lost', 'unsure', 'far'


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


@dataclass(frozen=True)
class Trace:
    """
    Where a drawn region is.

    boxes: by frame, the drawn ones included. doubts: frames at which a person should look again,
    and why: lost (it is not found any further), unsure (the least sure of some frames in a row)
    or far (it is not followed any further, though it may be there).
    """

    boxes: dict[int, Box]
    doubts: dict[int, str]


@dataclass
class _Way:
    """
    What a follower found on its way.

    places: by frame. last: the last frame that it looked at. end: why it did not go on: lost, far
    (there was no frame more), or '' where there is nobody any more.
    """

    last: int
    places: dict[int, Found] = field(default_factory=dict)
    end: str = ''


def trace(footage: Footage, keys: Mapping[int, Box], limits: Limits) -> Trace:
    """
    Return where a drawn region is, and where that is doubtful.

    keys: the drawn boxes by frame, at least one.
    """
    found: dict[int, Box] = dict(keys)
    doubts: dict[int, str] = {}
    numbers = sorted(keys)
    for a, b in itertools.pairwise(numbers):
        found.update(_bridge(footage, (a, keys[a]), (b, keys[b]), doubts))
    for end, direction in ((numbers[0], -1), (numbers[-1], 1)):
        found.update(_beyond(footage, end, keys[end], direction, limits, doubts))
        found.update(_carried(footage, found, direction, limits))
    allowed = [number for number in sorted(found) if limits.allow(number)]
    return Trace({number: found[number] for number in allowed},
                 {number: doubts[number] for number in allowed if number in doubts})


def _bridge(
    footage: Footage, first: tuple[int, Box], last: tuple[int, Box], doubts: dict[int, str]
) -> dict[int, Box]:
    """Return boxes for the frames between two drawn ones; none of them is left out."""
    (a, box_a), (b, box_b) = first, last
    forward, backward = _Way(a), _Way(b)
    if b - a <= MOST_FRAMES:
        forward = _follow(footage, a, box_a, range(a + 1, b))
        backward = _follow(footage, b, box_b, range(b - 1, a, -1))
    start = Point(a, footage.stamps_ns[a], box_a, 1.0)
    end = Point(b, max(footage.stamps_ns[b], footage.stamps_ns[a] + 1), box_b, 1.0)
    found, sureness = {}, {}
    for number in range(a + 1, b):
        straight = between(start, end, footage.stamps_ns[number])
        seen = [way.places[number] for way in (forward, backward) if number in way.places]
        box, sureness[number] = _agreed(seen, straight)
        nearest_s = min(footage.seconds(number, a), footage.seconds(number, b))
        found[number] = _grown(box, nearest_s, sureness[number])
    doubts.update(_unsure(sureness))
    return found


def _agreed(seen: Sequence[Found], straight: Box) -> tuple[Box, float]:
    """Return what followers and the straight way make of one frame: rather more than less."""
    places = [each.box for each in seen]
    sureness = max((each.sureness for each in seen), default=0.0)
    if len(seen) == 2 and _iou(places[0], places[1]) < _AGREEING_IOU:
        # One of them went astray, and nobody knows which.
        sureness = 0.0
    return _union(places if sureness >= _SURE else [*places, straight]), sureness


def _beyond(
    footage: Footage, number: int, box: Box, direction: int, limits: Limits,
    doubts: dict[int, str],
) -> dict[int, Box]:
    """Return boxes beyond the outermost drawn one, until it is lost or hidden already."""
    last = max(min(number + direction * (MOST_FRAMES + 1), len(footage.stamps_ns)), -1)
    taken = 0

    def is_over(each: int, place: Box) -> bool:
        nonlocal taken
        taken = taken + 1 if _is_hidden(footage.hidden(each), place) else 0
        return taken >= _TAKEN_FRAMES

    numbers = [
        each for each in range(number + direction, last, direction)
        if limits.allow(each) and footage.seconds(each, number) <= LONGEST_S
    ]
    way = _follow(footage, number, box, numbers, is_over)
    found = {
        each: _grown(place.box, footage.seconds(each, number), place.sureness)
        for each, place in way.places.items()
    }
    doubts.update(_unsure({each: place.sureness for each, place in way.places.items()}))
    ahead = way.last + direction
    is_there_more = 0 <= ahead < len(footage.stamps_ns) and limits.allow(ahead)
    if way.end == LOST or (way.end == FAR and is_there_more):
        doubts[way.last] = way.end
    return found


def _follow(
    footage: Footage, number: int, box: Box, numbers: Sequence[int],
    is_over: Callable[[int, Box], bool] = lambda *_: False,
) -> _Way:
    """Follow a box through frames, one after another, until it is lost, gone or over."""
    way = _Way(number)
    try:
        before = footage.image(number)
    except FrameError:
        return way
    look, small, place, weak = Appearance(before, box), thumbnail(before), box, 0
    for each in numbers:
        try:
            after = footage.image(each)
        except FrameError:
            # A withheld frame shows nothing, so nothing has to be hidden in it.
            continue
        now = thumbnail(after)
        if after.shape != before.shape or _is_cut(small, now, footage.seconds(way.last, each)):
            return way
        found = _found(look, before, after, place)
        if not _is_inside(found.box, after):
            return way
        weak = weak + 1 if found.sureness < _LOST else 0
        way.last, way.places[each] = each, _widened(found, place)
        before, small, place = after, now, found.box
        if weak == _LOST_FRAMES:
            way.end = LOST
            return way
        look.learn(after, place)
        if is_over(each, place):
            return way
    way.end = FAR
    return way


def _found(look: Appearance, before: UInt8Array, after: UInt8Array, place: Box) -> Found:
    """Return where a box is in the next picture: from where its points lead, or from its place."""
    led = flow.step(before, after, place)
    found = look.find(after, led or place)
    if led is None or found.sureness >= _SURE_AT_ONCE:
        return found
    return max(found, look.find(after, place), key=lambda each: each.sureness)


def _widened(found: Found, before: Box) -> Found:
    """Return what is not sure with the place before: it may not have moved at all."""
    if found.sureness >= _SURE:
        return found
    return replace(found, box=_union([found.box, before]))


def _unsure(sureness: Mapping[int, float]) -> dict[int, str]:
    """Return the least sure frame of each row of unsure ones."""
    rows: list[list[int]] = []
    for number in sorted(each for each, sure in sureness.items() if sure < _SURE):
        if rows and rows[-1][-1] == number - 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    return {min(row, key=lambda each: sureness[each]): UNSURE for row in rows}


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


def _grown(box: Box, seconds: float, sureness: float) -> Box:
    doubt = 1 - min(max(sureness, 0.0), 1.0)
    share = min(seconds * _GROWTH_PER_S, _LARGEST_GROWTH) + _GROWTH_IN_DOUBT * doubt
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
