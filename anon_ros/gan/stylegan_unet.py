# SPDX-License-Identifier: Apache-2.0
"""
StyleGAN-U-Net: the generator of DeepPrivacy2 (arXiv 2211.09454) for faces and bodies.

A U-Net sees what surrounds a hole; a style vector, drawn at random, decides what comes into it.
The hole itself is multiplied away before the first layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anon_ros.gan.layers import (
    NORM_EPSILON,
    Conv2d,
    Linear,
    NormalizedConv2d,
    StyledConv2d,
    composite,
    extend_known,
    known_part,
)

CLAMP = 256.0
MAPPING_LR_SCALE = 0.01
HALF, THIRD = math.sqrt(1 / 2), math.sqrt(1 / 3)
"""Gains that keep the variance of a sum of two or three."""


@dataclass(frozen=True)
class UNetShape:
    """
    The sizes of a StyleGAN-U-Net.

    size_hw: of its images in px. channels: of each level, from the full size down; each level
        but the first is half as large. z_dim, w_dim: of the latent and of the style.
    condition_channels: of maps beside image and mask, such as keypoints. has_linear_skips:
        whether a block's shortcut is left linear; the first bodies were trained with a rectifier
        in it. has_base: whether it paints on the colours around the hole, drawn into it, instead
        of on nothing; it learns sooner what fits.
    """

    size_hw: tuple[int, int]
    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    condition_channels: int = 0
    has_linear_skips: bool = True
    has_base: bool = False


class StyleNetwork(nn.Module):
    """The mapping from latents z to styles w."""

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int) -> None:
        super().__init__()
        self.fc0 = Linear(z_dim, w_dim, lr_scale=MAPPING_LR_SCALE, is_activated=True)
        self.fc1 = Linear(w_dim, w_dim, lr_scale=MAPPING_LR_SCALE, is_activated=True)
        self.register_buffer('w_avg', torch.zeros(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        """Return (n, w_dim) of (n, z_dim); only the direction of z counts."""
        z = z * (z.square().mean(dim=1, keepdim=True) + NORM_EPSILON).rsqrt()
        return self.fc1(self.fc0(z))


class Block(nn.Module):
    """Two convolutions and a shortcut: the decoder's with a style, the encoder's without w_dim."""

    def __init__(
        self, inputs: int, outputs: int, *, w_dim: int | None = None, resampled: bool,
        has_linear_skip: bool,
    ) -> None:
        super().__init__()
        is_encoder = w_dim is None
        down, up = resampled and is_encoder, resampled and not is_encoder
        if w_dim is None:
            self.conv0 = Conv2d(inputs, outputs, down=down, clamp=CLAMP)
            self.conv1 = Conv2d(outputs, outputs, clamp=CLAMP)
        else:
            self.conv0 = StyledConv2d(inputs, outputs, w_dim=w_dim, clamp=CLAMP)
            self.conv1 = StyledConv2d(outputs, outputs, w_dim=w_dim, up=up, clamp=CLAMP)
        self.skip = Conv2d(
            inputs, outputs, 1, bias=False, up=up, down=down, is_activated=not has_linear_skip)
        self._gain = HALF if is_encoder else THIRD

    def forward(self, features: Tensor, w: Tensor | None = None) -> Tensor:
        """Return the block's output."""
        shortcut = self.skip(features, gain=self._gain)
        return shortcut + self.conv1(self.conv0(features, w), w, gain=self._gain)


class StyleGanUNet(nn.Module):
    """The generator; see the module."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        channels = shape.channels
        levels = len(channels) - 1
        is_linear = shape.has_linear_skips
        self.style_net = StyleNetwork(shape.z_dim, shape.w_dim)
        self.from_rgb = Conv2d(4 + shape.condition_channels, channels[0], 1)
        self.encoder = nn.ModuleList(
            Block(channels[i], channels[i + 1], resampled=i > 0, has_linear_skip=is_linear)
            for i in range(levels)
        )
        self.decoder = nn.ModuleList(
            Block(channels[i + 1], channels[i], w_dim=shape.w_dim, resampled=i > 0,
                  has_linear_skip=is_linear)
            for i in reversed(range(levels))
        )
        for i in range(1, levels):
            width = channels[levels - i]
            self.add_module(f'unet_block{i}', NormalizedConv2d(width, width, 1, clamp=CLAMP))
        self._join_gain = THIRD if is_linear else HALF
        self.to_rgb = Conv2d(channels[0], 3, 1, is_activated=False, clamp=CLAMP)

    def forward(
        self, img: Tensor, mask: Tensor, z: Tensor | None = None, w: Tensor | None = None,
        maps: Tensor | None = None,
    ) -> Tensor:
        """
        Return the images with their holes filled, (n, 3, h, w) in about -1..1.

        img: (n, 3, h, w) in -1..1. mask: (n, 1, h, w), 1 where known. z: (n, z_dim), or the
        style w: (n, w_dim) instead. maps: (n, condition_channels, h, w).
        """
        w = self.style_net(z) if w is None else w
        known = known_part(img, mask)
        base = extend_known(known, mask) if self.shape.has_base else known
        parts = [base, mask] if maps is None else [base, mask, maps]
        features = self.from_rgb(torch.cat(parts, dim=1))
        skips = []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        skips.pop()
        for i, block in enumerate(self.decoder):
            if i:
                join = self.get_submodule(f'unet_block{i}')
                features = features + join(skips.pop(), gain=self._join_gain)
            features = block(features, w)
        painted = self.to_rgb(features)
        return composite(known, painted + base if self.shape.has_base else painted, mask)
