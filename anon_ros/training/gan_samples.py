# SPDX-License-Identifier: Apache-2.0
"""What a generator learns from: images with a hole, whatever is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from anon_ros.training.ahead import made_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array


@dataclass(frozen=True)
class HoleSample:
    """
    One image with a hole.

    image_rgb: (h, w, 3) uint8, what the hole hides included. known: (h, w), False in the hole.
    maps: (c, h, w) float32 that say what is wanted in the hole, or None.
    """

    image_rgb: UInt8Array
    known: BoolArray
    maps: Float32Array | None = None


class HoleSampleMaker(Protocol):
    """Makes samples; the n-th sample of a step depends on nothing but seed, step and n."""

    def make(self, step: int, number: int) -> HoleSample:
        """Return one sample."""


@dataclass(frozen=True)
class HoleBatch:
    """
    Samples as tensors.

    img: (n, 3, h, w) in -1..1. mask: (n, 1, h, w), 1 where known. maps: (n, c, h, w) or None.
    """

    img: Tensor
    mask: Tensor
    maps: Tensor | None

    def part(self, chosen: slice) -> HoleBatch:
        """Return some of the samples."""
        maps = None if self.maps is None else self.maps[chosen]
        return HoleBatch(self.img[chosen], self.mask[chosen], maps)

    @classmethod
    def of(cls, samples: Sequence[HoleSample]) -> HoleBatch:
        """Return samples of one size as a batch."""
        images = np.stack([sample.image_rgb for sample in samples])
        known = np.stack([sample.known for sample in samples])
        maps = [sample.maps for sample in samples if sample.maps is not None]
        return cls(
            torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(),
            torch.from_numpy(known)[:, None].float(),
            torch.from_numpy(np.stack(maps)) if maps else None,
        )


def hole_batches(
    maker: HoleSampleMaker, first_step: int, steps: int, size: int
) -> Iterator[HoleBatch]:
    """Return one batch for each step, the next one being made while the last is learnt."""

    def make(step: int) -> HoleBatch:
        return HoleBatch.of([maker.make(step, number) for number in range(size)])

    return made_ahead(make, first_step, steps)
