# SPDX-License-Identifier: Apache-2.0
"""The loop around a generator's training: batches, log, sheets of pictures, checkpoints."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from anon_ros.training.gan_plot import write_plot
from anon_ros.training.gan_run import LOSSES, GanRun
from anon_ros.training.gan_samples import HoleBatch, hole_batches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.core.regions import UInt8Array
    from anon_ros.training.gan_samples import HoleSampleMaker

CHECKPOINT_S = 120.0
LOG_STEPS = 20
SHEET_ROWS, SHEET_LATENTS = 8, 6
SHEET_SCALE = 2


def train_gan(
    run: GanRun,
    maker: HoleSampleMaker,
    out_path: Path,
    *,
    sheet: HoleBatch,
    resume: bool = False,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> None:
    """
    Train until the recipe's last step.

    Beside out_path lie the checkpoint (.pt), the log (.csv), its curves (.svg) and a sheet of
    pictures (.png), renewed every two minutes. With resume a run goes on from its checkpoint, to
    the same weights that an uninterrupted one reaches on the same machine.
    sheet: what is painted for the pictures, never learnt from.
    Raises InputError and UsageError as GanRun.load does.
    """
    out_path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = out_path.with_suffix('.pt')
    if resume and checkpoint.exists():
        run.load(checkpoint)
    steps, started, saved = run.recipe.steps, time.monotonic() - run.seconds, time.monotonic()
    with GanLog(out_path.with_suffix('.csv'), run.step) as log:
        for batch in hole_batches(maker, run.step, steps, run.recipe.batch):
            losses = run.learn(batch)
            run.seconds = time.monotonic() - started
            log.write(run.step, run.seconds, losses)
            if progress is not None:
                progress(run.step, steps, losses)
            if time.monotonic() - saved > CHECKPOINT_S:
                _keep(run, sheet, out_path)
                saved = time.monotonic()
    _keep(run, sheet, out_path)


def _keep(run: GanRun, sheet: HoleBatch, out_path: Path) -> None:
    run.save(out_path.with_suffix('.pt'))
    write_plot(out_path.with_suffix('.csv'), out_path.with_suffix('.svg'))
    write_sheet(out_path.with_suffix('.png'), paint_sheet(run, sheet))


class GanLog:
    """A CSV of the losses, averaged over LOG_STEPS steps; goes on where a run stopped."""

    def __init__(self, path: Path, first_step: int) -> None:
        earlier = _rows_until(path, first_step) if path.exists() else []
        self._file = path.open('w', encoding='utf-8', newline='')
        self._writer = csv.writer(self._file)
        self._recent: list[dict[str, float]] = []
        self._writer.writerows([['step', 'seconds', *LOSSES], *earlier])
        self._file.flush()

    def __enter__(self) -> GanLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, step: int, seconds: float, losses: dict[str, float]) -> None:
        """Take one step's losses."""
        self._recent.append(losses)
        if step % LOG_STEPS:
            return
        means = [self._mean(name) for name in LOSSES]
        self._writer.writerow([step, f'{seconds:.1f}', *means])
        self._file.flush()
        self._recent.clear()

    def _mean(self, name: str) -> str:
        values = [losses[name] for losses in self._recent if name in losses]
        return f'{np.mean(values):.4f}' if values else ''


def _rows_until(path: Path, last_step: int) -> list[list[str]]:
    """Return the rows of a log that a checkpoint of that step has seen."""
    with path.open(encoding='utf-8', newline='') as file:
        return [row for row in list(csv.reader(file))[1:] if int(row[0]) <= last_step]


@torch.inference_mode()
def paint_sheet(run: GanRun, batch: HoleBatch) -> UInt8Array:
    """
    Return a sheet (rows, columns, 3) RGB: original, hole, and SHEET_LATENTS ways to fill it.

    All rows share the latents of their column.
    """
    generator = run.average
    noise = torch.Generator().manual_seed(0)
    z = torch.randn((SHEET_LATENTS, generator.shape.z_dim), generator=noise)
    columns = [batch.img, batch.img * batch.mask]
    for latent in z:
        same = latent.expand(len(batch.img), -1)
        columns.append(generator(batch.img, batch.mask, same, maps=batch.maps))
    tiles = torch.stack(columns, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    rows = tiles.permute(0, 3, 1, 4, 2).numpy()
    count, height, across, width, _ = rows.shape
    return np.ascontiguousarray(rows.reshape(count * height, across * width, 3))


def write_sheet(path: Path, sheet_rgb: UInt8Array) -> None:
    """Write a sheet, enlarged, as PNG."""
    large = cv2.resize(sheet_rgb, None, fx=SHEET_SCALE, fy=SHEET_SCALE,
                       interpolation=cv2.INTER_CUBIC)
    path.write_bytes(cv2.imencode('.png', large[..., ::-1])[1].tobytes())
