# SPDX-License-Identifier: Apache-2.0
"""One object through time: where it was seen, and where it must be when it was not."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from anon_ros.tracking.silhouette import Box, Cast, Silhouette

if TYPE_CHECKING:
    from anon_ros.core.regions import Float32Array

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
# The same for silhouettes, at once and for each second: they have less to spare around them than
# boxes. In a gap an object is there for sure; beyond the ends nobody knows; and while it is held
# live, both may be. No history counts: a resumed run has less of it.
_OUTLINE_BETWEEN = (0.1, 0.5)
_OUTLINE_BEYOND = (0.1, 0.3)
_OUTLINE_HELD = (0.15, 1.0)
_OUTLINE_LEAST_PX = 1.0
# In sizes for each size that it is thought to have moved: it may have stopped.
_OUTLINE_BY_WAY = 0.02
# Sightings that far apart know what the one between them overlooks.
_LONGEST_SMOOTHING_NS = 300_000_000


class Point(NamedTuple):
    """
    A sighting of a track.

    number: of the frame. box: x_min, y_min, x_max, y_max in px of the steady picture, the one
    that does not move when the camera does. cut: the edges at which the image ends before the
    object does, None for none. silhouette: None where the whole box was hidden. keypoints:
    (17, 3) in the steady picture, None where nobody looked for them.
    """

    number: int
    time_ns: int
    box: Box
    score: float
    cut: Edges | None = None
    silhouette: Silhouette | None = None
    keypoints: Float32Array | None = None

    def cast(self, box: Box, growth_px: float) -> Cast:
        """Return the sighting as it is taken to another frame, where the object has that box."""
        return Cast(self.silhouette, self.keypoints, self.box, box, growth_px)


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

    def neighbours(self, number: int) -> tuple[Point, Point] | None:
        """Return the sightings just before and after one, None where there are none or far."""
        points, i = self.points, bisect_left(self.points, number, key=_number)
        if not 0 < i < len(points) - 1:
            return None
        before, after = points[i - 1], points[i + 1]
        is_near = after.time_ns - before.time_ns <= _LONGEST_SMOOTHING_NS
        return (before, after) if is_near else None

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
    unseen_s = abs(time_ns - points[0].time_ns) / 1e9
    return _grown(_carried(points, time_ns), unseen_s * _GROWTH_BEYOND_PER_S)


def between(before: Point, after: Point, time_ns: int) -> Box:
    """Return a box that holds the object between two sightings, larger towards the middle."""
    box = _on_the_way(before, after, time_ns)
    return _grown(box, _unseen_s(before, after, time_ns) * _GROWTH_BETWEEN_PER_S)


def casts_beyond(
    points: list[Point], time_ns: int, *, is_held: bool = False
) -> list[Cast]:
    """
    Return what an object looks like before or after it was seen; points: the nearest first.

    It grows with the time, and with the way that it is thought to have gone. is_held: whether
    nobody knows yet that it is not seen again.
    """
    nearest = points[0]
    box = _carried(points, time_ns)
    at_once, per_s = _OUTLINE_HELD if is_held else _OUTLINE_BEYOND
    share = at_once + per_s * abs(time_ns - nearest.time_ns) / 1e9
    share += _OUTLINE_BY_WAY * _distance(box, nearest.box)
    return [nearest.cast(box, _outline_px(share, box))]


def casts_between(before: Point, after: Point, time_ns: int) -> list[Cast]:
    """Return what an object looks like in a gap: as on both sides, and larger in the middle."""
    box = _on_the_way(before, after, time_ns)
    at_once, per_s = _OUTLINE_BETWEEN
    growth_px = _outline_px(at_once + per_s * _unseen_s(before, after, time_ns), box)
    nearest_first = sorted((before, after), key=lambda point: abs(point.time_ns - time_ns))
    return [point.cast(box, growth_px) for point in nearest_first]


def casts_around(before: Point, after: Point, time_ns: int) -> list[Cast]:
    """Return what the sightings around another one know of it; nothing grows."""
    box = _on_the_way(before, after, time_ns)
    return [before.cast(box, 0.0), after.cast(box, 0.0)]


def _outline_px(share: float, box: Box) -> float:
    """Return what a silhouette grows by on all sides, in px; share: of its size."""
    width, height = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
    return _OUTLINE_LEAST_PX + min(share, _LARGEST_GROWTH) * math.sqrt(width * height)


def _carried(points: list[Point], time_ns: int) -> Box:
    """Return the box as it goes on, never smaller than it was."""
    nearest = points[0]
    box = _moved(nearest, _velocity(points), time_ns)
    least_wh = nearest.box[2] - nearest.box[0], nearest.box[3] - nearest.box[1]
    return _at_least(box, least_wh)


def _on_the_way(before: Point, after: Point, time_ns: int) -> Box:
    span_ns = after.time_ns - before.time_ns
    share = (time_ns - before.time_ns) / span_ns
    return _blend(before.box, after.box, share)


def _unseen_s(before: Point, after: Point, time_ns: int) -> float:
    """Return how far the nearer of two sightings is, in s."""
    return min(time_ns - before.time_ns, after.time_ns - time_ns) / 1e9


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
