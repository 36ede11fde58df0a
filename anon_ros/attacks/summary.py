# SPDX-License-Identifier: Apache-2.0
"""What an attacker knows of everybody: one look, and the averages of all looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from anon_ros.attacks.interface import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anon_ros.attacks.interface import Descriptor
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

    _Points: TypeAlias = tuple[Float32Array, Float32Array, Float32Array]

ALIGNED_PX = 160
CONTEXT = 1.6
"""An aligned picture shows this many times the longer side of what was found."""
_AT_ONCE = 16
"""Pictures that are described together, at least, but for the last."""


@dataclass(frozen=True, eq=False)
class Summary:
    """
    Points of N people, (N, D) each.

    first: of the first look. mean: of all looks' points, averaged. average: of all looks' pixels,
    aligned by the box and averaged.
    """

    first: Float32Array
    mean: Float32Array
    average: Float32Array

    def first_people(self, count: int) -> Summary:
        """Return what is known of the first so many."""
        return Summary(self.first[:count], self.mean[:count], self.average[:count])


def summarize(descriptor: Descriptor, tracks: Iterable[Sequence[Picture]]) -> Summary:
    """Return what a descriptor says of every track; a few tracks are held at a time."""
    return summarize_all([descriptor], tracks)[0]


def summarize_all(
    descriptors: Sequence[Descriptor], tracks: Iterable[Sequence[Picture]]
) -> list[Summary]:
    """Return what each descriptor says of every track, made once for all of them."""
    parts: list[list[_Points]] = [[] for _ in descriptors]
    for some in _together(tracks):
        for descriptor, found in zip(descriptors, parts, strict=True):
            found.extend(_describe(descriptor, some))
    return [
        Summary(*(np.stack(column) for column in zip(*found, strict=True))) for found in parts
    ]


def _together(
    tracks: Iterable[Sequence[Picture]]
) -> Iterator[list[tuple[Sequence[Picture], Picture | None]]]:
    """Yield several tracks with their averages: a network takes many pictures at once faster."""
    some: list[tuple[Sequence[Picture], Picture | None]] = []
    for track in tracks:
        some.append((track, average(track) if len(track) > 1 else None))
        if sum(len(each) for each, _ in some) >= _AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _describe(
    descriptor: Descriptor, tracks: Sequence[tuple[Sequence[Picture], Picture | None]]
) -> Iterator[_Points]:
    """Yield what a summary holds of each track: first, mean, average."""
    pictures = [
        picture for track, mixed in tracks
        for picture in ([*track] if mixed is None else [*track, mixed])
    ]
    points = descriptor.describe(pictures)
    start = 0
    for track, mixed in tracks:
        own = points[start:start + len(track)]
        start += len(track) + (mixed is not None)
        yield own[0], own.mean(axis=0), points[start - 1]


def average(track: Sequence[Picture]) -> Picture:
    """Return all pictures of a track laid on each other by their boxes."""
    aligned = [align(picture) for picture in track]
    mean = np.mean([picture.image_bgr for picture in aligned], axis=0, dtype=np.float32)
    # Only what was hidden in every picture: an edge that wanders would show what lies around it.
    hole = np.all([picture.hole for picture in aligned], axis=0)
    return Picture(np.rint(mean).astype(np.uint8), aligned[0].box_xyxy, hole)


def align(picture: Picture) -> Picture:
    """Return the picture moved and scaled so that its box lies where every other one does."""
    x_min, y_min, x_max, y_max = (float(value) for value in picture.box_xyxy)
    scale = ALIGNED_PX / (CONTEXT * max(x_max - x_min, y_max - y_min, 1.0))
    middle = np.array([(x_min + x_max) / 2, (y_min + y_max) / 2])
    # A pixel's middle lies half a pixel inside it.
    shift = ALIGNED_PX / 2 - scale * middle + (scale - 1) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    size_wh = (ALIGNED_PX, ALIGNED_PX)
    image = cv2.warpAffine(
        picture.image_bgr, matrix, size_wh, flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    hole = cv2.warpAffine(
        _inner(picture.hole, scale), matrix, size_wh, flags=cv2.INTER_NEAREST,
    )
    half = np.array([x_max - x_min, y_max - y_min]) * scale / 2
    box = np.concatenate([ALIGNED_PX / 2 - half, ALIGNED_PX / 2 + half]).astype(np.float32)
    return Picture(np.asarray(image, np.uint8), box, np.asarray(hole > 0, np.bool_))


def _inner(hole: BoolArray, scale: float) -> UInt8Array:
    """Return (h, w): the hole without the edge that interpolation mixes with what is beside it."""
    radius = 1 if scale >= 1 else int(np.ceil(1 / scale))
    side = 2 * radius + 1
    eroded = cv2.erode(
        hole.astype(np.uint8), np.ones((side, side), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(eroded, np.uint8)
