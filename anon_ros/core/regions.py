# SPDX-License-Identifier: Apache-2.0
"""What was found in one image: the only form in which detections travel through the house."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
UInt8Array: TypeAlias = NDArray[np.uint8]

NO_TRACK = -1


class Kind(enum.IntEnum):
    """What a region shows."""

    FACE = 0
    BODY = 1
    PLATE = 2

    @property
    def label(self) -> str:
        """The kind's name in settings, manifests and reports."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> Kind:
        """
        Return the kind of that name.

        Raises KeyError for a name that is none.
        """
        return cls[label.upper()]


class Origin(enum.IntEnum):
    """How a region came to be."""

    DETECTED = 0
    """A network saw it in this very frame."""
    FILLED = 1
    """Between two sightings of one track."""
    CARRIED = 2
    """Before the first or after the last sighting of a track."""
    MANUAL = 3
    """A person drew it."""


@dataclass(frozen=True)
class Mask:
    """
    A silhouette inside an image.

    inside: (h, w) bool, True where the object is.
    x, y: the image position of inside[0, 0] in px.
    """

    inside: BoolArray
    x: int
    y: int


@dataclass(frozen=True)
class Regions:
    """
    N regions of one image, in image pixels; frozen and checked.

    boxes_xyxy: (N, 4) float32, columns x_min, y_min, x_max, y_max; edges, so x_max is exclusive.
    kinds: (N,) int64, values of Kind.
    scores: (N,) float32 in 0..1.
    track_ids: (N,) int64, NO_TRACK where nothing follows the region.
    origins: (N,) int64, values of Origin.
    masks: a silhouette or None for each region; None hides the whole box.
    keypoints: (N, 17, 3) float32, COCO's order, columns x, y, score; NaN where unknown; or None.
    """

    boxes_xyxy: Float32Array
    kinds: IntArray
    scores: Float32Array
    track_ids: IntArray
    origins: IntArray
    masks: tuple[Mask | None, ...]
    keypoints: Float32Array | None = None

    def __post_init__(self) -> None:
        """Check the shapes; raise ValueError that names expected and actual ones."""
        count = len(self.masks)
        expected = {
            'boxes_xyxy': (count, 4), 'kinds': (count,), 'scores': (count,),
            'track_ids': (count,), 'origins': (count,),
        }
        for name, shape in expected.items():
            actual = getattr(self, name).shape
            if actual != shape:
                raise ValueError(f'Regions.{name} has shape {actual}, expected {shape}')
        if self.keypoints is not None and self.keypoints.shape != (count, 17, 3):
            raise ValueError(
                f'Regions.keypoints has shape {self.keypoints.shape}, expected {(count, 17, 3)}'
            )
        if not np.isfinite(self.boxes_xyxy).all():
            raise ValueError('Regions.boxes_xyxy holds NaN or infinity')

    def __len__(self) -> int:
        return len(self.masks)

    @classmethod
    def empty(cls) -> Regions:
        """Return no regions."""
        return cls.of(np.zeros((0, 4), np.float32), Kind.FACE)

    @classmethod
    def of(
        cls,
        boxes_xyxy: NDArray[np.floating] | Sequence[Sequence[float]],
        kind: Kind,
        scores: NDArray[np.floating] | Sequence[float] | None = None,
        *,
        masks: Sequence[Mask | None] | None = None,
        keypoints: Float32Array | None = None,
        origin: Origin = Origin.DETECTED,
    ) -> Regions:
        """
        Return untracked regions of one kind.

        boxes_xyxy: (N, 4). scores: (N,) or None for all 1.
        """
        boxes = np.asarray(boxes_xyxy, np.float32).reshape(-1, 4)
        count = len(boxes)
        return cls(
            boxes_xyxy=boxes,
            kinds=np.full(count, int(kind), np.int64),
            scores=np.ones(count, np.float32) if scores is None
            else np.asarray(scores, np.float32).reshape(-1),
            track_ids=np.full(count, NO_TRACK, np.int64),
            origins=np.full(count, int(origin), np.int64),
            masks=(None,) * count if masks is None else tuple(masks),
            keypoints=keypoints,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Regions]) -> Regions:
        """Return all regions of all parts, in order; keypoints are NaN where a part has none."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty()
        keypoints = None
        if any(part.keypoints is not None for part in parts):
            keypoints = np.concatenate([
                np.full((len(part), 17, 3), np.nan, np.float32)
                if part.keypoints is None else part.keypoints
                for part in parts
            ])
        return cls(
            boxes_xyxy=np.concatenate([part.boxes_xyxy for part in parts]),
            kinds=np.concatenate([part.kinds for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            track_ids=np.concatenate([part.track_ids for part in parts]),
            origins=np.concatenate([part.origins for part in parts]),
            masks=tuple(mask for part in parts for mask in part.masks),
            keypoints=keypoints,
        )

    def select(self, chosen: BoolArray | IntArray | Sequence[int]) -> Regions:
        """
        Return the chosen regions.

        chosen: (N,) bool, or indices of any number.
        """
        index = np.asarray(chosen)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return Regions(
            boxes_xyxy=self.boxes_xyxy[index],
            kinds=self.kinds[index],
            scores=self.scores[index],
            track_ids=self.track_ids[index],
            origins=self.origins[index],
            masks=tuple(self.masks[i] for i in index),
            keypoints=None if self.keypoints is None else self.keypoints[index],
        )

    def of_kind(self, kind: Kind) -> Regions:
        """Return the regions of that kind."""
        return self.select(self.kinds == int(kind))

    def with_boxes(self, boxes_xyxy: Float32Array) -> Regions:
        """Return the same regions with other boxes, (N, 4)."""
        return replace(self, boxes_xyxy=np.asarray(boxes_xyxy, np.float32))

    def with_tracks(self, track_ids: IntArray) -> Regions:
        """Return the same regions with other track ids, (N,)."""
        return replace(self, track_ids=np.asarray(track_ids, np.int64))

    def with_origin(self, origin: Origin) -> Regions:
        """Return the same regions, all of that origin."""
        return replace(self, origins=np.full(len(self), int(origin), np.int64))
