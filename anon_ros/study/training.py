# SPDX-License-Identifier: Apache-2.0
"""
One training: from its seed to its weights, the same whether it was interrupted or not.

Everything random is drawn anew for each iteration from the seed and the iteration's number.
"""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from anon_ros.errors import InputError, UsageError
from anon_ros.study.curves import Curve
from anon_ros.study.networks import build_network, load_checkpoint
from anon_ros.study.samples import Places, collate

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import nn

    from anon_ros.study.job import TrainingJob
    from anon_ros.study.samples import Sample, Samples

WEIGHTS, CHECKPOINT, CURVE = 'weights.pt', 'checkpoint.pt', 'curve.csv'
_LEAST_RATE = 1e-3
_STEP_FACTOR = 0.1


@dataclass(frozen=True)
class Processes:
    """Who trains: this process among how many, as torchrun says, and on which device."""

    index: int
    count: int
    device: torch.device

    @classmethod
    def from_environment(cls, device: str) -> Processes:
        """Join the others where torchrun started several; raises UsageError without a GPU."""
        index, count = int(os.environ.get('RANK', '0')), int(os.environ.get('WORLD_SIZE', '1'))
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        if device.startswith('cuda'):
            if not torch.cuda.is_available():
                raise UsageError(f'device: there is no {device} here; name cpu, or auto')
            if count > 1:
                device = f'cuda:{os.environ.get("LOCAL_RANK", "0")}'
            torch.cuda.set_device(device)
        if count > 1 and not distributed.is_initialized():
            distributed.init_process_group('nccl' if device.startswith('cuda') else 'gloo')
        return cls(index, count, torch.device(device))

    @property
    def is_first(self) -> bool:
        """Whether it is this process that writes files."""
        return self.index == 0


def train(job: TrainingJob, samples: Samples, processes: Processes, folder: Path) -> nn.Module:
    """
    Return the trained network; folder gets its weights, checkpoints and curve.

    What is there of an earlier run is gone on with; where the weights are, nothing is trained.
    Raises InputError where the checkpoint is damaged.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(job.seed)
    network = build_network(job.model, job.task, len(job.classes)).to(processes.device)
    if (folder / WEIGHTS).is_file():
        load_checkpoint(network, folder / WEIGHTS)
        return network
    run = _Run(job, network, processes, folder)
    run.resume()
    run.go_on(samples)
    if processes.is_first:
        _save(folder / WEIGHTS, {'network': network.state_dict()})
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return network


class _Run:
    def __init__(
        self, job: TrainingJob, network: nn.Module, processes: Processes, folder: Path
    ) -> None:
        self._job, self._schedule = job, job.schedule
        self._network, self._processes, self._folder = network, processes, folder
        self._optimizer = torch.optim.SGD(
            [each for each in network.parameters() if each.requires_grad],
            lr=self._schedule.rate, momentum=self._schedule.momentum,
            weight_decay=self._schedule.weight_decay)
        precision = _precision(self._schedule.precision, processes.device)
        self._dtype = precision
        self._scaler = torch.amp.GradScaler(
            processes.device.type, enabled=precision == torch.float16)
        self._iteration = 0

    def resume(self) -> None:
        """Take up the last checkpoint, where there is one."""
        path = self._folder / CHECKPOINT
        if not path.is_file():
            return
        try:
            state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
            self._network.load_state_dict(state['network'])
            self._optimizer.load_state_dict(state['optimizer'])
            self._scaler.load_state_dict(state['scaler'])
            self._iteration = int(state['iteration'])
        except Exception as error:
            raise InputError(
                f'{path}: no checkpoint of this training ({error}); remove it to start anew'
            ) from error

    def go_on(self, samples: Samples) -> None:
        """Train until the schedule's end."""
        model: nn.Module = self._network
        if self._processes.count > 1:
            devices = None if self._processes.device.type == 'cpu' else [self._processes.device]
            model = DistributedDataParallel(model, device_ids=devices)
        model.train()
        path, is_first = self._folder / CURVE, self._processes.is_first
        with Curve(path, self._iteration, is_written=is_first) as curve:
            for batch in self._loader(samples):
                losses = self._step(model, batch)
                self._iteration += 1
                is_last = self._iteration == self._schedule.iterations
                curve.write(self._iteration, self._rate(), losses, is_last=is_last)
                if self._iteration % self._schedule.checkpoint_every == 0 and not is_last:
                    self._checkpoint()

    def _loader(self, samples: Samples) -> torch.utils.data.DataLoader[Sample]:
        places = Places(
            self._iteration, self._schedule, self._processes.index, self._processes.count)
        return torch.utils.data.DataLoader(
            samples, batch_sampler=places, num_workers=self._job.loaders, collate_fn=collate,
            pin_memory=self._processes.device.type == 'cuda',
            persistent_workers=False)

    def _step(self, model: nn.Module, batch: list[Sample]) -> dict[str, float]:
        device = self._processes.device
        torch.manual_seed(_seed(self._job.seed, self._iteration, self._processes.index))
        for group in self._optimizer.param_groups:
            group['lr'] = self._rate()
        images = [sample.image.to(device, non_blocking=True) for sample in batch]
        targets = [
            {key: value.to(device, non_blocking=True) for key, value in sample.target.items()}
            for sample in batch]
        with self._autocast():
            losses: dict[str, torch.Tensor] = model(images, targets)
            total = torch.stack(list(losses.values())).sum()
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self._scaler.scale(total))
        if self._schedule.clip_norm:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), self._schedule.clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        found = {name: float(value.detach()) for name, value in losses.items()}
        if not all(map(math.isfinite, found.values())):
            raise InputError(
                f'the training diverged in iteration {self._iteration}: {found}; lower '
                'schedule.rate, lengthen warm_up or set clip_norm')
        return found

    def _autocast(self) -> AbstractContextManager[object]:
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._processes.device.type, self._dtype)

    def _rate(self) -> float:
        return rate_at(self._iteration, self._schedule)

    def _checkpoint(self) -> None:
        if self._processes.is_first:
            _save(self._folder / CHECKPOINT, {
                'network': self._network.state_dict(), 'optimizer': self._optimizer.state_dict(),
                'scaler': self._scaler.state_dict(), 'iteration': self._iteration})


def rate_at(iteration: int, schedule: Any) -> float:
    """Return the rate of an iteration: a linear start, then a tenth after each step."""
    rate = float(schedule.rate)
    if iteration < schedule.warm_up:
        share = iteration / schedule.warm_up
        return rate * (_LEAST_RATE + (1 - _LEAST_RATE) * share)
    return rate * _STEP_FACTOR ** sum(iteration >= step for step in schedule.steps)


def _precision(name: str, device: torch.device) -> torch.dtype | None:
    """Return bfloat16 where the hardware has it, else float16 with scaled losses."""
    if name == 'full':
        return None
    is_old_gpu = device.type == 'cuda' and not torch.cuda.is_bf16_supported()
    return torch.float16 if is_old_gpu else torch.bfloat16


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _save(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix('.partial')
    torch.save(state, partial)
    partial.replace(path)
