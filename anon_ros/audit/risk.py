# SPDX-License-Identifier: Apache-2.0
"""
Which frames a person should look at first: where something is most likely to be seen unhidden.

The score of a risk says what to look at before what; it is no probability. It grows with how
odd a thing is and with its height, since a face of 8 px tells less than one of 80.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit.flags import LONE_WEAK, NO_FACE, NO_VEHICLE
from anon_ros.audit.risk_tracks import (
    GAP,
    SHORT,
    UNSEEN,
    WEAK,
    Place,
    Risk,
    TrackWatch,
    box_of,
    name_of,
)
from anon_ros.audit.verification import StillSeen
from anon_ros.core.regions import NO_TRACK, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import FlagRecord

__all__ = [
    'DROP', 'GAP', 'NO_FACE', 'NO_VEHICLE', 'SHORT', 'STILL_SEEN', 'UNSEEN', 'WEAK', 'Risk',
    'RiskyFrame', 'StillSeen', 'rank',
]

MOST_FRAMES = 500
DROP = 'a sudden drop in count'
STILL_SEEN = 'another detector sees something that is not hidden'
_MASKED = 'masked'
_DROP_NS = 10**9
"""A count is compared with that of the second before it."""
_LEAST_BEFORE = 3
_FLAG_SCORES = {NO_FACE: 0.5, NO_VEHICLE: 0.2}
_OTHER_FLAG = 0.3
_OTHERS_SHARE = 0.3
"""Many weak reasons must not stand before a strong one."""


@dataclass(frozen=True)
class RiskyFrame:
    """
    A frame to look at.

    index: of its message among all messages of the recording. stamp_ns: the frame's own time;
    log_ns: when it was recorded. score: 0..1. risks: the strongest first.
    """

    topic: str
    index: int
    stamp_ns: int
    log_ns: int
    size_wh: tuple[int, int]
    score: float
    risks: tuple[Risk, ...]

    @property
    def reasons(self) -> tuple[tuple[Risk, int], ...]:
        """The strongest risk of each sort, and how many of that sort there are."""
        found: dict[str, list[Risk]] = {}
        for risk in self.risks:
            found.setdefault(risk.reason, []).append(risk)
        return tuple((same[0], len(same)) for same in found.values())


def rank(
    frames: Iterable[FrameRegions],
    flags: Iterable[FlagRecord] = (),
    *,
    still_seen: Iterable[StillSeen] = (),
    most: int = MOST_FRAMES,
) -> list[RiskyFrame]:
    """
    Return the frames to look at, those of the highest score first, at most that many.

    frames: of a regions file, read once; memory does not grow with them. flags: raised by the
    run, see Manifest.flags. still_seen: what a verification found.
    A withheld frame shows nobody, so it is none of them.
    """
    known: dict[tuple[str, int], list[FlagRecord]] = {}
    for flag in flags:
        # Lone weak regions are found anew, with their box.
        if flag.reason != LONE_WEAK:
            known.setdefault((flag.topic, flag.index), []).append(flag)
    seen: dict[tuple[str, int], list[StillSeen]] = {}
    for each in still_seen:
        seen.setdefault((each.topic, each.index), []).append(each)
    queue = _Queue(most)
    cameras: dict[str, _Camera] = {}
    for frame in frames:
        if frame.outcome == _MASKED:
            continue
        key = frame.topic, frame.index
        queue.extend(cameras.setdefault(frame.topic, _Camera()).look(frame))
        queue.extend(_flagged(frame, known.get(key, ())))
        queue.extend(_still_seen(frame, seen.get(key, ())))
    for camera in cameras.values():
        queue.extend(camera.finish())
    return queue.ranked()


class _Camera:
    """What is remembered of one camera while its frames pass by."""

    def __init__(self) -> None:
        self._tracks = TrackWatch()
        self._counts: deque[tuple[int, dict[int, int]]] = deque()
        self._quiet_until_ns = -(1 << 63)

    def look(self, frame: FrameRegions) -> Iterator[tuple[Place, Risk]]:
        """Yield what a frame gives reason to look at, in it or in earlier ones."""
        yield from self._tracks.look(frame)
        yield from self._drop(frame)

    def finish(self) -> Iterator[tuple[Place, Risk]]:
        """Yield what is known only at the end."""
        return self._tracks.finish()

    def _drop(self, frame: FrameRegions) -> Iterator[tuple[Place, Risk]]:
        now: dict[int, int] = {}
        for kind in frame.regions.kinds.tolist():
            now[kind] = now.get(kind, 0) + 1
        window = self._counts
        while window and frame.log_ns - window[0][0] > _DROP_NS:
            window.popleft()
        if len(window) >= _LEAST_BEFORE and frame.log_ns >= self._quiet_until_ns:
            for kind in Kind:
                usual = sorted(counts.get(kind, 0) for _, counts in window)[len(window) // 2]
                left = now.get(kind, 0)
                if usual >= _LEAST_BEFORE and left * 2 <= usual:
                    self._quiet_until_ns = frame.log_ns + _DROP_NS
                    text = f'{name_of(kind)}: {left} here, {usual} in the second before'
                    score = 0.8 * (1 - left / usual) * usual / (usual + 2)
                    yield Place.of(frame), Risk(DROP, text, score, kind.label)
        window.append((frame.log_ns, now))


class _Queue:
    """Keeps the frames of the highest scores; weaker ones go when there are far too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[Place, list[Risk]] = {}

    def extend(self, found: Iterable[tuple[Place, Risk]]) -> None:
        for place, risk in found:
            self._found.setdefault(place, []).append(risk)
        if len(self._found) > 4 * self._most + 64:
            kept = sorted(self._found, key=self._order)[:2 * self._most]
            self._found = {place: self._found[place] for place in kept}

    def ranked(self) -> list[RiskyFrame]:
        places = sorted(self._found, key=self._order)[:self._most]
        return [
            RiskyFrame(
                place.topic, place.index, place.stamp_ns, place.log_ns, place.size_wh,
                _together(self._found[place]), tuple(sorted(
                    self._found[place], key=lambda risk: (-risk.score, risk.reason, risk.text)
                )),
            ) for place in places
        ]

    def _order(self, place: Place) -> tuple[float, str, int]:
        return -_together(self._found[place]), place.topic, place.index


