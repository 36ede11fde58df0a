# SPDX-License-Identifier: Apache-2.0
"""The few pictures of a run that its report shows: of the result, never of the recording."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import cv2
import numpy as np

from anon_ros.core.boxes import Rect, clip
from anon_ros.core.regions import Kind, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.core.regions import Float32Array, Regions, UInt8Array

CAPACITY = 24
WIDTH_PX = 640
CLOSE_UPS = 3
CLOSE_UP_PX = 176
CONTEXT = 0.75
"""What a close-up shows around a region on each side, as a share of the region's longer side."""
FIRST_SLOT_NS = 200_000_000
JPEG_QUALITY = 82
MAX_OUTLINES = 200


@dataclass(frozen=True)
class Outline:
    """
    A region that was hidden.

    box_xyxy: in px of the whole frame, its part inside the image. label, origin: of Kind, Origin.
    """

    box_xyxy: tuple[float, float, float, float]
    label: str
    origin: str
    score: float
    track_id: int

    @property
    def height_px(self) -> float:
        """From top to bottom, inside the image."""
        return self.box_xyxy[3] - self.box_xyxy[1]


@dataclass(frozen=True)
class CloseUp:
    """What is in the result where a region is now: a JPEG of a rectangle of the frame."""

    jpeg: bytes
    rect: Rect
    outline: Outline


@dataclass(frozen=True)
class Picture:
    """
    One frame of the result.

    size_wh: of the frame in px. jpeg: the frame, scaled down. outlines: the largest regions first.
    regions_total: all of the frame, also those that got no outline.
    """

    topic: str
    stamp_ns: int
    size_wh: tuple[int, int]
    jpeg: bytes
    outlines: tuple[Outline, ...]
    close_ups: tuple[CloseUp, ...]
    regions_total: int


def take_picture(
    topic: str, stamp_ns: int, anonymized_bgr: UInt8Array, regions: Regions
) -> Picture:
    """
    Return a picture of a frame of the result.

    anonymized_bgr: (h, w, 3) uint8.
    """
    height, width = anonymized_bgr.shape[:2]
    outlines = outline(regions, (width, height))
    return Picture(
        topic=topic,
        stamp_ns=stamp_ns,
        size_wh=(width, height),
        jpeg=encode_jpeg(fit(anonymized_bgr, WIDTH_PX)),
        outlines=outlines[:MAX_OUTLINES],
        close_ups=tuple(_close_up(anonymized_bgr, item) for item in _pick(outlines)),
        regions_total=len(regions),
    )


def outline(regions: Regions, size_wh: tuple[int, int]) -> tuple[Outline, ...]:
    """Return the parts of regions that lie inside the image, the largest first."""
    boxes = clip(regions.boxes_xyxy, size_wh)
    size = boxes[:, 2:] - boxes[:, :2]
    visible = np.flatnonzero((size > 0).all(axis=1))
    order = visible[np.argsort(-size[visible].prod(axis=1), kind='stable')]
    return tuple(
        Outline(
            box_xyxy=_as_box(boxes[i]),
            label=Kind(int(regions.kinds[i])).label,
            origin=Origin(int(regions.origins[i])).name.lower(),
            score=float(regions.scores[i]),
            track_id=int(regions.track_ids[i]),
        )
        for i in order
    )


class Shown(Protocol):
    """A picture, or a frame that a picture may be taken of."""

    @property
    def topic(self) -> str:
        """The camera."""

    @property
    def stamp_ns(self) -> int:
        """When it was taken."""

    @property
    def regions_total(self) -> int:
        """What is hidden in it."""


T = TypeVar('T', bound=Shown)


@dataclass(frozen=True)
class FrameChoice:
    """A frame that a picture may be taken of."""

    frame: FrameRegions

    @property
    def topic(self) -> str:
        """The camera."""
        return self.frame.topic

    @property
    def stamp_ns(self) -> int:
        """When it was recorded."""
        return self.frame.log_ns

    @property
    def regions_total(self) -> int:
        """What is hidden in it."""
        return len(self.frame.regions)


