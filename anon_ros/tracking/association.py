# SPDX-License-Identifier: Apache-2.0
"""Which region of a frame continues which track: arrays in, pairs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, IntArray

# How far a centre may lie from where it was expected, in widths and heights of the region: people
# who walk side by side are one width apart. A track that was
# seen once may go anywhere: a face that runs past at 4 m/s moves 17 of its own sizes in a second.
_REACH = 0.3
_REACH_PER_ERROR = 2.5
_REACH_PER_S = 2.0
_LARGEST_REACH = 3.0
# A person who steps behind a car loses half of the box at once.
_LARGEST_RATIO = 2.5
# A weak region is often none: one that hijacks a track leaves the object itself uncovered.
_WEAK_REACH = 0.5
_WEAK_RATIO = 1.5
_LONE_REACH = 0.6
_STILL_OVERLAP = 0.3


def associate(
    expected_xyxy: Float32Array,
    boxes_xyxy: Float32Array,
    same_kind: BoolArray,
    gaps_s: NDArray[np.floating],
    errors: NDArray[np.floating],
    is_lone: BoolArray,
    is_weak: BoolArray,
) -> list[tuple[int, int]]:
    """
    Return pairs (track, region), each track and each region at most once.

    expected_xyxy: (T, 4) where each track should be now. boxes_xyxy: (N, 4) what was seen.
    same_kind: (T, N). gaps_s: (T,) s since each track was seen last. errors: (T,) how far
    off each track's expectation usually is, in sizes. is_lone: (T,) tracks of one weak region.
    is_weak: (N,) regions of low score, which take only what the others leave (as in ByteTrack,
    Zhang et al. 2022), and only nearby.
    The best pair goes first: with motion predicted, conflicts are too rare for an optimal
    assignment to pay. Ties fall to the older track, so that a run can be repeated.
    """
    reach = np.minimum(
        _REACH + _REACH_PER_ERROR * errors + _REACH_PER_S * gaps_s, _LARGEST_REACH
    )[:, None] * np.where(is_weak, _WEAK_REACH, 1.0)
    reach = np.where(is_lone[:, None] & is_weak, np.minimum(reach, _LONE_REACH), reach)
    largest_change = np.log(np.where(is_weak, _WEAK_RATIO, _LARGEST_RATIO))
    distance, change, overlap = _differences(expected_xyxy, boxes_xyxy)
    is_near = (distance <= reach) | (overlap >= _STILL_OVERLAP)
    is_possible = same_kind & is_near & (change <= largest_change)
    cost = distance + 0.5 * change - overlap + 0.5 * np.minimum(gaps_s, 1.0)[:, None]
    cost = np.where(is_possible, cost, np.inf)
    cost = cost + np.where(is_weak, 1e3, 0.0)[None, :]
    tracks, regions = np.nonzero(np.isfinite(cost))
    order = np.argsort(cost[tracks, regions], kind='stable')
    free_tracks, free_regions = set(tracks.tolist()), set(regions.tolist())
    pairs = []
    for track, region in zip(tracks[order].tolist(), regions[order].tolist(), strict=True):
        if track in free_tracks and region in free_regions:
            free_tracks.remove(track)
            free_regions.remove(region)
            pairs.append((track, region))
    return pairs


def _differences(
    expected_xyxy: Float32Array, boxes_xyxy: Float32Array
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return (T, N) distances in sizes, changes of size as logarithms, and overlaps (IoU)."""
    expected_size = np.maximum(expected_xyxy[:, 2:] - expected_xyxy[:, :2], 1.0)
    size = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 1.0)
    expected_scale = np.sqrt(expected_size.prod(axis=1))[:, None]
    scale = np.sqrt(size.prod(axis=1))[None, :]
    centres = (expected_xyxy[:, :2] + expected_xyxy[:, 2:]) / 2
    offset = centres[:, None] - (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:])[None] / 2
    offset = offset / ((expected_size[:, None] + size[None]) / 2)
    distance = np.hypot(offset[..., 0], offset[..., 1])
    change = np.abs(np.log(expected_scale / scale))
    return distance, change, boxes.iou(expected_xyxy, boxes_xyxy)


def same_kinds(track_kinds: IntArray, kinds: IntArray) -> BoolArray:
    """Return (T, N): whether track and region are of one kind."""
    return np.asarray(track_kinds[:, None] == kinds[None, :], np.bool_)
