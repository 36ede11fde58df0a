# SPDX-License-Identifier: Apache-2.0
"""
How many annotated plates are hidden, by height and light, at what price in false regions and time.

The annotations leave out plates that are small, cut off or hard to see; a region on one of them
counts as false here, so the true number of false regions is lower.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import cover, grow, intersections
from anon_ros.detection.plates import build_plate_detector
from anon_ros.training.plate_frames import load_plate_frames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import BoolArray, Float32Array
    from anon_ros.core.settings import Settings
    from anon_ros.models.store import ModelStore
    from anon_ros.training.plate_frames import PlateFrame

WIDTH_PX = 1280
LEAST_COVER = 0.8
HEIGHT_EDGES_PX = (0, 12, 20, 32, 48, 1000)


@dataclass(frozen=True)
class PlateGroup:
    """A group of plates, how many there are, and the share of them that is hidden, 0..1."""

    name: str
    plates: int
    covered: float


@dataclass(frozen=True)
class PlateTable:
    """
    One detector's figures.

    groups: all, day, night, then by height in px of a frame 1280 px wide; empty groups are left
    out. false_per_frame: regions that meet no annotated plate. ms_per_frame: detection alone.
    """

    frames: int
    groups: tuple[PlateGroup, ...]
    false_per_frame: float
    ms_per_frame: float


def bench_plates(
    data_dir: Path, settings: Settings, store: ModelStore, threads: int
) -> dict[str, PlateTable]:
    """
    Return the figures of the detector that the settings ask for, on data_dir/valid.json.

    The tables: `as they are`, and `half size`, where every plate is half as high.
    Raises InputError for data that cannot be read, ModelError like build_plate_detector.
    """
    frames = load_plate_frames(data_dir, 'valid')
    detector = build_plate_detector(settings, store, threads)
    half = [shrink(frame, 0.5) for frame in frames]
    return {
        'as they are': measure_plates(detector, frames, settings.margin),
        'half size': measure_plates(detector, half, settings.margin),
    }


def measure_plates(
    detector: RegionDetector, frames: Sequence[PlateFrame], margin: float = 0.15
) -> PlateTable:
    """
    Return the detector's figures on annotated frames.

    A plate is hidden when one region, grown by the margin on each side, covers at least 80 % of
    it. The first frame runs once before the clock starts, to let the engine compile.
    """
    detector.detect(frames[0].image_bgr)
    shares, false_regions, seconds = [], 0, 0.0
    for frame in frames:
        start = time.perf_counter()
        found = detector.detect(frame.image_bgr)
        seconds += time.perf_counter() - start
        regions = grow(found.boxes_xyxy, margin)
        shares.append(best_cover(frame.plates_xyxy, regions))
        meets = intersections(regions, frame.plates_xyxy).any(axis=1)
        false_regions += int((~meets).sum())
    is_covered = np.concatenate(shares) >= LEAST_COVER
    return PlateTable(
        frames=len(frames), groups=_groups(frames, is_covered),
        false_per_frame=false_regions / len(frames), ms_per_frame=1e3 * seconds / len(frames),
    )


def shrink(frame: PlateFrame, share: float) -> PlateFrame:
    """
    Return the frame scaled down in the middle of a black one of its old size.

    share: below 1, of each side. This is how plates smaller than the annotated ones are measured.
    """
    height, width = frame.image_bgr.shape[:2]
    small = cv2.resize(frame.image_bgr, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    image = np.zeros_like(frame.image_bgr)
    image[y:y + small.shape[0], x:x + small.shape[1]] = small
    offset = np.array([x, y, x, y], np.float32)
    return replace(frame, image_bgr=image, plates_xyxy=frame.plates_xyxy * share + offset)


def best_cover(plates_xyxy: Float32Array, regions_xyxy: Float32Array) -> Float32Array:
    """Return (N,): the largest share of each plate that a single region covers."""
    shares = cover(plates_xyxy, regions_xyxy)
    return np.asarray(np.max(shares, axis=1, initial=0.0), np.float32)


def _groups(frames: Sequence[PlateFrame], is_covered: BoolArray) -> tuple[PlateGroup, ...]:
    is_night = np.concatenate(
        [np.full(len(frame.plates_xyxy), frame.is_night) for frame in frames])
    heights = np.concatenate([
        (frame.plates_xyxy[:, 3] - frame.plates_xyxy[:, 1]) * WIDTH_PX / frame.image_bgr.shape[1]
        for frame in frames
    ])
    groups = [('all', np.ones_like(is_night)), ('day', ~is_night), ('night', is_night)]
    for low, high in itertools.pairwise(HEIGHT_EDGES_PX):
        name = f'{low}-{high - 1} px' if high < HEIGHT_EDGES_PX[-1] else f'from {low} px'
        groups.append((name, (heights >= low) & (heights < high)))
    return tuple(
        PlateGroup(name, int(chosen.sum()), float(is_covered[chosen].mean()))
        for name, chosen in groups if chosen.any()
    )
