# SPDX-License-Identifier: Apache-2.0
"""
What a person looks like, as the latent from which the generator learns to paint them.

Nine numbers: the colours of head, torso and legs, each against the light of the surroundings,
whitened. So a latent drawn at random stands for clothes and skin as they are worn, in whatever
light there is. Only in training is anything measured inside the hole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anon_ros.gan.conditions import LIMB_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anon_ros.training.gan_samples import HoleBatch

PARTS = ((0,), (1, 2, 3), (4, 5))
"""Limb classes, from 0 on: head; arms and torso; legs."""
LOOK_NUMBERS = 3 * len(PARTS)
_DARKEST = 0.04
_LEAST_VARIANCE = 1e-3


class LookEncoder(nn.Module):
    """Measures looks; nothing of it is learnt."""

    mean: Tensor
    whitening: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('mean', torch.zeros(LOOK_NUMBERS))
        self.register_buffer('whitening', torch.eye(LOOK_NUMBERS))

    @classmethod
    def fit(cls, batches: Iterable[HoleBatch]) -> LookEncoder:
        """Return an encoder to whose mind the looks in these batches are standard normal."""
        encoder = cls()
        looks = torch.cat([measure(batch.img, batch.mask, _maps(batch)) for batch in batches])
        looks = looks[looks.isfinite().all(dim=1)].double()
        covariance = torch.cov(looks.T) + _LEAST_VARIANCE * torch.eye(LOOK_NUMBERS)
        values, vectors = torch.linalg.eigh(covariance)
        encoder.mean.copy_(looks.mean(dim=0))
        encoder.whitening.copy_(vectors / values.sqrt())
        return encoder

    def forward(self, img: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Return (n, LOOK_NUMBERS); what a sample does not show counts as average."""
        looks = measure(img, mask, maps) - self.mean
        return looks.nan_to_num(0.0) @ self.whitening


def measure(img: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
    """
    Return (n, LOOK_NUMBERS) logarithms of colours over that of the surroundings.

    img: (n, 3, h, w) in -1..1, the truth. mask: (n, 1, h, w), 1 where known. maps: as pose_maps
    returns them. NaN where no limb of a part is drawn.
    """
    light = (img + 1) / 2
    limbs = maps[:, -len(LIMB_CLASSES):]
    around = _mean(light, mask)
    colours = [
        _mean(light, limbs[:, list(part)].amax(dim=1, keepdim=True)) for part in PARTS]
    return torch.cat(
        [((colour + _DARKEST) / (around + _DARKEST)).log() for colour in colours], dim=1)


def _mean(light: Tensor, weight: Tensor) -> Tensor:
    """Return (n, 3), the mean of (n, 3, h, w) by weight (n, 1, h, w); NaN where that is 0."""
    return (light * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3))


def _maps(batch: HoleBatch) -> Tensor:
    if batch.maps is None:
        raise ValueError('a look is measured along limbs, and this batch has no maps of them')
    return batch.maps
