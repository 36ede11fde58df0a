# SPDX-License-Identifier: Apache-2.0
"""The tracker of live topics: every frame comes out at once, so it can only look back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.core.regions import Origin
from anon_ros.tracking.follower import STRONG_SCORE, Follower, Frame, Unseen
from anon_ros.tracking.track import Track, beyond, casts_beyond

if TYPE_CHECKING:
    from anon_ros.core.interfaces import Sighting


class OnlineTracker:
    """
    A RegionTracker without look-ahead: a lost region is held and grown before it is let go.

    A weak region that is seen once is hidden there and not held. Nothing is held across a
    camera's cut, a jump back in time or a change of size.

    hold_s: how long a lost region is held, in s, and never less than one frame; 0 gives ids only.
    strong_score: a region that has it is held though it was seen only once.
    first_track_id: the id of the first track.
    """

    def __init__(
        self, hold_s: float = 1.0, *, strong_score: float = STRONG_SCORE,
        first_track_id: int = 0,
    ) -> None:
        self._hold_ns = round(hold_s * 1e9)
        self._strong_score = strong_score
        self._follower = Follower(self._hold_ns, strong_score, first_track_id)

    @property
    def next_track_id(self) -> int:
        """The id that the next new track gets."""
        return self._follower.next_track_id

    def push(self, sighting: Sighting) -> list[Sighting]:
        """Take the next frame; return it at once, with what is held of the ones before."""
        if self._follower.is_restart(sighting):
            self.flush()
        frame = self._follower.push(sighting)
        tracks = [track for track in self._follower.tracks if self._is_held(track, frame)]
        unseen = [_held(track, frame) for track in tracks]
        self._follower.forget(frame, self._hold_ns)
        return [frame.with_unseen(unseen)]

    def flush(self) -> list[Sighting]:
        """Forget all tracks; no frame is held."""
        self._follower = Follower(self._hold_ns, self._strong_score, self.next_track_id)
        return []

    def _is_held(self, track: Track, frame: Frame) -> bool:
        if not self._hold_ns or not track.is_confirmed or track.track_id in frame.seen:
            return False
        age_ns = frame.time_ns - track.last.time_ns
        is_next = frame.number - track.last.number <= 1
        return track.scene == frame.scene and (is_next or age_ns <= self._hold_ns)


def _held(track: Track, frame: Frame) -> Unseen:
    nearest_first = track.nearest(frame.number)
    return Unseen(
        track, beyond(nearest_first, frame.time_ns), track.last.score, Origin.CARRIED,
        casts_beyond(nearest_first, frame.time_ns, is_held=True),
    )
