# SPDX-License-Identifier: Apache-2.0
"""Train the generator of bodies that is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.gan.conditions import POSE_MAPS
from anon_ros.gan.stylegan_unet import UNetShape
from anon_ros.gan.weights_file import save_weights
from anon_ros.training.body_look import LOOK_NUMBERS, LookEncoder
from anon_ros.training.body_samples import BODY_SIZE_HW, BodySampleMaker
from anon_ros.training.gan_run import GanRun, Recipe
from anon_ros.training.gan_samples import HoleBatch
from anon_ros.training.gan_training import SHEET_ROWS, train_gan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.training.body_samples import BodySource

BODY_SHAPE = UNetShape(
    BODY_SIZE_HW, (8, 16, 32, 64, 128), z_dim=LOOK_NUMBERS, w_dim=64,
    condition_channels=POSE_MAPS, has_base=True)
LOOK_BATCHES, LOOK_BATCH = 20, 64
"""How many samples are looked at to know what is average."""


def body_recipe(steps: int, warm_up: int, batch: int) -> Recipe:
    """Return how bodies are learnt: as faces are, but the latent is measured, so less blurred."""
    return Recipe(
        steps=steps, warm_up=warm_up, batch=batch, noise=0.2, uniformity=0.0,
        critic_channels=(8, 16, 32, 64, 128))


def train_body_gan(
    source: BodySource,
    shown: BodySource,
    out_path: Path,
    recipe: Recipe,
    *,
    seed: int = 0,
    shape: UNetShape = BODY_SHAPE,
    resume: bool = False,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """
    Train on crops of a source and write the weights to out_path (safetensors); return it.

    shown: what is painted on the sheet of pictures, never learnt from. Both give crops of the
    shape's size. Raises InputError for a checkpoint that cannot be read.
    """
    maker = BodySampleMaker(source, seed)
    sheet = HoleBatch.of([
        BodySampleMaker(shown, seed).make(0, number) for number in range(SHEET_ROWS)])
    run = GanRun.start(shape, recipe, seed, fit_looks(source, seed))
    train_gan(run, maker, out_path, sheet=sheet, resume=resume, progress=progress)
    save_weights(out_path, run.average, {'shows': 'body'})
    return out_path


def fit_looks(source: BodySource, seed: int) -> LookEncoder:
    """Return what measures looks, by samples that are not learnt from."""
    maker = BodySampleMaker(source, seed + 1)
    return LookEncoder.fit(
        HoleBatch.of([maker.make(step, number) for number in range(LOOK_BATCH)])
        for step in range(LOOK_BATCHES))
