# SPDX-License-Identifier: Apache-2.0
"""Looks as columns of numbers: exact, compact, and read without running anything."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.bags.jobs import Look
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Mask, Regions
from anon_ros.media.thumbnail import SIZE_WH as THUMBNAIL_WH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_MASK_FIELDS = 4


@dataclass(frozen=True)
class Columns:
    """
    F frames with R regions in all, M of which have a silhouette.

    frames: (F, 4) int64, columns stamp_ns, width and height in px, stray plates.
    thumbnails: (T, 18, 32) uint8, of the frames that have one; thumbnail_of: (F,) its row or -1.
    reasons: JSON, by frame, why nobody could look into it.
    starts: (F + 1,) where each frame's regions begin.
    boxes_xyxy, scores: (R, 4), (R,) float32. marks: (R, 3) int64, columns kind, track, origin.
    keypoints: (K, 17, 3) float32, of the regions of frames that have some; keypoints_of: (F,)
    the first row or -1. masks: (M, 4) int64, columns x, y, height, width in px; mask_of: (R,) its
    row or -1. bits: the pixels of all silhouettes, eight a byte, each on a byte of its own.
    """

    frames: NDArray[np.int64]
    thumbnails: NDArray[np.uint8]
    thumbnail_of: NDArray[np.int64]
    reasons: dict[str, str]
    starts: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    marks: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    keypoints_of: NDArray[np.int64]
    masks: NDArray[np.int64]
    mask_of: NDArray[np.int64]
    bits: NDArray[np.uint8]
    bit_starts: NDArray[np.int64]

    @classmethod
    def of(cls, looks: Sequence[Look]) -> Columns:
        """Return the columns of some looks, in order."""
        sightings = [look.sighting for look in looks]
        regions = Regions.concatenate([sighting.regions for sighting in sightings])
        thumbnails = [each.thumbnail for each in sightings if each.thumbnail is not None]
        with_points = [each.regions.keypoints for each in sightings]
        masks = [mask for mask in regions.masks if mask is not None]
        bits = [np.packbits(mask.inside) for mask in masks]
        return cls(
            frames=np.array([
                (each.stamp_ns, *each.size_wh, look.stray_plates)
                for look, each in zip(looks, sightings, strict=True)
            ], np.int64).reshape(-1, 4),
            thumbnails=_stacked(thumbnails, (0, *THUMBNAIL_WH[::-1]), np.uint8),
            thumbnail_of=_rows([each.thumbnail is not None for each in sightings]),
            reasons={
                str(i): look.reason for i, look in enumerate(looks) if look.reason is not None
            },
            starts=_starts([len(each.regions) for each in sightings]),
            boxes_xyxy=regions.boxes_xyxy, scores=regions.scores,
            marks=np.stack([regions.kinds, regions.track_ids, regions.origins], axis=1),
            keypoints=np.concatenate([
                np.zeros((0, 17, 3), np.float32),
                *(points for points in with_points if points is not None),
            ]),
            keypoints_of=_rows(
                [points is not None for points in with_points],
                [0 if points is None else len(points) for points in with_points],
            ),
            masks=np.array(
                [(mask.x, mask.y, *mask.inside.shape) for mask in masks], np.int64
            ).reshape(-1, _MASK_FIELDS),
            mask_of=_rows([mask is not None for mask in regions.masks]),
            bits=np.concatenate([np.zeros(0, np.uint8), *bits]),
            bit_starts=_starts([len(each) for each in bits]),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all columns as arrays, by name."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        arrays['reasons'] = np.frombuffer(json.dumps(self.reasons).encode(), np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Columns:
        """Return the columns from such arrays; others are ignored."""
        chosen: dict[str, Any] = {each.name: arrays[each.name] for each in fields(cls)}
        chosen['reasons'] = json.loads(arrays['reasons'].tobytes())
        return cls(**chosen)

    def look(self, frame: int) -> Look:
        """Return one frame's look."""
        stamp_ns, width, height, stray_plates = self.frames[frame].tolist()
        thumbnail = self.thumbnail_of[frame]
        return Look(
            Sighting(
                stamp_ns, self._regions(frame), (width, height),
                None if thumbnail < 0 else self.thumbnails[thumbnail],
            ),
            self.reasons.get(str(frame)), stray_plates,
        )

    def _regions(self, frame: int) -> Regions:
        start, stop = int(self.starts[frame]), int(self.starts[frame + 1])
        points = int(self.keypoints_of[frame])
        return Regions(
            boxes_xyxy=self.boxes_xyxy[start:stop],
            kinds=self.marks[start:stop, 0],
            scores=self.scores[start:stop],
            track_ids=self.marks[start:stop, 1],
            origins=self.marks[start:stop, 2],
            masks=tuple(self._mask(int(row)) for row in self.mask_of[start:stop]),
            keypoints=None if points < 0 else self.keypoints[points:points + stop - start],
        )

    def _mask(self, row: int) -> Mask | None:
        if row < 0:
            return None
        x, y, height, width = self.masks[row].tolist()
        packed = self.bits[self.bit_starts[row]:self.bit_starts[row + 1]]
        inside = np.unpackbits(packed, count=height * width).reshape(height, width)
        return Mask(inside.astype(np.bool_), x, y)


def _stacked(
    arrays: Sequence[NDArray[Any]], empty: tuple[int, ...], dtype: type[np.generic]
) -> NDArray[Any]:
    return np.stack(arrays) if arrays else np.zeros(empty, dtype)


def _starts(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Return where each of some stretches begins, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(lengths, np.int64))])


def _rows(has_one: Sequence[bool], lengths: Sequence[int] | None = None) -> NDArray[np.int64]:
    """Return the row at which each one's entry begins, -1 where it has none."""
    used = np.array(has_one, np.int64) if lengths is None else np.array(lengths, np.int64)
    rows = np.cumsum(used) - used
    return np.where(np.array(has_one, np.bool_), rows, -1).astype(np.int64)
