# SPDX-License-Identifier: Apache-2.0
"""
From identities to the styles of a generator: the mean one, near it, or near one of many centres.

Truncation (arXiv 1812.04948) trades diversity for quality. Its multi-modal kind (arXiv 2202.12211)
pulls towards the nearest of many centres instead of one mean, so that people stay different.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from anon_ros.core.settings import SAMPLINGS
from anon_ros.errors import SettingError
from anon_ros.gan.latents import KEY_BYTES, Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.regions import Float32Array
    from anon_ros.gan.weights_file import Generator

CENTRES = 64
SAMPLES_PER_CENTRE = 128
MOST_ROUNDS = 50
_NOBODY = Identity(b'centres of styles'.ljust(KEY_BYTES))
"""A public identity: centres belong to the network, not to a run."""


class StyleSampler:
    """Gives identities their style in one generator."""

    def __init__(
        self, generator: Generator, sampling: str = SAMPLINGS[0], *, psi: float = 0.0,
        centres: Tensor | None = None,
    ) -> None:
        """
        Take a generator on its device.

        sampling: one of SAMPLINGS. psi: 0..1, how far a style may be from the mean or its centre;
        1 is no truncation. centres: (k, w_dim), or those that are found in the generator's styles.
        Raises SettingError for a sampling that is unknown or a psi outside its range.
        """
        if sampling not in SAMPLINGS:
            raise SettingError(
                f"sampling: '{sampling}' is unknown; there are {', '.join(SAMPLINGS)}")
        if not 0 <= psi <= 1:
            raise SettingError(f'psi: {psi} is outside 0..1')
        self._generator, self._sampling, self._psi = generator, sampling, psi
        self._given_centres = centres

    @torch.no_grad()
    def sample(self, identities: Sequence[Identity]) -> Tensor:
        """Return (n, w_dim), a style for each identity."""
        anchors = self._anchors(identities)
        if self._sampling == 'mean' or self._psi == 0:
            return anchors
        size = self._generator.shape.z_dim
        latents = [identity.latent(size) for identity in identities]
        styles = self._styles(np.array(latents, np.float32).reshape(-1, size))
        return torch.lerp(anchors, styles, self._psi)

    def _anchors(self, identities: Sequence[Identity]) -> Tensor:
        if self._sampling == 'multi-modal':
            centres = self.centres
            chosen = [identity.choice(len(centres)) for identity in identities]
            return centres[torch.tensor(chosen, dtype=torch.long, device=centres.device)]
        mean = self._generator.style_net.w_avg
        return mean.expand(len(identities), -1).clone()

    @cached_property
    def centres(self) -> Tensor:
        """The (k, w_dim) centres, computed when they are first asked for, and kept."""
        mean = self._generator.style_net.w_avg
        if self._given_centres is not None:
            return self._given_centres.to(mean)
        return style_centres(self._generator).to(mean)

    def _styles(self, latents: Float32Array) -> Tensor:
        mean = self._generator.style_net.w_avg
        return self._generator.style_net(torch.from_numpy(latents).to(mean))


@torch.no_grad()
def style_centres(generator: Generator, count: int = CENTRES) -> Tensor:
    """
    Return (count, w_dim) float32 centres of the generator's styles, by k-means.

    The same for the same generator: its latents come from a fixed identity.
    """
    samples, size = count * SAMPLES_PER_CENTRE, generator.shape.z_dim
    mean = generator.style_net.w_avg
    latents = torch.from_numpy(_NOBODY.latent(samples * size).reshape(samples, size)).to(mean)
    # On the CPU, where sums come in the same order every time.
    return k_means(generator.style_net(latents).float().cpu(), count)


def k_means(points: Tensor, count: int, most_rounds: int = MOST_ROUNDS) -> Tensor:
    """
    Return (count, d) centres of (n, d) points, n >= count; the same for the same points.

    Lloyd's algorithm; the first points, which come in no order, are where it starts.
    """
    centres = points[:count]
    for _ in range(most_rounds):
        nearest = torch.cdist(points, centres).argmin(dim=1)
        sizes = torch.bincount(nearest, minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        # A centre that nobody is near stays where it is.
        moved = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
