# SPDX-License-Identifier: Apache-2.0
"""Tell plates that lie on no vehicle: for the report, never to leave one clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import cover, grow
from anon_ros.core.regions import Kind
from anon_ros.detection.yolox import VEHICLES, Yolox
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from anon_ros.core.regions import BoolArray, Regions, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.models.store import ModelStore

_LONGEST_PX = 640
_THRESHOLD = 0.1
_MARGIN = 0.15
_LEAST_COVER = 0.5


class PlateContext:
    """Looks for vehicles around plates. Safe to call from several threads at once."""

    def __init__(self, vehicles: Yolox) -> None:
        """Use a network that knows COCO's classes."""
        self._vehicles = vehicles

    def stray(self, image_bgr: UInt8Array, regions: Regions) -> BoolArray:
        """
        Return (N,): which regions are plates that lie on no vehicle.

        image_bgr: (h, w, 3) uint8. Raises ModelError when the network cannot run.
        """
        is_plate = np.asarray(regions.kinds == int(Kind.PLATE), bool)
        if not is_plate.any():
            return is_plate
        boxes, _ = self._vehicles.candidates(image_bgr, _THRESHOLD, _LONGEST_PX, VEHICLES)
        on_vehicle = cover(regions.boxes_xyxy, grow(boxes, _MARGIN)) >= _LEAST_COVER
        return np.asarray(is_plate & ~on_vehicle.any(axis=1), bool)


def build_plate_context(
    settings: Settings, store: ModelStore, threads: int = 0
) -> PlateContext | None:
    """Return what looks for vehicles; None where its weights cannot be had: it only flags."""
    try:
        return PlateContext(Yolox.load(store.path('yolox-nano'), settings.device, threads))
    except ModelError:
        return None
