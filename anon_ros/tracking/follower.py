# SPDX-License-Identifier: Apache-2.0
"""What the trackers share: frames in, each with its scene, the camera's path and track ids out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from anon_ros.core import masks
from anon_ros.core.regions import Kind, Regions
from anon_ros.tracking import association, frame_motion
from anon_ros.tracking.silhouette import Silhouette, draw, keypoints_of
from anon_ros.tracking.track import Edges, Point, Track, expected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.core.interfaces import Sighting
    from anon_ros.core.regions import Float32Array, Mask, Origin, UInt8Array
    from anon_ros.tracking.frame_motion import Vector
    from anon_ros.tracking.silhouette import Box, Cast

STRONG_SCORE = 0.5
# A faster camera is followed as if it were this fast. It forgives stamps that repeat or jump back
# a little, and bounds how many frames a window of time can hold, whatever the stamps are.
_LEAST_STEP_NS = 10_000_000
# So many weak regions are accidents that over a longer time some would lie close by chance.
_LONE_MEMORY_NS = 400_000_000
# A region that comes this close to the image's edge may go on behind it.
_EDGE_PX = 2.0
# A jump back of more than this starts the recording anew.
_LEAST_RESTART_NS = 1_000_000_000


class Unseen(NamedTuple):
    """
    Where a track must be in a frame in which nobody saw it.

    box: in the steady picture. casts: sightings, for its silhouette.
    """

    track: Track
    box: Box
    score: float
    origin: Origin
    casts: Sequence[Cast]


@dataclass(frozen=True)
class Frame:
    """
    A sighting with what its place in the recording tells.

    number: counted from 0. time_ns: on a clock that always advances. scene: counts the cuts.
    path_xy: how far the picture has moved since the first frame, in px.
    seen: the tracks with a region in it.
    """

    sighting: Sighting
    number: int
    time_ns: int
    scene: int
    path_xy: Vector
    seen: frozenset[int]

    def with_unseen(
        self, unseen: Sequence[Unseen], lent: Mapping[int, Sequence[Cast]] | None = None
    ) -> Sighting:
        """
        Return the sighting with regions of tracks that were not seen in it.

        A region that touches no pixel of the image is left out. lent: by track, what other
        sightings know of a silhouette that is seen here.
        """
        seen = self.sighting.regions
        if lent:
            seen = replace(seen, masks=tuple(
                self._smoothed(mask, lent.get(track, ()))
                for mask, track in zip(seen.masks, seen.track_ids.tolist(), strict=True)
            ))
        parts = [region for each in unseen if (region := self._region(each)) is not None]
        if not parts and not lent:
            return self.sighting
        return replace(self.sighting, regions=Regions.concatenate([seen, *parts]))

    def _smoothed(self, mask: Mask | None, casts: Sequence[Cast]) -> Mask | None:
        more = draw(casts, self.path_xy, self.sighting.size_wh) if mask and casts else None
        return mask if mask is None or more is None else masks.join([mask, more])

    def _region(self, unseen: Unseen) -> Regions | None:
        """Return where an object is in the image, None where it is not in it."""
        size_wh = self.sighting.size_wh
        box_xyxy = np.array(unseen.box) + np.array([*self.path_xy, *self.path_xy])
        mask = None
        if any(cast.silhouette is not None for cast in unseen.casts):
            mask = draw(unseen.casts, self.path_xy, size_wh)
            if mask is None:
                return None
            box_xyxy = masks.mask_to_box(mask)
        if not ((box_xyxy[2:] > 0).all() and (box_xyxy[:2] < size_wh).all()):
            return None
        region = Regions.of(
            [box_xyxy], Kind(unseen.track.kind), [unseen.score], masks=[mask],
            origin=unseen.origin, keypoints=keypoints_of(unseen.casts, self.path_xy),
        )
        return region.with_tracks(np.array([unseen.track.track_id], np.int64))


class Follower:
    """
    Gives regions their tracks, frame by frame.

    memory_ns: how long a track that is not seen is still waited for; always for one frame.
    strong_score: a region that has it is no accident, even when it is seen only once.
    """

    def __init__(self, memory_ns: int, strong_score: float, first_track_id: int) -> None:
        self.tracks: list[Track] = []
        self._memory_ns = memory_ns
        self._strong_score = strong_score
        self._next_track_id = first_track_id
        self._last: Frame | None = None
        self._thumbnail: UInt8Array | None = None

    @property
    def next_track_id(self) -> int:
        """The id that the next new track gets."""
        return self._next_track_id

    def is_restart(self, sighting: Sighting) -> bool:
        """Return whether a frame's stamp lies so far back that the recording starts anew."""
        if self._last is None:
            return False
        back_ns = self._last.sighting.stamp_ns - sighting.stamp_ns
        return back_ns > max(self._memory_ns, _LEAST_RESTART_NS)

    def push(self, sighting: Sighting) -> Frame:
        """Return the next frame, its regions with track ids."""
        frame = self._placed(sighting)
        regions = sighting.regions
        # A lone weak region that nobody waits for any more will never be hidden elsewhere.
        self.tracks = [t for t in self.tracks if not t.is_lone or self._is_awaited(t, frame)]
        tracks = self._continued(frame) if len(regions) else []
        frame = replace(
            frame,
            sighting=replace(sighting, regions=regions.with_tracks(
                np.array([track.track_id for track in tracks], np.int64)
            )),
            seen=frozenset(track.track_id for track in tracks),
        )
        self._last = frame
        return frame

    def forget(self, frame: Frame, memory_ns: int) -> None:
        """
        Let go of what says nothing any more about that frame and later ones.

        memory_ns: how long a track is kept that is not seen.
        """
        kept = []
        for track in self.tracks:
            is_recent = track.last.number >= frame.number - 2
            if is_recent or track.last.time_ns >= frame.time_ns - memory_ns:
                track.forget(frame.number, frame.time_ns)
                kept.append(track)
        self.tracks = kept

    def _placed(self, sighting: Sighting) -> Frame:
        last, before = self._last, self._thumbnail
        if sighting.thumbnail is not None:
            self._thumbnail = sighting.thumbnail
        if last is None:
            return Frame(sighting, 0, 0, 0, (0.0, 0.0), frozenset())
        step_ns = max(sighting.stamp_ns - last.sighting.stamp_ns, _LEAST_STEP_NS)
        shift, is_cut = _change(before, sighting.thumbnail, step_ns / 1e9)
        is_cut = is_cut or sighting.size_wh != last.sighting.size_wh
        path_xy = _shifted(last.path_xy, shift, sighting)
        return Frame(
            sighting, last.number + 1, last.time_ns + step_ns, last.scene + is_cut, path_xy,
            frozenset(),
        )

    def _continued(self, frame: Frame) -> list[Track]:
        """Return the track of each region, new ones where none goes on."""
        regions = frame.sighting.regions
        extents, path = _extents(regions), np.array([*frame.path_xy, *frame.path_xy])
        candidates = [track for track in self.tracks if self._is_awaited(track, frame)]
        found: dict[int, Track] = {}
        if candidates:
            pairs = association.associate(
                (np.array([expected(t.points, frame.time_ns) for t in candidates]) + path).astype(
                    np.float32
                ),
                extents,
                association.same_kinds(np.array([t.kind for t in candidates]), regions.kinds),
                np.array([frame.time_ns - t.last.time_ns for t in candidates]) / 1e9,
                np.array([t.error for t in candidates]),
                np.array([t.is_lone for t in candidates]),
                regions.scores < self._strong_score,
            )
            found = {region: candidates[track] for track, region in pairs}
        kinds, scores = regions.kinds.tolist(), regions.scores.tolist()
        cuts = _cuts(extents, frame.sighting.size_wh)
        joints = None
        if regions.keypoints is not None:
            joints = regions.keypoints - np.array([*frame.path_xy, 0], np.float32)
        tracks = []
        for region, box in enumerate((extents - path).tolist()):
            track = found.get(region) or self._new_track(kinds[region], frame.scene)
            edges = (box[0], box[1], box[2], box[3])
            point = Point(
                frame.number, frame.time_ns, edges, scores[region], cuts.get(region),
                Silhouette.of(regions.masks[region], edges, frame.path_xy),
                None if joints is None else joints[region],
            )
            track.add(point, self._strong_score)
            tracks.append(track)
        return tracks

    def _is_awaited(self, track: Track, frame: Frame) -> bool:
        if track.scene != frame.scene:
            return False
        is_recent = frame.number - track.last.number <= 2
        memory_ns = min(_LONE_MEMORY_NS, self._memory_ns) if track.is_lone else self._memory_ns
        return is_recent or frame.time_ns - track.last.time_ns <= memory_ns

    def _new_track(self, kind: Kind | int, scene: int) -> Track:
        track = Track(self._next_track_id, int(kind), scene)
        self._next_track_id += 1
        self.tracks.append(track)
        return track


