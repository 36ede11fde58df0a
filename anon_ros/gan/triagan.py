# SPDX-License-Identifier: Apache-2.0
"""
TriA-GAN: the body generator of DeepPrivacy2 that is guided by keypoints (arXiv 2304.03744).

A U-Net of residual blocks that activate before they convolve; a style modulates every block, on
the way down too. Beside what surrounds the hole it is told the person's silhouette, keypoints and
limbs (anon_ros/gan/conditions.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anon_ros.gan.conditions import POSE_MAPS, pose_maps
from anon_ros.gan.layers import (
    Linear,
    activate,
    composite,
    downsample,
    instance_norm,
    known_part,
    resampling_filter,
    upsample,
)
from anon_ros.gan.stylegan_unet import HALF, THIRD, StyleNetwork

LAYER_SCALE = 1e-5
"""How little a block adds to its shortcut before it is trained."""
INPUT_KERNEL_SIZE = 7
INPUT_GAIN = 1 / math.sqrt(7 * INPUT_KERNEL_SIZE**2)
"""Of the first convolution: as if there were seven maps, as the published weights have it."""


@dataclass(frozen=True)
class TriaGanShape:
    """
    The sizes of a TriA-GAN.

    size_hw: of its images in px; each level but the first is half as large, rounded down.
    dim: channels of the first level. multipliers: of dim, for each level from the full size down.
    blocks: of a level, each way. middle_blocks: at the smallest size. z_dim, w_dim: of the latent
        and of the style.
    """

    size_hw: tuple[int, int]
    dim: int
    multipliers: tuple[int, ...]
    blocks: int = 2
    middle_blocks: int = 2
    z_dim: int = 64
    w_dim: int = 512

    def __post_init__(self) -> None:
        """Raise ValueError where the sizes do not halve as often as there are levels."""
        factor = 2 ** (len(self.multipliers) - 1)
        if any(side % factor for side in self.size_hw):
            raise ValueError(f'size_hw {self.size_hw} is no multiple of {factor}')

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each level, from the full size down."""
        return tuple(self.dim * multiplier for multiplier in self.multipliers)

    def level_hw(self, level: int) -> tuple[int, int]:
        """Return the size of a level's maps; 0 is the full size."""
        return self.size_hw[0] >> level, self.size_hw[1] >> level


class Convolution(nn.Module):
    """A convolution with its gain, and a bias or none."""

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, *, gain: float = 1.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = gain
        self.weight_gain = 1 / math.sqrt(inputs * kernel_size**2)
        self._padding = kernel_size // 2

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, outputs, h, w) of (n, inputs, h, w)."""
        weight = (self.weight * (self.weight_gain * self.gain)).to(features.dtype)
        bias = None if self.bias is None else (self.bias * self.gain).to(features.dtype)
        return functional.conv2d(features, weight, bias, padding=self._padding)


class StyledConvolution(Convolution):
    """Normalize, modulate, activate, convolve; then noise, where noise_hw is its size."""

    noise_const: Tensor

    def __init__(
        self, inputs: int, outputs: int, *, w_dim: int, gain: float = 1.0,
        noise_hw: tuple[int, int] | None,
    ) -> None:
        super().__init__(inputs, outputs, 3, gain=gain)
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.affine_beta = Linear(w_dim, inputs)
        self._has_noise = noise_hw is not None
        if noise_hw is not None:
            self.register_buffer('noise_const', torch.randn(*noise_hw))
            self.noise_strength = nn.Parameter(torch.zeros(()))

    def styled(self, features: Tensor, w: Tensor) -> Tensor:
        """Return (n, outputs, h, w) of (n, inputs, h, w); w: (n, w_dim)."""
        normed = instance_norm(features)
        scale = self.affine(w)[:, :, None, None].to(normed.dtype)
        shift = self.affine_beta(w)[:, :, None, None].to(normed.dtype)
        features = self(activate(torch.addcmul(shift, normed, scale)))
        return features + self._noise(features) if self._has_noise else features

    def _noise(self, features: Tensor) -> Tensor:
        if self.training:
            noise = torch.randn_like(features[:, :1])
        else:
            noise = self.noise_const.to(features.dtype)
        return noise * self.noise_strength.to(features.dtype)


class Block(nn.Module):
    """Two styled convolutions, scaled, on a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, *, w_dim: int, gain: float,
        noise_hw: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.conv0 = StyledConvolution(inputs, inputs, w_dim=w_dim, noise_hw=noise_hw)
        self.conv1 = StyledConvolution(
            inputs, outputs, w_dim=w_dim, gain=gain, noise_hw=noise_hw)
        self.skip = Convolution(inputs, outputs, 1, gain=gain, bias=False)
        self.layer_scale = nn.Parameter(torch.full((1, outputs, 1, 1), LAYER_SCALE))

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """Return (n, outputs, h, w) of (n, inputs, h, w); w: (n, w_dim)."""
        added = self.conv1.styled(self.conv0.styled(features, w), w)
        return torch.addcmul(self.skip(features), added, self.layer_scale.to(added.dtype))


