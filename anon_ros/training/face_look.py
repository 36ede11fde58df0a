# SPDX-License-Identifier: Apache-2.0
"""What the latent of a face is told of it: the shape of its features, not its colour."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anon_ros.training.gan_networks import Trunk

CHANNELS = (16, 32, 64, 96)
LUMA_RGB = (0.299, 0.587, 0.114)


class FaceLook(nn.Module):
    """
    Encodes the gray, evenly lit face in a hole.

    Its colour and its light are left to the surroundings: a latent that named them would give a
    face that does not fit where another one was.
    """

    def __init__(self, size_hw: tuple[int, int], z_dim: int) -> None:
        super().__init__()
        half = (size_hw[0] // 2, size_hw[1] // 2)
        channels = CHANNELS if min(half) >= 16 else CHANNELS[:2]
        self.trunk = Trunk(2, channels, half, z_dim, has_spread=False)

    def forward(self, img: Tensor, mask: Tensor, maps: Tensor | None) -> Tensor:
        """Return (n, z_dim) of images (n, 3, h, w) and masks (n, 1, h, w), 1 where known."""
        del maps
        hole = 1 - mask
        return self.trunk(functional.avg_pool2d(evenly_lit(img, hole), 2),
                          functional.avg_pool2d(hole, 2))


def evenly_lit(img: Tensor, hole: Tensor) -> Tensor:
    """Return (n, 1, h, w): brightness in the holes at mean 0 and variance 1, 0 elsewhere."""
    weights = torch.tensor(LUMA_RGB, dtype=img.dtype, device=img.device)
    gray = (img * weights[:, None, None]).sum(dim=1, keepdim=True)
    area = hole.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    centred = (gray - (gray * hole).sum(dim=(1, 2, 3), keepdim=True) / area) * hole
    variance = centred.square().sum(dim=(1, 2, 3), keepdim=True) / area
    return centred * (variance + 1e-4).rsqrt()
