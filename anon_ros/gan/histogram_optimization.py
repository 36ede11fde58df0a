# SPDX-License-Identifier: Apache-2.0
"""
Search the styles of a generator for those whose people have the tones of their surroundings.

Source: arXiv 2306.05135: the distance between two crops is the sum over saturation and value of
the Wasserstein distance of their histograms, which are smoothed so that they have a gradient;
only the style moves. The paper's bandwidth of 1.0 smooths all 256 bins into one slope; ours is
about five bins, with which the same steps leave about half the distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

BINS = 256
LEAST_VALUE = 1 / 255
"""Below this a pixel is black and of no saturation that could be seen; it keeps slopes finite."""
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Search:
    """
    How the style is searched for.

    bandwidth: of the smoothed histograms, standard deviation on 0..1. learning_rate: of Adam.
    steps: at most. least_loss: where the search of an instance ends, in bins.
    takes_best: whether the style of the least loss is returned, rather than the last one.
    """

    bandwidth: float = 0.02
    learning_rate: float = 0.05
    steps: int = 20
    least_loss: float = 0.02
    takes_best: bool = True


PAPER_SEARCH = Search(bandwidth=1.0, learning_rate=1e-3, steps=100, takes_best=False)


def saturation_and_value(rgb: Tensor) -> Tensor:
    """
    Return (n, 2, h, w): S and V of HSV, in 0..1.

    rgb: (n, 3, h, w) in 0..1. Source: A. R. Smith, Color gamut transform pairs, SIGGRAPH 1978:
    V is the largest of the three, S what lies between largest and smallest, as a share of V.
    """
    value, least = rgb.amax(dim=1), rgb.amin(dim=1)
    saturation = (value - least) / value.clamp_min(LEAST_VALUE)
    return torch.stack([saturation, value], dim=1)


def soft_histograms(samples: Tensor, weights: Tensor, bandwidth: float) -> Tensor:
    """
    Return (n, c, 256) smoothed histograms that sum to 1; all 0 where no sample counts.

    samples: (n, c, p) in 0..1. weights: (n, p), how much each counts.
    A kernel density estimate with a Gaussian, at the bins' centres k / 255. Each sample is first
    shared between the two bins beside it (Wand 1994, Fast computation of multivariate kernel
    estimators): the time grows with p + 256^2 and not with 256 p.
    """
    place = samples.clamp(0, 1) * (BINS - 1)
    lower = place.detach().floor().clamp_max(BINS - 2)
    upper_share = place - lower
    index, weights = lower.long(), weights[:, None]
    counts = samples.new_zeros(*samples.shape[:2], BINS)
    counts = counts.scatter_add(2, index, weights * (1 - upper_share))
    counts = counts.scatter_add(2, index + 1, weights * upper_share)
    centres = torch.linspace(0, 1, BINS, device=samples.device, dtype=samples.dtype)
    kernel = torch.exp(-0.5 * ((centres[:, None] - centres) / bandwidth) ** 2)
    smooth = counts @ kernel
    return smooth / smooth.sum(dim=2, keepdim=True).clamp_min(1e-12)


def wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """
    Return (...,): the sum of what lies between two distributions' cumulated histograms, in bins.

    a, b: (..., bins) that sum to 1.
    """
    return (a.cumsum(dim=-1) - b.cumsum(dim=-1)).abs().sum(dim=-1)


def tone_histograms(images: Tensor, weights: Tensor, bandwidth: float) -> Tensor:
    """
    Return (n, 2, 256): smoothed histograms of saturation and value.

    images: (n, 3, h, w) RGB in -1..1; what lies outside is cut. weights: (n, h, w).
    """
    rgb = (images.clamp(-1, 1) + 1) / 2
    return soft_histograms(
        saturation_and_value(rgb).flatten(2), weights.flatten(1).to(rgb.dtype), bandwidth)


def search_styles(
    generate: Callable[[Tensor], Tensor], styles: Tensor, wanted: Tensor, weights: Tensor,
    search: Search,
) -> tuple[Tensor, Tensor]:
    """
    Return (n, w_dim) float32 styles and the (n,) distances that are left, in bins.

    generate: styles to (n, 3, h, w) images in -1..1, each depending on its own style only.
    wanted: (n, 2, 256), see tone_histograms; all 0 where nothing is wanted: that style stays.
    weights: (n, h, w), which pixels of a generated image count.
    An instance is done when its distance is less than search.least_loss, or has no slope.
    The steps are those of Adam (arXiv 1412.6980), each instance's on its own.
    """
    moving, found = styles.detach().float(), styles.detach().float()
    means, squares = torch.zeros_like(moving), torch.zeros_like(moving)
    left = torch.full((len(styles),), torch.inf, device=styles.device)
    is_wanted = wanted.sum(dim=(1, 2)) > 0
    is_going = torch.ones_like(is_wanted)
    for step in range(1, search.steps + 1):
        with torch.enable_grad():
            moving = moving.detach().requires_grad_(True)
            tones = tone_histograms(generate(moving), weights, search.bandwidth)
            losses = wasserstein(tones, wanted).sum(dim=1)
            (slopes,) = torch.autograd.grad(losses.sum(), moving)
        losses = losses.detach()
        is_taken = is_going & ((losses < left) | (not search.takes_best))
        found = torch.where(is_taken[:, None], moving.detach(), found)
        left = torch.where(is_taken, losses, left)
        has_slope = slopes.abs().sum(dim=1) > 0
        is_going = is_going & is_wanted & has_slope & (losses >= search.least_loss)
        if not is_going.any():
            break
        means, squares = means.lerp(slopes, 1 - _BETA1), squares.lerp(slopes**2, 1 - _BETA2)
        length = search.learning_rate / (1 - _BETA1**step)
        spread = (squares / (1 - _BETA2**step)).sqrt() + _EPSILON
        moving = moving.detach() - length * means / spread
    return found, left