class PictureShelf(Generic[T]):
    """
    Keeps at most CAPACITY pictures, spread evenly over time, the fullest frame of each stretch.

    Time is cut into slots; where there are too many, those of the topic with the most become
    twice as long. The same frames give the same pictures, in whatever order they come within a
    topic. Not thread-safe.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._slot_ns: dict[str, int] = {}
        self._shelf: dict[tuple[str, int], T] = {}

    def wants(self, topic: str, stamp_ns: int, regions: Regions) -> bool:
        """Return whether a picture of this frame would be kept."""
        slot_ns = self._slot_ns.get(topic, FIRST_SLOT_NS)
        kept = self._shelf.get((topic, max(0, stamp_ns) // slot_ns))
        if kept is None:
            return topic in self._slot_ns or len(self._slot_ns) < self._capacity
        return (len(regions), -stamp_ns) > _rank(kept)

    def put(self, picture: T) -> None:
        """Take a picture; it may push out others, or itself."""
        topic = picture.topic
        if topic not in self._slot_ns and len(self._slot_ns) >= self._capacity:
            return
        slot_ns = self._slot_ns.setdefault(topic, FIRST_SLOT_NS)
        key = (topic, max(0, picture.stamp_ns) // slot_ns)
        self._shelf[key] = max(self._shelf.get(key, picture), picture, key=_rank)
        while len(self._shelf) > self._capacity:
            self._thin_out()

    def pictures(self) -> list[T]:
        """Return the pictures by topic and time."""
        return [self._shelf[key] for key in sorted(self._shelf)]

    def _thin_out(self) -> None:
        counts = Counter(topic for topic, _ in self._shelf)
        crowded = min(counts, key=lambda topic: (-counts[topic], topic))
        kept = [picture for (topic, _), picture in self._shelf.items() if topic == crowded]
        self._shelf = {key: item for key, item in self._shelf.items() if key[0] != crowded}
        self._slot_ns[crowded] *= 2
        for picture in kept:
            key = (crowded, max(0, picture.stamp_ns) // self._slot_ns[crowded])
            self._shelf[key] = max(self._shelf.get(key, picture), picture, key=_rank)


def _rank(picture: Shown) -> tuple[int, int]:
    return picture.regions_total, -picture.stamp_ns


def _pick(outlines: Sequence[Outline]) -> list[Outline]:
    """Return the largest, the smallest and one between: a close-up of each tells most."""
    if len(outlines) <= CLOSE_UPS:
        return list(outlines)
    steps = np.linspace(0, len(outlines) - 1, CLOSE_UPS)
    return [outlines[int(step)] for step in steps]


def _close_up(image_bgr: UInt8Array, item: Outline) -> CloseUp:
    height, width = image_bgr.shape[:2]
    x_min, y_min, x_max, y_max = item.box_xyxy
    side = max(x_max - x_min, y_max - y_min) * (1 + 2 * CONTEXT)
    side = max(1, min(round(side), width, height))
    left = min(max(0, round((x_min + x_max - side) / 2)), width - side)
    top = min(max(0, round((y_min + y_max - side) / 2)), height - side)
    rect = Rect(left, top, left + side, top + side)
    crop = image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    # Nearest neighbours: enlarged, the pixels of the result stay to be seen as they are.
    shown = fit(crop, CLOSE_UP_PX) if side > CLOSE_UP_PX else cv2.resize(
        crop, (CLOSE_UP_PX, CLOSE_UP_PX), interpolation=cv2.INTER_NEAREST)
    return CloseUp(jpeg=encode_jpeg(np.asarray(shown, np.uint8)), rect=rect, outline=item)


def fit(image_bgr: UInt8Array, width_px: int) -> UInt8Array:
    """Return an image that is no wider than that."""
    height, width = image_bgr.shape[:2]
    if width <= width_px:
        return image_bgr
    size = (width_px, max(1, round(height * width_px / width)))
    return np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_jpeg(image_bgr: UInt8Array) -> bytes:
    """Return an image as a JPEG."""
    return cv2.imencode('.jpg', image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _as_box(row: Float32Array) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = map(float, row)
    return x_min, y_min, x_max, y_max
