# SPDX-License-Identifier: Apache-2.0
"""
The layers of style-based generators, from their papers and from plain torch operators.

Weights are stored at unit variance and scaled when they are used (equalized learning rate,
arXiv 1710.10196); images are resampled through a low-pass filter (arXiv 1912.04958). Names of
parameters follow the published checkpoints of DeepPrivacy2, so that these load.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2)
"""What keeps the variance after a leaky rectifier."""
RESAMPLING_TAPS = (1.0, 3.0, 3.0, 1.0)
NORM_EPSILON = 1e-8


def activate(features: Tensor, clamp: float | None = None, gain: float = 1.0) -> Tensor:
    """Return features after the leaky rectifier, scaled, and clamped for half precision."""
    features = functional.leaky_relu(features, LEAKY_SLOPE) * (LEAKY_GAIN * gain)
    return features if clamp is None else features.clamp(-clamp * gain, clamp * gain)


def instance_norm(features: Tensor) -> Tensor:
    """Return (n, c, h, w) features, each map at mean 0 and variance 1."""
    return functional.instance_norm(features, eps=1e-5)


def known_part(img: Tensor, mask: Tensor) -> Tensor:
    """
    Return what a generator may see of (n, 3, h, w) images: nothing of the hole, not even its NaN.

    mask: (n, 1, h, w), 1 where known, 0 in the hole.
    """
    return torch.where(mask > 0, img * mask, 0)


def composite(known: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Return the known part and, in the hole only, the generated one."""
    return torch.where(mask < 1, known + fake * (1 - mask), known)


def extend_known(known: Tensor, mask: Tensor) -> Tensor:
    """
    Return (n, c, h, w) images whose holes hold the colours around them, smooth and far-reaching.

    A pyramid of averages of what is known, from coarse to fine (pull-push; Gortler et al., The
    Lumigraph, 1996). known: 0 in the holes. mask: (n, 1, h, w), 1 where known.
    """
    height, width = known.shape[2:]
    if height % 2 or width % 2:
        area = mask.sum(dim=(2, 3), keepdim=True)
        mean = known.sum(dim=(2, 3), keepdim=True) / area.clamp(min=1e-3)
        return mean.expand_as(known)
    coarse = extend_known(functional.avg_pool2d(known, 2), functional.avg_pool2d(mask, 2))
    smooth = functional.interpolate(coarse, scale_factor=2.0, mode='bilinear')
    return known + smooth * (1 - mask)


def resampling_filter() -> Tensor:
    """Return the (4, 4) low-pass filter; it sums to 1."""
    taps = torch.tensor(RESAMPLING_TAPS)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def _filtered(features: Tensor, kernel: Tensor, *, stride: int, padding: Sequence[int]) -> Tensor:
    channels = features.shape[1]
    weight = kernel.to(features.dtype).flip((0, 1)).expand(channels, 1, *kernel.shape)
    padded = functional.pad(features, list(padding))
    return functional.conv2d(padded, weight, stride=stride, groups=channels)


def downsample(features: Tensor, kernel: Tensor) -> Tensor:
    """Return features at half the size."""
    return _filtered(features, kernel, stride=2, padding=(1, 1, 1, 1))


def upsample(features: Tensor, kernel: Tensor) -> Tensor:
    """Return features at twice the size."""
    channels = features.shape[1]
    weight = (kernel * 4).to(features.dtype).expand(channels, 1, *kernel.shape)
    return functional.conv_transpose2d(features, weight, stride=2, padding=1, groups=channels)


class Linear(nn.Module):
    """A fully connected layer; its weights learn at lr_scale times the rate."""

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, lr_scale: float = 1.0,
        is_activated: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_scale)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self._weight_gain = lr_scale / math.sqrt(inputs)
        self._bias_gain = lr_scale
        self._is_activated = is_activated

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, outputs) of (n, inputs)."""
        weight, bias = self.weight * self._weight_gain, self.bias * self._bias_gain
        result = functional.linear(features, weight.to(features.dtype), bias.to(features.dtype))
        return activate(result) if self._is_activated else result



class Conv2d(nn.Module):
    """
    A convolution of the encoder's kind: at its size, or at twice or half of it, then activated.

    up, down: change the size; a kernel of 1 is applied where fewer pixels are.
    """

    resample_filter: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int = 3, *, bias: bool = True,
        up: bool = False, down: bool = False, is_activated: bool = True,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        if up or down:
            self.register_buffer('resample_filter', resampling_filter())
        self._gain = 1 / math.sqrt(inputs * kernel_size ** 2)
        self._padding = kernel_size // 2
        self._up, self._down = up, down
        self._is_activated, self._clamp = is_activated, clamp

    def forward(self, features: Tensor, w: Tensor | None = None, *, gain: float = 1.0) -> Tensor:
        """Return (n, outputs, h', w') of (n, inputs, h, w); w: (n, w_dim), where styles count."""
        features = self._enter(features, w)
        features = self._convolve(features, (self.weight * self._gain).to(features.dtype))
        features = self._leave(features)
        if self.bias is not None:
            features = features + self.bias.to(features.dtype)[:, None, None]
        if self._is_activated:
            return activate(features, self._clamp, gain)
        features = features * gain
        if self._clamp is None:
            return features
        return features.clamp(-self._clamp * gain, self._clamp * gain)

    def _enter(self, features: Tensor, w: Tensor | None) -> Tensor:  # noqa: ARG002 - see below
        """Return what is convolved."""
        return features

    def _leave(self, features: Tensor) -> Tensor:
        """Return what was convolved, ready for bias and activation."""
        return features

    def _convolve(self, features: Tensor, weight: Tensor) -> Tensor:
        if self._down:
            return self._convolve_down(features, weight)
        if self._up:
            return self._convolve_up(features, weight)
        return functional.conv2d(features, weight, padding=self._padding)

    def _convolve_down(self, features: Tensor, weight: Tensor) -> Tensor:
        if not self._padding:
            return functional.conv2d(downsample(features, self.resample_filter), weight)
        edge = [self._padding + 1] * 4
        smooth = _filtered(features, self.resample_filter, stride=1, padding=edge)
        return functional.conv2d(smooth, weight, stride=2)

    def _convolve_up(self, features: Tensor, weight: Tensor) -> Tensor:
        if not self._padding:
            return upsample(functional.conv2d(features, weight), self.resample_filter)
        wide = functional.conv_transpose2d(features, weight.transpose(0, 1), stride=2)
        return _filtered(wide, self.resample_filter * 4, stride=1, padding=(1, 1, 1, 1))


class NormalizedConv2d(Conv2d):
    """A convolution whose output maps are normalized before bias and activation."""

    def _leave(self, features: Tensor) -> Tensor:
        return instance_norm(features)


class StyledConv2d(NormalizedConv2d):
    """A convolution of the decoder's kind: a style scales and shifts its inputs."""

    def __init__(
        self, inputs: int, outputs: int, *, w_dim: int, up: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__(inputs, outputs, up=up, clamp=clamp)
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.affine_beta = Linear(w_dim, inputs)

    def _enter(self, features: Tensor, w: Tensor | None) -> Tensor:
        scale = self.affine(w)[:, :, None, None]
        shift = self.affine_beta(w)[:, :, None, None]
        return torch.addcmul(shift.to(features.dtype), features, scale.to(features.dtype))
