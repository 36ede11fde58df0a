# SPDX-License-Identifier: Apache-2.0
"""Train the generator of faces that is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from anon_ros.gan.stylegan_unet import UNetShape
from anon_ros.gan.weights_file import save_weights
from anon_ros.training.face_look import FaceLook
from anon_ros.training.face_samples import FaceSampleMaker, load_faces, split_faces
from anon_ros.training.gan_run import GanRun, Recipe
from anon_ros.training.gan_samples import HoleBatch
from anon_ros.training.gan_training import SHEET_ROWS, train_gan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FACE_SHAPE = UNetShape((64, 64), (8, 16, 32, 64, 128), z_dim=32, w_dim=64, has_base=True)


def train_face_gan(
    data_dir: Path,
    out_path: Path,
    recipe: Recipe,
    *,
    seed: int = 0,
    shape: UNetShape = FACE_SHAPE,
    resume: bool = False,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """
    Train on data_dir/faces.json and write the weights to out_path (safetensors); return it.

    Raises InputError for data or a checkpoint that cannot be read.
    """
    faces, held_out = split_faces(load_faces(data_dir))
    size_px = shape.size_hw[0]
    maker = FaceSampleMaker(faces, size_px=size_px, seed=seed)
    shown = FaceSampleMaker(held_out, size_px=size_px, seed=seed)
    sheet = HoleBatch.of([shown.make(0, number) for number in range(SHEET_ROWS)])
    torch.manual_seed(seed)
    look = FaceLook(shape.size_hw, shape.z_dim)
    run = GanRun.start(shape, recipe, seed, look)
    train_gan(run, maker, out_path, sheet=sheet, resume=resume, progress=progress)
    save_weights(out_path, run.average, {'shows': 'face'})
    return out_path
