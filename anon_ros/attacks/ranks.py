# SPDX-License-Identifier: Apache-2.0
"""At which place the right person stands when a gallery is sorted by distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anon_ros.core.regions import BoolArray, Float32Array

_BLOCK = 128
_EQUAL = 1e-5


def fair_ranks(gallery: Float32Array, queries: Float32Array) -> Float32Array:
    """
    Return (N,): the place of row i of the gallery for query i, from 1 on.

    gallery, queries: (N, D), the same person in the same row. Half of those who are as near as
    the right one count as nearer: whoever gives all people one point gets (N + 1) / 2, and not
    the first place by the luck of sorting.
    """
    base = (gallery.astype(np.float64) ** 2).sum(axis=1)
    ranks = np.empty(len(queries), np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = queries[start:start + _BLOCK].astype(np.float64)
        squares = (block ** 2).sum(axis=1)[:, None] + base - 2 * block @ gallery.T
        distances = np.sqrt(np.maximum(squares, 0))
        own = distances[np.arange(len(block)), start + np.arange(len(block))][:, None]
        slack = _EQUAL * (1 + own)
        nearer = (distances < own - slack).sum(axis=1)
        equal = (np.abs(distances - own) <= slack).sum(axis=1) - 1
        ranks[start:start + len(block)] = 1 + nearer + equal / 2
    return ranks


def hits(ranks: Float32Array, place: int) -> BoolArray:
    """Return (N,): whether the right person stands at that place or before."""
    return np.asarray(ranks <= place, np.bool_)
