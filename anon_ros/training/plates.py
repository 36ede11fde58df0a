# SPDX-License-Identifier: Apache-2.0
"""Train the plate detector from scratch and export it."""

from __future__ import annotations

import copy
import csv
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor

from anon_ros.errors import InputError, UsageError
from anon_ros.training.plate_frames import hold_out, load_plate_frames
from anon_ros.training.plate_loss import plate_loss, to_batch
from anon_ros.training.plate_network import (
    SIZE_MULTIPLE_PX,
    ExportedPlateNetwork,
    PlateNetwork,
)
from anon_ros.training.plate_samples import SampleMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-3
WARM_UP_STEPS = 100
BATCH = 16
CHECKPOINT_S = 120.0
LOG_STEPS = 20
FORMAT = 1


@dataclass
class Run:
    """A training in progress: everything that the next step depends on."""

    network: PlateNetwork
    average: PlateNetwork
    optimizer: torch.optim.AdamW
    step: int = 0

    @classmethod
    def start(cls, seed: int) -> Run:
        """Return a fresh run, its weights drawn from the seed."""
        torch.manual_seed(seed)
        network = PlateNetwork()
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        return cls(network, copy.deepcopy(network).eval(), optimizer)

    def save(self, path: Path, seed: int) -> None:
        """Write a checkpoint; the old one stays until the new one is whole."""
        state = {
            'format': FORMAT, 'seed': seed, 'step': self.step,
            'network': self.network.state_dict(), 'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(),
        }
        partial = path.with_suffix('.partial')
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path, seed: int) -> None:
        """
        Go on where that checkpoint stopped.

        Raises InputError when it is damaged or of another format, UsageError for another seed.
        """
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            if state['format'] != FORMAT:
                raise InputError(f'{path}: checkpoint format {state["format"]}, not {FORMAT}')
            if state['seed'] != seed:
                raise UsageError(f'{path} was begun with seed {state["seed"]}, not {seed}')
            self.network.load_state_dict(state['network'])
            self.average.load_state_dict(state['average'])
            self.optimizer.load_state_dict(state['optimizer'])
            self.step = int(state['step'])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError) as error:
            raise InputError(f'{path}: no checkpoint of a plate training: {error}') from error


def train_plates(
    data_dir: Path,
    out_path: Path,
    *,
    steps: int,
    seed: int = 0,
    resume: bool = False,
    hold_out_frames: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
) -> Path:
    """
    Train on data_dir/train.json and write the network to out_path (ONNX); return that path.

    Beside it lie the checkpoint (.pt) and the log (.csv). With resume the checkpoint's run goes
    on, to the same weights that an uninterrupted one reaches on the same machine.
    hold_out_frames: leave out the frames that `hold_out` sets apart.
    progress: called with the steps done, all steps, and the loss.
    Raises InputError for data or a checkpoint that cannot be read, UsageError for a checkpoint
    of another seed.
    """
    frames = load_plate_frames(data_dir, 'train')
    maker = SampleMaker(hold_out(frames)[0] if hold_out_frames else frames, seed)
    checkpoint = out_path.with_suffix('.pt')
    run = Run.start(seed)
    if resume and checkpoint.exists():
        run.load(checkpoint, seed)
    saved_s = time.monotonic()
    with Log(out_path.with_suffix('.csv'), run.step) as log:
        for images, targets in batches(maker, run.step, steps):
            losses = take_step(run, images, targets, steps)
            log.write(run.step, losses)
            if progress is not None:
                progress(run.step, steps, sum(losses))
            if time.monotonic() - saved_s > CHECKPOINT_S:
                run.save(checkpoint, seed)
                saved_s = time.monotonic()
    run.save(checkpoint, seed)
    export_onnx(run.average, out_path)
    return out_path


def batches(
    maker: SampleMaker, first_step: int, steps: int
) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Yield one batch per step, the next one being made while the last is learnt."""

    def make(step: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        return to_batch([maker.make(step, number) for number in range(BATCH)])

    # OpenCV's own threads would only get in the way of the network's.
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(make, step) for step in range(first_step, min(first_step + 2, steps))]
        for step in range(first_step + 2, steps + 2):
            if not ahead:
                return
            batch = ahead.pop(0).result()
            if step < steps:
                ahead.append(pool.submit(make, step))
            yield batch


def take_step(
    run: Run, images: Tensor, targets: tuple[Tensor, ...], steps: int
) -> tuple[float, float]:
    """Learn from one batch; return the score loss and the box loss."""
    for group in run.optimizer.param_groups:
        group['lr'] = learning_rate(run.step, steps)
    run.network.train()
    with torch.autocast('cpu', torch.bfloat16):
        logits, distances = run.network(images)
    score_loss, box_loss = plate_loss(logits.float(), distances.float(), targets)
    run.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(score_loss + box_loss)
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), 10.0)
    run.optimizer.step()
    run.step += 1
    _follow(run)
    return float(score_loss.detach()), float(box_loss.detach())


def learning_rate(step: int, steps: int) -> float:
    """Return the rate of a step: a linear start, then half a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return LEARNING_RATE * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


@torch.no_grad()
def _follow(run: Run) -> None:
    """Move the averaged weights a little towards the new ones."""
    share = max(0.002, 1 / (1 + run.step))
    state = run.network.state_dict()
    for name, value in run.average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(state[name], share)
        else:
            value.copy_(state[name])


def export_onnx(network: PlateNetwork, out_path: Path) -> None:
    """Write the network as ONNX: input `images` (B, 3, h, w), output `cells` (B, 5, h/8, w/8)."""
    size = SIZE_MULTIPLE_PX * 4
    out_path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        ExportedPlateNetwork(network).eval(), (torch.zeros(1, 3, size, size),), str(out_path),
        dynamo=False, opset_version=17, input_names=['images'], output_names=['cells'],
        dynamic_axes={'images': {0: 'batch', 2: 'height', 3: 'width'},
                      'cells': {0: 'batch', 2: 'rows', 3: 'columns'}},
    )


class Log:
    """A CSV of the losses, averaged over LOG_STEPS steps; goes on where a resumed run stopped."""

    def __init__(self, path: Path, first_step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = first_step == 0 or not path.exists()
        self._file = path.open('w' if is_new else 'a', encoding='utf-8', newline='')
        self._writer = csv.writer(self._file)
        self._recent: list[tuple[float, float]] = []
        self._start_s = time.monotonic()
        if is_new:
            self._writer.writerow(['step', 'score_loss', 'box_loss', 'seconds'])

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, step: int, losses: tuple[float, float]) -> None:
        """Take one step's losses."""
        self._recent.append(losses)
        if step % LOG_STEPS:
            return
        score, box = np.mean(self._recent, axis=0)
        seconds = time.monotonic() - self._start_s
        self._writer.writerow([step, f'{score:.4f}', f'{box:.4f}', f'{seconds:.1f}'])
        self._file.flush()
        self._recent.clear()
