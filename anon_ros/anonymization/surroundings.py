# SPDX-License-Identifier: Apache-2.0
"""
What a region may be filled from: the mean colour of what surrounds it.

Whatever is only degraded can be re-identified, so no sample inside any hidden region is read
into a result here: blur, mosaic and even a region's mean colour leak to an attacker who is
patient and informed; what is drawn from the surroundings leaks only what stays visible anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.boxes import Rect
from anon_ros.core.holes import Hole, holes_of, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from anon_ros.core.planes import Grid, Plane
    from anon_ros.core.regions import Float32Array, IntArray, Regions

    Float64Array = NDArray[np.float64]

RING_SAMPLES = 6
"""Width of the ring that colours are taken from: wider would only cost time."""


def drawing_order(
    regions: Regions, others: Regions, grid: Grid
) -> Iterator[tuple[int, Hole, list[Hole]]]:
    """
    Yield the holes to fill: index of the region, hole, and all holes whose samples are unknown.

    Larger ones come first. A hole that is filled already is no secret any more, so that one
    inside it finds colours around itself; one of the same size or smaller that lies wholly
    inside a filled one has nothing left to hide and is left out.
    """
    holes = holes_of(regions, grid)
    unknown = holes_of(others, grid)
    order = sorted(range(len(holes)), key=lambda i: -holes[i].rect.width * holes[i].rect.height)
    filled: list[Hole] = []
    for place, i in enumerate(order):
        hole = holes[i]
        if hole.rect.is_empty or any(each.contains(hole) for each in filled):
            continue
        yield i, hole, unknown + [holes[k] for k in order[place:]]
        filled.append(hole)


def surrounding_colour(plane: Plane, hole: Hole, holes: Sequence[Hole]) -> Float32Array:
    """
    Return (channels,): the mean colour of what surrounds a hole.

    Samples count that lie in a narrow ring around the hole's bounds and in none of the holes; the
    plane's middle stands in where nothing around is known. One colour and no more: colours that
    follow the surroundings across the hole make it a fingerprint of them.
    """
    width = min(RING_SAMPLES, hole.rect.width, hole.rect.height)
    ring = hole.rect.grow(width, width)
    strips = (
        ring._replace(y_max=hole.rect.y_min), ring._replace(y_min=hole.rect.y_max),
        Rect(ring.x_min, hole.rect.y_min, hole.rect.x_min, hole.rect.y_max),
        Rect(hole.rect.x_max, hole.rect.y_min, ring.x_max, hole.rect.y_max),
    )
    # A hole's own samples lie in none of the strips.
    near = [
        each for each in holes
        if each.rect != hole.rect and not each.rect.intersect(ring).is_empty
    ]
    total, count = np.zeros(1), 0.0
    for strip in strips:
        visible = strip.intersect(plane.grid.bounds)
        if not visible.is_empty:
            sums, known = _sum_known(plane.read(visible), visible, near)
            total, count = total + sums, count + known
    if not count:
        channels = plane.read(Rect(0, 0, 0, 0)).shape[2]
        return np.full(channels, plane.middle, np.float32)
    return np.asarray(total / count, np.float32)


def stretch(cells: Float32Array, rect: Rect) -> Float32Array:
    """Return (h, w, channels): each cell as a flat tile of the rectangle."""
    tall = np.repeat(cells, np.diff(_cuts(rect.height, cells.shape[0])), axis=0)
    wide = np.repeat(tall, np.diff(_cuts(rect.width, cells.shape[1])), axis=1)
    return np.asarray(wide, np.float32)


def cell_counts(rect: Rect, cells_longer: int) -> tuple[int, int]:
    """Return cells across and down: about square ones, cells_longer along the longer side."""
    longer = max(rect.width, rect.height)
    across = max(1, round(cells_longer * rect.width / longer))
    down = max(1, round(cells_longer * rect.height / longer))
    return min(across, rect.width), min(down, rect.height)


def _sum_known(
    samples: Float32Array, strip: Rect, holes: Sequence[Hole]
) -> tuple[Float64Array, float]:
    """
    Return (channels,) sums of what is known in a strip, and how many samples that is.

    Inside the holes nothing is known, and no number is none.
    """
    sums = np.asarray(np.einsum('yxc->c', samples), np.float64)
    if not holes and np.isfinite(sums).all():
        return sums, float(strip.width * strip.height)
    known = np.asarray(np.isfinite(samples).all(axis=2), np.bool_)
    for hole in holes:
        shared = hole.rect.intersect(strip)
        if not shared.is_empty:
            known[part_of(shared, strip)] &= ~hole.inside[part_of(shared, hole.rect)]
    chosen = samples[known]
    return chosen.sum(axis=0, dtype=np.float64), float(len(chosen))


def _cuts(length: int, cells: int) -> IntArray:
    """Return (cells + 1,): where each of about equal cells begins, and the end."""
    return np.asarray(np.arange(cells + 1) * length // cells, np.int64)
