# SPDX-License-Identifier: Apache-2.0
"""
What stands beside a generator while it is trained, and is thrown away afterwards.

A discriminator after StyleGAN2 (arXiv 1912.04958): residual, with the spread of the batch as a
last feature. And an encoder, of the same kind, that reads the hole: only in training does a
generator hear of what was there, so that its latents come to mean something.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from anon_ros.gan.layers import Conv2d, Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

SPREAD_GROUP = 4


class Halving(nn.Module):
    """A residual block that halves the size by plain averages."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = Conv2d(inputs, outputs)
        self.conv1 = Conv2d(outputs, outputs)
        self.skip = Conv2d(inputs, outputs, 1, bias=False, is_activated=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, outputs, h/2, w/2)."""
        small = functional.avg_pool2d(self.conv0(features), 2)
        shortcut = self.skip(functional.avg_pool2d(features, 2))
        return (self.conv1(small) + shortcut) * math.sqrt(0.5)


class Trunk(nn.Module):
    """Image, mask and maps to one vector of numbers."""

    def __init__(
        self, inputs: int, channels: Sequence[int], size_hw: tuple[int, int], outputs: int,
        *, has_spread: bool,
    ) -> None:
        super().__init__()
        self._has_spread = has_spread
        self.enter = Conv2d(inputs, channels[0], 1)
        self.blocks = nn.Sequential(*(
            Halving(channels[i], channels[i + 1]) for i in range(len(channels) - 1)))
        self.join = Conv2d(channels[-1] + has_spread, channels[-1])
        shrink = 2 ** (len(channels) - 1)
        cells = (size_hw[0] // shrink) * (size_hw[1] // shrink)
        self.full = Linear(channels[-1] * cells, channels[-1], is_activated=True)
        self.leave = Linear(channels[-1], outputs)

    def forward(self, *parts: Tensor | None) -> Tensor:
        """Return (n, outputs) of parts (n, c, h, w)."""
        given = [part for part in parts if part is not None]
        features = self.blocks(self.enter(torch.cat(given, dim=1)))
        if self._has_spread:
            features = torch.cat([features, spread_of(features)], dim=1)
        return self.leave(self.full(self.join(features).flatten(1)))


def spread_of(features: Tensor) -> Tensor:
    """Return (n, 1, h, w): how much the samples of a group differ, the same for all of them."""
    count, _, height, width = features.shape
    group = math.gcd(count, SPREAD_GROUP)
    grouped = features.reshape(group, -1, *features.shape[1:])
    spread = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return spread.repeat(group)[:, None, None, None].expand(count, 1, height, width)