def _together(risks: Iterable[Risk]) -> float:
    """Return the score of a frame: the strongest reason's, and a little more for others."""
    scores = sorted((risk.score for risk in risks), reverse=True)
    rest = 1.0
    for score in scores[1:]:
        rest *= 1 - score
    return scores[0] + (1 - scores[0]) * _OTHERS_SHARE * (1 - rest)


def _flagged(
    frame: FrameRegions, flags: Iterable[FlagRecord]
) -> Iterator[tuple[Place, Risk]]:
    for flag in flags:
        box, track = _suspect(frame, flag)
        text = flag.reason if box is None else f'{flag.reason}, {box[3] - box[1]:.0f} px high'
        score = _FLAG_SCORES.get(flag.reason, _OTHER_FLAG)
        yield Place.of(frame), Risk(flag.reason, text, score, flag.kind, track, box)


def _suspect(
    frame: FrameRegions, flag: FlagRecord
) -> tuple[tuple[float, float, float, float] | None, int]:
    """Return the region that a flag means: the highest one of its kind, without a face in it."""
    regions = frame.regions
    faces = [box_of(regions, i) for i in range(len(regions)) if regions.kinds[i] == Kind.FACE]
    found: list[tuple[float, int]] = []
    for i in range(len(regions)):
        box = box_of(regions, i)
        is_meant = Kind(int(regions.kinds[i])).label == flag.kind
        if is_meant and not (flag.reason == NO_FACE and any(_holds(box, face) for face in faces)):
            found.append((box[3] - box[1], i))
    if not found:
        return None, NO_TRACK
    best = max(found)[1]
    return box_of(regions, best), int(regions.track_ids[best])


def _holds(
    box: tuple[float, float, float, float], face: tuple[float, float, float, float]
) -> bool:
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _still_seen(
    frame: FrameRegions, found: Iterable[StillSeen]
) -> Iterator[tuple[Place, Risk]]:
    for each in found:
        name = 'person' if each.kind == Kind.BODY.label else each.kind
        text = f'a {name} of score {each.score:.2f} that nothing hides, for another detector'
        score = 0.6 + 0.35 * min(max(each.score, 0.0), 1.0)
        yield Place.of(frame), Risk(STILL_SEEN, text, score, each.kind, NO_TRACK, each.box_xyxy)
