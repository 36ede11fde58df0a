# SPDX-License-Identifier: Apache-2.0
"""One object through time: where it was seen, and where it must be when it was not."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
Edges: TypeAlias = tuple[bool, bool, bool, bool]

# Over this time a velocity is measured: long enough to calm a detector's jitter, short enough to
# follow somebody who turns round.
_VELOCITY_NS = 300_000_000
# A motion is not believed for longer than this.
_LONGEST_MOTION_S = 1.0
# Two weak regions that lie close may be an accident, three hardly.
_CONFIRMING_SIGHTINGS = 3
# How far off the expectation of a new track may be, in sizes, and how fast that is learnt.
_FIRST_ERROR = 0.6
_ERROR_SHARE = 0.3
# How far a sighting may lie off the way between its neighbours, in sizes.
_STRAY_DISTANCE = 0.25
# What may happen unseen, in sizes of the region for each second on each side.
_GROWTH_BETWEEN_PER_S = 0.5
_GROWTH_BEYOND_PER_S = 1.2
_LARGEST_GROWTH = 0.4


class Point(NamedTuple):
    """
    A sighting of a track.

    number: of the frame. box: x_min, y_min, x_max, y_max in px of the steady picture, the one
    that does not move when the camera does. cut: the edges at which the image ends before the
    object does, None for none.
    """

    number: int
    time_ns: int
    box: Box
    score: float
    cut: Edges | None = None


@dataclass
class Track:
    """
    An object and its sightings, oldest first; old ones are let go.

    scene: of the recording; nothing crosses a cut. is_strong: whether it was ever seen without
    doubt. sightings: counts those let go as well. error: how far off its expectation usually is,
    in sizes of the region.
    """

    track_id: int
    kind: int
    scene: int
    is_strong: bool = False
    sightings: int = 0
    error: float = _FIRST_ERROR
    points: list[Point] = field(default_factory=list)

    @property
    def is_confirmed(self) -> bool:
        """Whether it may be hidden before its first and after its last sighting."""
        return self.is_strong or self.sightings >= _CONFIRMING_SIGHTINGS

    @property
    def is_lone(self) -> bool:
        """Whether it is a single weak sighting: as likely an accident as an object."""
        return self.sightings == 1 and not self.is_strong

    @property
    def last(self) -> Point:
        """The latest sighting."""
        return self.points[-1]

    def add(self, point: Point, strong_score: float) -> None:
        """Take the next sighting."""
        self.sightings += 1
        self.is_strong |= point.score >= strong_score
        if len(self.points) > 1:
            off = _distance(expected(self.points, point.time_ns), point.box)
            self.error += _ERROR_SHARE * (off - self.error)
        self.points.append(point)

    def forget(self, number: int, time_ns: int) -> None:
        """Let go of the sightings that say nothing about the frame of that number and later."""
        first = max(bisect_left(self.points, number, key=_number) - 2, 0)
        while first > 0 and self.points[first].time_ns > time_ns - _VELOCITY_NS:
            first -= 1
        del self.points[:first]

    def bridges(self, number: int) -> list[tuple[Point, Point]]:
        """
        Return pairs of sightings between which the object was in a frame in which it is not seen.

        A sighting that lies off the way may be of somebody else, who took over the track for a
        moment: then the way that leaves it out counts too, also in its own frame.
        """
        points, i = self.points, bisect_left(self.points, number, key=_number)
        if i - 1 >= 0 and any(point.cut for point in points[max(i - 2, 0):i + 2]):
            points = _whole(points)
        if i < len(points) and points[i].number == number:
            return [(points[i - 1], points[i + 1])] if _is_stray(points, i) else []
        if not 0 < i < len(points):
            return []
        pairs = [(points[i - 1], points[i])]
        if _is_stray(points, i - 1):
            pairs.append((points[i - 2], points[i]))
        if _is_stray(points, i):
            pairs.append((points[i - 1], points[i + 1]))
        return pairs

    def nearest(self, number: int) -> list[Point]:
        """Return the sightings, nearest first, for a frame before the first or after the last."""
        points = _whole(self.points) if any(point.cut for point in self.points) else self.points
        return points if number < points[0].number else points[::-1]


def _number(point: Point) -> int:
    return point.number


def _is_stray(points: list[Point], i: int) -> bool:
    if not 0 < i < len(points) - 1:
        return False
    way = between(points[i - 1], points[i + 1], points[i].time_ns)
    return _distance(way, points[i].box) > _STRAY_DISTANCE


def _whole(points: list[Point]) -> list[Point]:
    """
    Return the sightings with what the image cuts off, outside the image.

    Where the camera shakes, somebody at the image's edge is in it more and less by turns.
    """
    width = max(point.box[2] - point.box[0] for point in points)
    height = max(point.box[3] - point.box[1] for point in points)
    return [
        point if point.cut is None else point._replace(
            box=_extended(point.box, point.cut, width, height)
        ) for point in points
    ]


def _extended(box: Box, cut: Edges, width: float, height: float) -> Box:
    left, top, right, bottom = box
    return (
        min(left, right - width) if cut[0] else left,
        min(top, bottom - height) if cut[1] else top,
        max(right, left + width) if cut[2] else right,
        max(bottom, top + height) if cut[3] else bottom,
    )


def expected(points: list[Point], time_ns: int) -> Box:
    """Return the box after the last of some points, if the motion goes on as it was."""
    return _moved(points[-1], _velocity(points[::-1]), time_ns)


def beyond(points: list[Point], time_ns: int) -> Box:
    """
    Return a box that holds the object before or after it was seen.

    points: the nearest first. It goes on as it moved, never smaller, and grows with the time.
    """
    nearest = points[0]
    box = _moved(nearest, _velocity(points), time_ns)
    least_wh = nearest.box[2] - nearest.box[0], nearest.box[3] - nearest.box[1]
    unseen_s = abs(time_ns - nearest.time_ns) / 1e9
    return _grown(_at_least(box, least_wh), unseen_s * _GROWTH_BEYOND_PER_S)


def between(before: Point, after: Point, time_ns: int) -> Box:
    """Return a box that holds the object between two sightings, larger towards the middle."""
    span_ns = after.time_ns - before.time_ns
    share = (time_ns - before.time_ns) / span_ns
    box = _blend(before.box, after.box, share)
    unseen_s = span_ns / 1e9 * min(share, 1 - share)
    return _grown(box, unseen_s * _GROWTH_BETWEEN_PER_S)


def _velocity(points: list[Point]) -> Box:
    """Return px/s of each edge; points: the nearest first; 0 for one point."""
    nearest = points[0]
    far = nearest
    for point in points[1:]:
        far = point
        if abs(point.time_ns - nearest.time_ns) >= _VELOCITY_NS:
            break
    span_s = (nearest.time_ns - far.time_ns) / 1e9
    if span_s == 0:
        return 0.0, 0.0, 0.0, 0.0
    a, b = nearest.box, far.box
    return (
        (a[0] - b[0]) / span_s, (a[1] - b[1]) / span_s,
        (a[2] - b[2]) / span_s, (a[3] - b[3]) / span_s,
    )


def _distance(a: Box, b: Box) -> float:
    """Return how far two boxes' centres are apart, in widths and heights of the second."""
    x = (a[0] + a[2] - b[0] - b[2]) / 2 / max(b[2] - b[0], 1.0)
    y = (a[1] + a[3] - b[1] - b[3]) / 2 / max(b[3] - b[1], 1.0)
    return math.hypot(x, y)


