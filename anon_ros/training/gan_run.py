# SPDX-License-Identifier: Apache-2.0
"""
A generator's training in progress: one step, its checkpoint.

Half of the learning is reconstruction: an encoder looks into the hole and names a latent, blurred
by noise, from which the generator has to paint what was there (L1). The latents of a batch are
driven apart on the sphere (arXiv 2005.10242), so that a latent drawn at random is one that the
generator has met. The other half, after a warm-up, is adversarial: non-saturating with a lazy
gradient penalty (arXiv 1801.04406), on latents drawn at random for half of the batch.
"""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from anon_ros.errors import InputError, UsageError
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape
from anon_ros.training.gan_networks import Trunk

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from anon_ros.training.gan_samples import HoleBatch

FORMAT = 1
BETAS = (0.5, 0.99)
PENALTY_STEPS = 8
W_AVERAGE_SHARE = 0.005
FIRST_SHARE = 0.1
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, EOFError,
           pickle.UnpicklingError)


@dataclass(frozen=True)
class Recipe:
    """
    How a generator learns.

    warm_up: steps of reconstruction alone. learning_rate falls to a tenth over the last quarter.
    noise: standard deviation of what blurs an encoded latent, whose own numbers have 1.
    """

    steps: int
    batch: int = 16
    warm_up: int = 400
    learning_rate: float = 5e-3
    adversarial_rate: float = 2e-3
    noise: float = 0.5
    reconstruction: float = 5.0
    uniformity: float = 0.1
    adversarial: float = 0.5
    penalty: float = 1.0
    critic_channels: tuple[int, ...] = (8, 16, 32, 64, 128)
    average_images: float = 5000.0


LOSSES = ('reconstruction', 'uniformity', 'generator', 'discriminator', 'penalty')


@dataclass
class GanRun:
    """
    Everything that the next step depends on.

    average: the generator that is shipped, its weights a moving average of the trained ones.
    """

    recipe: Recipe
    generator: StyleGanUNet
    average: StyleGanUNet
    encoder: nn.Module
    critic: Trunk
    generator_optimizer: torch.optim.Adam
    critic_optimizer: torch.optim.Adam
    noise: torch.Generator
    seed: int
    step: int = 0
    seconds: float = field(default=0.0)

    @classmethod
    def start(
        cls, shape: UNetShape, recipe: Recipe, seed: int, encoder: nn.Module | None = None,
    ) -> GanRun:
        """
        Return a fresh run, its weights drawn from the seed.

        encoder: gives (n, z_dim) of image, mask and maps; None: one that is learnt.
        """
        torch.manual_seed(seed)
        generator = StyleGanUNet(shape)
        calm(generator)
        inputs = 4 + shape.condition_channels
        if encoder is None:
            encoder = Trunk(inputs, recipe.critic_channels, shape.size_hw, shape.z_dim,
                            has_spread=False)
        critic = Trunk(inputs, recipe.critic_channels, shape.size_hw, 1, has_spread=True)
        together = [*generator.parameters(), *encoder.parameters()]
        return cls(
            recipe, generator, copy.deepcopy(generator).eval(), encoder, critic,
            torch.optim.Adam(together, recipe.learning_rate, BETAS),
            torch.optim.Adam(critic.parameters(), recipe.adversarial_rate, BETAS),
            torch.Generator().manual_seed(seed + 1), seed,
        )

    def learn(self, batch: HoleBatch) -> dict[str, float]:
        """Learn from one batch; return the losses by name."""
        self._set_rates()
        is_adversarial = self.step >= self.recipe.warm_up
        losses, fake = self._learn_generator(batch, is_adversarial=is_adversarial)
        if is_adversarial:
            # The critic sees what was drawn for one half, and what is true of the other half.
            losses |= self._learn_critic(fake, batch.part(slice(len(fake))))
        self.step += 1
        self._follow()
        return losses

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays until the new one is whole."""
        state = {'format': FORMAT, 'seed': self.seed, 'step': self.step,
                 'seconds': self.seconds, 'noise': self.noise.get_state(),
                 **{name: part.state_dict() for name, part in self._parts().items()}}
        partial = path.with_suffix('.partial')
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """
        Go on where that checkpoint stopped.

        Raises InputError when it is damaged or of another format, UsageError for another seed.
        """
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            if state['format'] != FORMAT:
                raise ValueError(f'format {state["format"]}, expected {FORMAT}')
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.noise.set_state(state['noise'])
            self.step, self.seconds = int(state['step']), float(state['seconds'])
        except _DAMAGE as error:
            raise InputError(f'{path}: no checkpoint of this training: {error}') from error
        if state['seed'] != self.seed:
            raise UsageError(f'{path} was begun with seed {state["seed"]}, not {self.seed}')

    def _parts(self) -> dict[str, nn.Module | torch.optim.Adam]:
        return {
            'generator': self.generator, 'average': self.average, 'encoder': self.encoder,
            'critic': self.critic, 'generator_optimizer': self.generator_optimizer,
            'critic_optimizer': self.critic_optimizer,
        }

    def _learn_generator(self, batch: HoleBatch, *, is_adversarial: bool) -> tuple[
            dict[str, float], Tensor]:
        """Return the losses and what was painted for drawn latents."""
        recipe = self.recipe
        drawn = len(batch.img) // 2 if is_adversarial else 0
        seen = batch.part(slice(drawn, None))
        codes = on_sphere(self.encoder(seen.img, seen.mask, seen.maps))
        blurred = codes + recipe.noise * self._normal(codes.shape)
        w = self.generator.style_net(torch.cat([self._draw(drawn), blurred]))
        self._follow_style(w)
        painted = self.generator(batch.img, batch.mask, w=w, maps=batch.maps)
        first, second = hole_distance(painted[drawn:], seen), crowding(codes)
        loss = recipe.reconstruction * first + recipe.uniformity * second
        losses = {'reconstruction': float(first.detach()), 'uniformity': float(second.detach())}
        if is_adversarial:
            judged = functional.softplus(-self._judge(painted, batch)).mean()
            loss = loss + recipe.adversarial * judged
            losses['generator'] = float(judged.detach())
        self.generator_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 10.0)
        self.generator_optimizer.step()
        return losses, painted[:drawn].detach()

    def _learn_critic(self, fake: Tensor, batch: HoleBatch) -> dict[str, float]:
        is_penalized = self.step % PENALTY_STEPS == 0
        real = batch.img.detach().requires_grad_(is_penalized)
        on_real = self._judge(real, batch)
        loss = (functional.softplus(-on_real) +
                functional.softplus(self._judge(fake, batch))).mean()
        losses = {'discriminator': float(loss.detach())}
        if is_penalized:
            penalty = steepness(on_real, real)
            losses['penalty'] = float(penalty.detach())
            loss = loss + self.recipe.penalty / 2 * PENALTY_STEPS * penalty
        self.critic_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.critic_optimizer.step()
        return losses

    @torch.no_grad()
    def _follow_style(self, w: Tensor) -> None:
        self.generator.style_net.w_avg.lerp_(w.mean(dim=0), W_AVERAGE_SHARE)

    def _draw(self, count: int) -> Tensor:
        return self._normal((count, self.generator.shape.z_dim))

    def _judge(self, images: Tensor, batch: HoleBatch) -> Tensor:
        return self.critic(images, batch.mask, batch.maps)

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.noise)

    def _set_rates(self) -> None:
        recipe = self.recipe
        rate = recipe.learning_rate if self.step < recipe.warm_up else recipe.adversarial_rate
        share = learning_share(self.step, recipe.steps)
        for optimizer, full in ((self.generator_optimizer, rate),
                                (self.critic_optimizer, recipe.adversarial_rate)):
            for group in optimizer.param_groups:
                group['lr'] = full * share

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights a little towards the new ones."""
        share = max(self.recipe.batch / self.recipe.average_images, 1 / (1 + self.step / 2))
        state = self.generator.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(state[name], min(share, 1.0))


