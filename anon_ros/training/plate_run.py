# SPDX-License-Identifier: Apache-2.0
"""A plate training in progress: one step, its checkpoint and its log."""

from __future__ import annotations

import copy
import csv
import math
import pickle
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from anon_ros.errors import InputError, UsageError
from anon_ros.training.plate_loss import plate_loss
from anon_ros.training.plate_network import PlateNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array

LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-3
WARM_UP_STEPS = 100
LOG_STEPS = 20
FORMAT = 1
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, EOFError,
           pickle.UnpicklingError)


@dataclass
class Run:
    """
    Everything that the next step depends on.

    average: the network that is shipped, its weights a moving average of the trained ones.
    mistaken_xyxy: for each frame (N, 4), what the network wrongly found; None before that.
    """

    network: PlateNetwork
    average: PlateNetwork
    optimizer: torch.optim.AdamW
    step: int = 0
    mistaken_xyxy: list[Float32Array] | None = field(default=None)

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
        mistaken = self.mistaken_xyxy
        state = {
            'format': FORMAT, 'seed': seed, 'step': self.step,
            'network': self.network.state_dict(), 'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(),
            'mistaken_xyxy': None if mistaken is None else [box.tolist() for box in mistaken],
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
            self._restore(state)
        except _DAMAGE as error:
            raise InputError(f'{path}: no checkpoint of a plate training: {error}') from error
        if state['seed'] != seed:
            raise UsageError(f'{path} was begun with seed {state["seed"]}, not {seed}')

    def _restore(self, state: dict[str, Any]) -> None:
        if state['format'] != FORMAT:
            raise ValueError(f'format {state["format"]}, expected {FORMAT}')
        self.network.load_state_dict(state['network'])
        self.average.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.step = int(state['step'])
        mistaken = state['mistaken_xyxy']
        self.mistaken_xyxy = None if mistaken is None else [
            np.asarray(boxes, np.float32).reshape(-1, 4) for boxes in mistaken
        ]

    def learn(
        self, images: Tensor, targets: tuple[Tensor, ...], steps: int
    ) -> tuple[float, float]:
        """Learn from one batch; return the score loss and the box loss."""
        for group in self.optimizer.param_groups:
            group['lr'] = learning_rate(self.step, steps)
        self.network.train()
        with torch.autocast('cpu', torch.bfloat16):
            logits, distances = self.network(images)
        score_loss, box_loss = plate_loss(logits.float(), distances.float(), targets)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(score_loss + box_loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        self._follow()
        return float(score_loss.detach()), float(box_loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights a little towards the new ones."""
        share = max(0.002, 1 / (1 + self.step))
        state = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(state[name], share)
            else:
                value.copy_(state[name])


def learning_rate(step: int, steps: int) -> float:
    """Return the rate of a step: a linear start, then half a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return LEARNING_RATE * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


class Log:
    """A CSV of the losses, averaged over LOG_STEPS steps; goes on where a resumed run stopped."""

    def __init__(self, path: Path, first_step: int) -> None:
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
