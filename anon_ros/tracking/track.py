# SPDX-License-Identifier: Apache-2.0
"""One object through time: where it was seen, and where it must be when it was not."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]

# Over this time a velocity is measured: long enough to calm a detector's jitter, short enough to
# follow somebody who turns round.
_VELOCITY_NS = 300_000_000
# A motion is not believed for longer than this.
_LONGEST_MOTION_S = 1.0
# How far off the expectation of a new track may be, in sizes, and how fast that is learnt.
_FIRST_ERROR = 0.6
_ERROR_SHARE = 0.3
# What may happen unseen, in sizes of the region for each second on each side.
_GROWTH_BETWEEN_PER_S = 0.6
_GROWTH_BEYOND_PER_S = 0.9
_LARGEST_GROWTH = 0.6


class Point(NamedTuple):
    """
    A sighting of a track.

    number: of the frame. box: x_min, y_min, x_max, y_max in px of the steady picture, the one
    that does not move when the camera does.
    """

    number: int
    time_ns: int
    box: Box
    score: float


@dataclass
class Track:
    """
    An object and its sightings, oldest first; old ones are let go.

    scene: of the recording; nothing crosses a cut. is_confirmed: whether it was seen twice, or
    once without doubt; only then is it hidden where it was not seen. error: how far off its
    expectation usually is, in sizes of the region.
    """

    track_id: int
    kind: int
    scene: int
    is_confirmed: bool = False
    error: float = _FIRST_ERROR
    points: list[Point] = field(default_factory=list)

    @property
    def last(self) -> Point:
        """The latest sighting."""
        return self.points[-1]

    def add(self, point: Point, strong_score: float) -> None:
        """Take the next sighting."""
        self.is_confirmed |= bool(self.points) or point.score >= strong_score
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

    def around(self, number: int) -> tuple[list[Point], list[Point]]:
        """Return the sightings before that frame and those from it on."""
        middle = bisect_left(self.points, number, key=_number)
        return self.points[:middle], self.points[middle:]


def _number(point: Point) -> int:
    return point.number


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
    """Return how far two boxes' centres are apart, in sizes of the second."""
    x = (a[0] + a[2] - b[0] - b[2]) / 2
    y = (a[1] + a[3] - b[1] - b[3]) / 2
    size = math.sqrt(max(b[2] - b[0], 1.0) * max(b[3] - b[1], 1.0))
    return math.hypot(x, y) / size


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
