# SPDX-License-Identifier: Apache-2.0
"""
A random sample of a result's frames, or of those of many results, for people to label.

All frames that show something are put in order of topic, hour, how much was found in them, and
time; the order is cut into as many blocks of the same length as frames are wanted; of each block
one frame is drawn. So every topic, hour and fullness has its share, every frame has the same
chance, and the draws do not depend on each other. (A sample stratified as finely as it can be.)

The draw is a hash of the seed and of the result's root: it can be repeated anywhere, and nobody
can choose frames but by choosing a seed, which is written down.
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anon_ros.audit.frame_regions import FrameRegions

HOUR_NS = 3600 * 10**9
FULLNESS = (1, 3, 10)
"""Frames with fewer regions than the first of these are one group, and so on."""
_MASKED = 'masked'


@dataclass(frozen=True)
class DrawnFrame:
    """
    A frame of the sample.

    bag: number of the result it is of. weight: how many frames it was drawn from.
    """

    bag: int
    frame: FrameRegions
    weight: int


@dataclass(frozen=True)
class Sample:
    """
    The frames drawn, in the order of the recording.

    population: frames that were drawn from. excluded: withheld ones, which show nobody.
    """

    frames: tuple[DrawnFrame, ...]
    population: int
    excluded: int


def draw_sample(
    bags: Sequence[Iterable[FrameRegions]], size: int, *, seed: int, root: str
) -> Sample:
    """
    Draw a sample; all frames where there are no more than that.

    bags: the frames of each result, which can be gone through more than once. root: of the seal.
    """
    topics: dict[str, int] = {}
    columns = tuple(array('q') for _ in range(4))
    excluded = 0
    for number, (_, frame) in enumerate(_all(bags)):
        if frame.outcome == _MASKED:
            excluded += 1
            continue
        fullness = bisect_right(FULLNESS, len(frame.regions))
        values = topics.setdefault(frame.topic, len(topics)), frame.log_ns, fullness, number
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    topic, log_ns, fullness_of, number_of = (np.array(column, np.int64) for column in columns)
    # The numbers of topics depend on the order of the file only.
    order = np.lexsort((number_of, log_ns, fullness_of, log_ns // HOUR_NS, topic))
    weights = {
        int(number_of[order[place]]): weight
        for place, weight in _places(len(order), size, f'{root} {seed}')
    }
    chosen = tuple(
        DrawnFrame(bag, frame, weights[number])
        for number, (bag, frame) in enumerate(_all(bags)) if number in weights
    )
    return Sample(chosen, len(order), excluded)


def _all(bags: Sequence[Iterable[FrameRegions]]) -> Iterator[tuple[int, FrameRegions]]:
    for bag, frames in enumerate(bags):
        for frame in frames:
            yield bag, frame


def _places(population: int, size: int, key: str) -> list[tuple[int, int]]:
    """Return a place of each block, and the block's length."""
    size = min(size, population)
    edges = [i * population // size for i in range(size + 1)] if size else []
    return [
        (first + _random(f'{key} {i}') % (end - first), end - first)
        for i, (first, end) in enumerate(itertools.pairwise(edges))
    ]


def _random(key: str) -> int:
    """Return a number of 256 bits that nobody can foretell without hashing."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), 'big')
