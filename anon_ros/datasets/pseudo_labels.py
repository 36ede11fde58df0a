# SPDX-License-Identifier: Apache-2.0
"""Regions that networks found, as annotations that say so."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from anon_ros.audit import rle
from anon_ros.core import boxes
from anon_ros.core.regions import Kind
from anon_ros.datasets.categories import FACE, PERSON, PLATE
from anon_ros.datasets.records import Instance

if TYPE_CHECKING:
    from anon_ros.core.regions import Regions

CATEGORIES = MappingProxyType({Kind.FACE: FACE, Kind.BODY: PERSON, Kind.PLATE: PLATE})


def to_instances(regions: Regions, size_wh: tuple[int, int]) -> tuple[Instance, ...]:
    """
    Return the regions' parts inside the image as pseudo-labels; a rider is a person here.

    Whoever is followed keeps the number of the track as an attribute.
    """
    clipped = boxes.clip(regions.boxes_xyxy, size_wh)
    instances = []
    for i, (box, mask) in enumerate(zip(clipped.tolist(), regions.masks, strict=True)):
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        track = int(regions.track_ids[i])
        instances.append(Instance(
            id=str(i + 1), category=CATEGORIES[Kind(int(regions.kinds[i]))],
            box_xyxy=(box[0], box[1], box[2], box[3]),
            rle=None if mask is None else rle.encode(mask, size_wh), is_pseudo=True,
            score=round(float(regions.scores[i]), 6),
            attributes={} if track < 0 else {'track': track}))
    return tuple(instances)
