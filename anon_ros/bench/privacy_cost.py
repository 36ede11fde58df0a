# SPDX-License-Identifier: Apache-2.0
"""What the default costs, beside a plain mosaic of the region itself in the same run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros import factory
from anon_ros.anonymization.by_kind import ByKind
from anon_ros.anonymization.surroundings import cell_counts, drawing_order, stretch
from anon_ros.core.frame_anonymizer import FrameAnonymizer
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.media.compressed import open_compressed
from anon_ros.media.raw import RawImage, open_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.core.planes import Frame, Plane

SIZE_WH = (1920, 1080)
FACES_PX = (16, 24, 32, 48, 64, 96, 128, 192)
ROUNDS = 60
CELLS = Settings().cells


class PlainMosaic:
    """The mosaic that everybody knows: each cell shows the mean of what it hides."""

    def anonymize(self, planes: Sequence[Plane], regions: Regions, others: Regions) -> None:
        """Overwrite the regions in every plane with what is left of them."""
        for plane in planes:
            for _, hole, _ in drawing_order(regions, others, plane.grid):
                samples = plane.read(hole.rect)
                size_wh = cell_counts(hole.rect, CELLS)
                cells = cv2.resize(samples, size_wh, interpolation=cv2.INTER_AREA)
                cells = np.asarray(cells, np.float32).reshape(*cells.shape[:2], samples.shape[2])
                plane.write(hole.rect, stretch(cells, hole.rect), hole.inside)


def measure_cost(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """
    Return frames/s of both, on raw and on JPEG frames of 1920x1080 with eight faces.

    Each frame is opened, its regions are overwritten and it is encoded again; nothing is
    detected, which would hide what the method costs. The two take turns, and CPU time counts,
    which other programs disturb least.
    """
    random = np.random.default_rng(0)
    image = cv2.GaussianBlur(random.integers(0, 255, (*SIZE_WH[::-1], 3), np.uint8), (0, 0), 3)
    encoded = cv2.imencode('.jpg', image)[1].tobytes()
    width, height = SIZE_WH
    raw = RawImage(width, height, 'bgr8', False, 3 * width, image.tobytes())
    settings = Settings()
    plain = FrameAnonymizer(ByKind({Kind.FACE: PlainMosaic()}), margin=settings.margin)
    pair = {'plain mosaic': plain, settings.method[0]: factory.build_anonymizer(settings)}
    openers: dict[str, Callable[[], Frame]] = {
        'raw': lambda: open_raw(raw), 'jpeg': lambda: open_compressed(encoded),
    }
    return [
        entry for name, opener in openers.items() for entry in _measure(name, opener, pair, rounds)
    ]


def _measure(
    name: str, opener: Callable[[], Frame], pair: dict[str, FrameAnonymizer], rounds: int
) -> list[dict[str, object]]:
    taken: dict[str, list[float]] = {method: [] for method in pair}
    regions = _regions()
    for number in range(rounds):
        for method, anonymizer in list(pair.items())[::1 if number % 2 else -1]:
            start = time.process_time()
            anonymizer.anonymize(opener(), regions)
            taken[method].append(time.process_time() - start)
    medians = {method: float(np.median(times)) for method, times in taken.items()}
    plain = next(iter(medians.values()))
    return [
        {
            'frames': name, 'method': method, 'frames_per_s': round(1 / median, 1),
            'times_the_mosaic': round(median / plain, 3),
        }
        for method, median in medians.items()
    ]


def _regions() -> Regions:
    lefts = 40 + 220 * np.arange(len(FACES_PX))
    boxes = [
        [x, 300, x + 0.75 * side, 300 + side] for x, side in zip(lefts, FACES_PX, strict=True)
    ]
    return Regions.of(boxes, Kind.FACE).with_tracks(np.arange(len(FACES_PX)))
