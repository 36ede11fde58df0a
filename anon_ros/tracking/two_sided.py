# SPDX-License-Identifier: Apache-2.0
"""The tracker of recordings: it looks ahead, so that what is found later is hidden earlier."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from anon_ros.core.regions import Kind, Origin
from anon_ros.tracking.follower import STRONG_SCORE, Follower, Frame, Unseen
from anon_ros.tracking.track import (
    Track,
    between,
    beyond,
    casts_around,
    casts_between,
    casts_beyond,
)

if TYPE_CHECKING:
    from anon_ros.core.interfaces import Sighting
    from anon_ros.tracking.silhouette import Cast

# The last quarter of the window would cost as much needless cover as all of the filling, and
# hardly ever hides anything.
_CARRY_SHARE = 0.75


class TwoSidedTracker:
    """
    A RegionTracker that holds each frame for a window of time.

    Between two sightings of a track its region is filled in; before the first and after the last
    one it is carried on. A silhouette that is seen is joined with those seen just before and
    after. Nothing crosses a camera's cut, a jump back in time or a change of size.
    A weak region that is seen once is hidden there and not carried.

    window_s: how far it looks ahead and back, in s, and never less than one frame; 0 gives ids
    only. carry_s: how far a region is carried, at most window_s; None for three quarters of it.
    body_carry_s: the same for people; None for as far as all others.
    strong_score: a region that has it is carried though it was seen only once.
    first_track_id: the id of the first track; a run that goes on counts on from next_track_id.
    """

    def __init__(
        self, window_s: float = 1.0, *, carry_s: float | None = None,
        body_carry_s: float | None = None, strong_score: float = STRONG_SCORE,
        first_track_id: int = 0,
    ) -> None:
        carry_s = _CARRY_SHARE * window_s if carry_s is None else carry_s
        body_carry_s = carry_s if body_carry_s is None else body_carry_s
        self._window_ns = round(window_s * 1e9)
        self._carry_ns = round(min(carry_s, window_s) * 1e9)
        self._body_carry_ns = round(min(body_carry_s, window_s) * 1e9)
        self._strong_score = strong_score
        self._held: deque[Frame] = deque()
        self._follower = Follower(self._window_ns, strong_score, first_track_id)

    @property
    def next_track_id(self) -> int:
        """The id that the next new track gets."""
        return self._follower.next_track_id

    def push(self, sighting: Sighting) -> list[Sighting]:
        """Take the next frame; return the frames whose look-ahead window has closed."""
        done = self.flush() if self._follower.is_restart(sighting) else []
        self._held.append(self._follower.push(sighting))
        while self._held and self._is_closed(self._held[0]):
            done.append(self._completed(self._held.popleft()))
        return done

    def flush(self) -> list[Sighting]:
        """Return all frames still held: the recording ends here, or starts anew."""
        done = [self._completed(frame) for frame in self._held]
        self._held.clear()
        self._follower = Follower(self._window_ns, self._strong_score, self.next_track_id)
        return done

    def _is_closed(self, frame: Frame) -> bool:
        return self._held[-1].time_ns - frame.time_ns >= self._window_ns

    def _completed(self, frame: Frame) -> Sighting:
        unseen = [
            each for track in self._follower.tracks if track.scene == frame.scene
            for each in self._unseen(track, frame)
        ] if self._window_ns else []
        lent = self._lent(frame) if self._window_ns else {}
        self._follower.forget(frame, self._window_ns)
        return frame.with_unseen(unseen, lent)

    def _lent(self, frame: Frame) -> dict[int, list[Cast]]:
        """Return by track what the sightings around one that is seen know of its silhouette."""
        return {
            track.track_id: casts_around(*around, frame.time_ns)
            for track in self._follower.tracks if track.track_id in frame.seen
            and (around := track.neighbours(frame.number)) is not None
        }

    def _unseen(self, track: Track, frame: Frame) -> list[Unseen]:
        """Return where a track must be in a frame in which nobody saw it; mostly nowhere."""
        filled = [
            Unseen(
                track, between(a, b, frame.time_ns), min(a.score, b.score), Origin.FILLED,
                casts_between(a, b, frame.time_ns),
            )
            for a, b in track.bridges(frame.number)
        ]
        is_within = track.points[0].number <= frame.number <= track.last.number
        if filled or is_within or not track.is_confirmed:
            return _joined(filled)
        nearest_first = track.nearest(frame.number)
        nearest = nearest_first[0]
        is_next = abs(nearest.number - frame.number) <= 1
        carry_ns = self._body_carry_ns if track.kind == Kind.BODY else self._carry_ns
        if not is_next and abs(nearest.time_ns - frame.time_ns) > carry_ns:
            return []
        return [Unseen(
            track, beyond(nearest_first, frame.time_ns), nearest.score, Origin.CARRIED,
            casts_beyond(nearest_first, frame.time_ns),
        )]


def _joined(unseen: list[Unseen]) -> list[Unseen]:
    """Return several ways of one track as one silhouette, where there is one."""
    casts = [cast for each in unseen for cast in each.casts]
    if len(unseen) < 2 or all(cast.silhouette is None for cast in casts):
        return unseen
    return [unseen[0]._replace(score=min(each.score for each in unseen), casts=casts)]