class Resampling(nn.Module):
    """Half or twice the size; holds the filter under its published name."""

    resample_filter: Tensor

    def __init__(self, *, up: bool) -> None:
        super().__init__()
        self.register_buffer('resample_filter', resampling_filter())
        self._resample = upsample if up else downsample

    def forward(self, features: Tensor) -> Tensor:
        """Return the features resampled."""
        return self._resample(features, self.resample_filter)


class Chain(nn.ModuleList):
    """Blocks, one after the other."""

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """Return what comes out of the last one."""
        for block in self:
            features = block(features, w)
        return features


class Join(nn.ModuleList):
    """What a level of the decoder takes from the encoder: normalized, activated, mixed."""

    def __init__(self, channels: int) -> None:
        super().__init__([Convolution(channels, channels, 1, gain=THIRD, bias=False)])

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """Return features with the skipped ones, of the same shape, added."""
        return features + self[0](activate(instance_norm(skipped)))


class Encoder(nn.Module):
    """The way down; its levels are stored from the smallest size up."""

    def __init__(self, shape: TriaGanShape) -> None:
        super().__init__()
        channels = shape.channels
        following = (*channels[1:], channels[-1])
        self._levels = [
            Chain(
                Block(own, below if i == shape.blocks - 1 else own, w_dim=shape.w_dim, gain=HALF)
                for i in range(shape.blocks)
            )
            for own, below in zip(channels, following, strict=True)
        ]
        self.layers = nn.ModuleList(reversed(self._levels))
        self.downsample = Resampling(up=False)

    def forward(self, features: Tensor, w: Tensor) -> list[Tensor]:
        """Return the features of each level, from the full size down."""
        results: list[Tensor] = []
        for level in self._levels:
            features = level(self.downsample(features) if results else features, w)
            results.append(features)
        return results


class Decoder(nn.Module):
    """The way up; what each of the encoder's levels gave joins its first block."""

    def __init__(self, shape: TriaGanShape) -> None:
        super().__init__()
        smallest = len(shape.multipliers) - 1
        channels = shape.channels
        self.layers, self.unet_layers = nn.ModuleList(), nn.ModuleList()
        for level in range(smallest, -1, -1):
            is_first = level == smallest
            inputs, outputs = channels[min(level + 1, smallest)], channels[level]
            self.layers.append(Chain(
                Block(outputs if i else inputs, outputs, w_dim=shape.w_dim,
                      gain=HALF if i or is_first else THIRD, noise_hw=shape.level_hw(level))
                for i in range(shape.blocks)
            ))
            self.unet_layers.append(nn.Identity() if is_first else Join(inputs))
        self.upsample = Resampling(up=True)
        self.middle_blocks = Chain(
            Block(channels[-1], channels[-1], w_dim=shape.w_dim, gain=HALF,
                  noise_hw=shape.level_hw(smallest))
            for _ in range(shape.middle_blocks)
        )
        self.to_rgb = Convolution(channels[0], 3, 1)

    def forward(self, levels: list[Tensor], w: Tensor) -> Tensor:
        """Return (n, 3, h, w) of the encoder's features."""
        features = self.middle_blocks(levels[-1], w)
        stages = zip(self.layers, self.unet_layers, reversed(levels), strict=True)
        for i, (blocks, join, skipped) in enumerate(stages):
            if i:
                features = join(self.upsample(features), skipped)
            features = blocks(features, w)
        return self.to_rgb(features)


class TriaGan(nn.Module):
    """The generator; see the module."""

    def __init__(self, shape: TriaGanShape) -> None:
        super().__init__()
        self.shape = shape
        self.style_net = StyleNetwork(shape.z_dim, shape.w_dim)
        self.from_rgb = Convolution(3 + 2 + POSE_MAPS, shape.dim, INPUT_KERNEL_SIZE)
        self.from_rgb.weight_gain = INPUT_GAIN
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)

    def forward(
        self, img: Tensor, mask: Tensor, segmentation: Tensor, keypoints: Tensor,
        joint_map: Tensor, z: Tensor | None = None, w: Tensor | None = None,
    ) -> Tensor:
        """
        Return the images with their holes filled, (n, 3, h, w) in about -1..1.

        img: (n, 3, h, w) in -1..1. mask: (n, 1, h, w), 1 where known. segmentation: (n, 1, h, w),
        1 where the person is. keypoints: (n, 17, 3), x and y as shares of the image and 1 where
        seen. joint_map: (n, 1, h, w), classes of limbs. z: (n, z_dim), or the style w: (n, w_dim)
        instead.
        """
        w = self.style_net(z) if w is None else w
        known = known_part(img, mask)
        maps = pose_maps(segmentation, keypoints, joint_map).to(img.dtype)
        features = self.from_rgb(torch.cat([known, mask, 1 - mask, maps], dim=1))
        return composite(known, self.decoder(self.encoder(features, w), w), mask)