def _moved(point: Point, velocity: Box, time_ns: int) -> Box:
    span_s = (time_ns - point.time_ns) / 1e9
    span_s = max(min(span_s, _LONGEST_MOTION_S), -_LONGEST_MOTION_S)
    box = point.box
    return (
        box[0] + velocity[0] * span_s, box[1] + velocity[1] * span_s,
        box[2] + velocity[2] * span_s, box[3] + velocity[3] * span_s,
    )


def _at_least(box: Box, least_wh: tuple[float, float]) -> Box:
    more_x = max(least_wh[0] - (box[2] - box[0]), 0.0) / 2
    more_y = max(least_wh[1] - (box[3] - box[1]), 0.0) / 2
    return box[0] - more_x, box[1] - more_y, box[2] + more_x, box[3] + more_y


def _blend(a: Box, b: Box, share: float) -> Box:
    rest = 1 - share
    return (
        a[0] * rest + b[0] * share, a[1] * rest + b[1] * share,
        a[2] * rest + b[2] * share, a[3] * rest + b[3] * share,
    )


def _grown(box: Box, fraction: float) -> Box:
    fraction = min(fraction, _LARGEST_GROWTH)
    more_x = max(box[2] - box[0], 1.0) * fraction
    more_y = max(box[3] - box[1], 1.0) * fraction
    return box[0] - more_x, box[1] - more_y, box[2] + more_x, box[3] + more_y