@torch.no_grad()
def calm(generator: StyleGanUNet) -> None:
    """Let styles and colours matter little at first: what fits comes from the surroundings."""
    for name, value in generator.named_parameters():
        if name.endswith(('affine.weight', 'affine_beta.weight', 'to_rgb.weight')):
            value.mul_(FIRST_SHARE)


def learning_share(step: int, steps: int) -> float:
    """Return the share of the full rate: 1, then half a cosine to a tenth in the last quarter."""
    late = max(0.0, (step - 0.75 * steps) / (0.25 * steps))
    return 0.1 + 0.9 * (1 + math.cos(math.pi * min(late, 1.0))) / 2


def on_sphere(codes: Tensor) -> Tensor:
    """Return (n, d) codes of length sqrt(d): as long as normal numbers are on average."""
    return functional.normalize(codes, dim=1) * math.sqrt(codes.shape[1])


def crowding(codes: Tensor) -> Tensor:
    """Return the log mean Gaussian potential of the pairs of codes; lowest when spread evenly."""
    unit = functional.normalize(codes, dim=1)
    return functional.pdist(unit).square().mul(-2).exp().mean().log()


def hole_distance(painted: Tensor, batch: HoleBatch) -> Tensor:
    """Return the mean L1 distance inside the holes, of the pixels and of their 4x4 averages."""
    hole = 1 - batch.mask
    difference = (painted - batch.img) * hole
    area = hole.sum() * 3
    coarse = functional.avg_pool2d(difference, 4).abs().sum() * 16
    return (difference.abs().sum() + coarse) / (2 * area)


def steepness(judged: Tensor, images: Tensor) -> Tensor:
    """Return the mean squared gradient of the judgement by the images (R1)."""
    gradient, = torch.autograd.grad(judged.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
