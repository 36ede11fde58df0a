# SPDX-License-Identifier: Apache-2.0
"""
A residual network with a feature pyramid that a CPU trains in minutes.

He, Zhang, Ren, Sun, CVPR 2016, and Lin et al., CVPR 2017, with a block a stage and few channels.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

STEM_CHANNELS = 16
PYRAMID_CHANNELS = 32
LEVELS = ('0', '1', '2')


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = convolve(channels_in, channels, stride)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.around = nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, channels, h / stride, w / stride)."""
        return nn.functional.relu(self.second(self.first(x)) + self.around(x))


class SmallBackbone(nn.Module):
    """Images in, a pyramid of strides 4, 8 and 16 out; 0.4 M parameters."""

    out_channels = PYRAMID_CHANNELS

    def __init__(self) -> None:
        super().__init__()
        width = STEM_CHANNELS
        self.stem = convolve(3, width, 2)
        self.stages = nn.ModuleList([
            Block(width << i, width << (i + 1), 2) for i in range(len(LEVELS))])
        self.pyramid = FeaturePyramidNetwork(
            [width << (i + 1) for i in range(len(LEVELS))], PYRAMID_CHANNELS)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """Return features by level; x: (N, 3, h, w)."""
        x = self.stem(x)
        found: OrderedDict[str, Tensor] = OrderedDict()
        for level, stage in zip(LEVELS, self.stages, strict=True):
            x = stage(x)
            found[level] = x
        result: OrderedDict[str, Tensor] = self.pyramid(found)
        return result


def convolve(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    """Return a convolution 3x3 with its norm and rectifier."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
