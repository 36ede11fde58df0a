# SPDX-License-Identifier: Apache-2.0
"""
The plate network: a small fully convolutional detector, one score and one box per 8x8 px cell.

Plain residual 3x3 convolutions down to stride 32, added back up to stride 8: they are what CPUs
with matrix units run fastest. Anchor-free, centre scores as in CenterNet (Zhou et al., 2019),
distances to the four edges as in FCOS (Tian et al., 2019).
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE_PX = 8
SIZE_MULTIPLE_PX = 32
PRIOR = 0.01
"""The score of every cell before training, so that the many empty cells do not drown the rest."""


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions beside a straight way."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvBlock(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return functional.relu(x + self.body(x))


class PlateNetwork(nn.Module):
    """
    Images to cells: the training form, which returns logits.

    widths: channels at strides 4, 8, 16 and 32.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 96, 96)) -> None:
        super().__init__()
        w4, w8, w16, w32 = widths
        self.to4 = nn.Sequential(
            ConvBlock(3, 16, stride=2), ConvBlock(16, w4, stride=2), ConvBlock(w4, w4)
        )
        self.to8 = nn.Sequential(ConvBlock(w4, w8, stride=2), Residual(w8))
        self.to16 = nn.Sequential(ConvBlock(w8, w16, stride=2), Residual(w16))
        self.to32 = nn.Sequential(ConvBlock(w16, w32, stride=2), Residual(w32), Residual(w32))
        self.from32 = ConvBlock(w32, w16, 1)
        self.from16 = ConvBlock(w16, w8, 1)
        self.mix16 = ConvBlock(w16, w16)
        self.mix8 = nn.Sequential(ConvBlock(w8, w8), ConvBlock(w8, w8))
        self.score = nn.Conv2d(w8, 1, 1)
        self.box = nn.Conv2d(w8, 4, 1)
        self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        for head, bias in ((self.score, math.log(PRIOR / (1 - PRIOR))), (self.box, 1.0)):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(cast('Tensor', head.bias), bias)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return score logits (B, 1, h/8, w/8) and edge distances (B, 4, h/8, w/8) in cells, > 0.

        images: (B, 3, h, w) BGR, 0..255; h and w are multiples of 32. The distances are
        left, top, right, bottom of the cell's centre.
        """
        x4 = self.to4(images * (1 / 128) - 1)
        x8 = self.to8(x4)
        x16 = self.to16(x8)
        x32 = self.to32(x16)
        up16 = functional.interpolate(self.from32(x32), scale_factor=2.0, mode='nearest')
        x16 = self.mix16(x16 + up16)
        up8 = functional.interpolate(self.from16(x16), scale_factor=2.0, mode='nearest')
        x8 = self.mix8(x8 + up8)
        return self.score(x8), torch.exp(self.box(x8).clamp(max=5.0))


class ExportedPlateNetwork(nn.Module):
    """The shipped form: one output, so that decoding needs no names."""

    def __init__(self, network: PlateNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 5, h/8, w/8): score 0..1 and left, top, right, bottom in px."""
        logits, distances = self.network(images)
        return torch.cat([torch.sigmoid(logits), distances * STRIDE_PX], dim=1)