def _change(
    before: UInt8Array | None, after: UInt8Array | None, gap_s: float
) -> tuple[Vector, bool]:
    """Return the shift between two thumbnails, in their px, and whether they are of two scenes."""
    if before is None or after is None or before.shape != after.shape:
        return (0.0, 0.0), False
    shift = frame_motion.estimate_shift(before, after)
    is_cut = frame_motion.is_cut(before, after, shift, gap_s)
    return ((0.0, 0.0), True) if is_cut else (shift, False)


def _shifted(path_xy: Vector, shift: Vector, sighting: Sighting) -> Vector:
    if sighting.thumbnail is None:
        return path_xy
    height, width = sighting.thumbnail.shape
    return (
        path_xy[0] + shift[0] * sighting.size_wh[0] / width,
        path_xy[1] + shift[1] * sighting.size_wh[1] / height,
    )


def _cuts(extents: Float32Array, size_wh: tuple[int, int]) -> dict[int, Edges]:
    """Return the edges at which a region reaches the image's end, for regions that do."""
    is_cut = np.concatenate([
        extents[:, :2] <= _EDGE_PX, extents[:, 2:] >= np.array(size_wh) - _EDGE_PX
    ], axis=1)
    return {int(i): tuple(is_cut[i].tolist()) for i in np.flatnonzero(is_cut.any(axis=1))}


def _extents(regions: Regions) -> Float32Array:
    """Return (N, 4) boxes that hold each region's box and its mask."""
    extents = np.array(regions.boxes_xyxy, np.float32)
    for box, mask in zip(extents, regions.masks, strict=True):
        if mask is None or not mask.inside.size:
            continue
        height, width = mask.inside.shape
        if (box[:2] <= (mask.x, mask.y)).all() and (
            box[2:] >= (mask.x + width, mask.y + height)
        ).all():
            continue
        columns = np.flatnonzero(mask.inside.any(axis=0))
        rows = np.flatnonzero(mask.inside.any(axis=1))
        if len(columns):
            box[:2] = np.minimum(box[:2], (mask.x + columns[0], mask.y + rows[0]))
            box[2:] = np.maximum(box[2:], (mask.x + columns[-1] + 1, mask.y + rows[-1] + 1))
    return extents
