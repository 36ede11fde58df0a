# SPDX-License-Identifier: Apache-2.0
"""
Does one training of a study: `python -m anon_ros.study.worker JOB.json`, or under torchrun.

A process of its own, so that one which is killed takes no other with it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import platform
import signal
import sys
import time
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import torch
from torch import distributed

from anon_ros.audit import typed_json
from anon_ros.datasets.files import put, put_json
from anon_ros.errors import AnonError, UsageError
from anon_ros.study.job import DONE, PREDICTIONS, Trained, is_complete, read_job
from anon_ros.study.label_store import LabelStore
from anon_ros.study.networks import weights_hash
from anon_ros.study.predicting import Finder, predict, read_pixels
from anon_ros.study.samples import Order, Samples, usable
from anon_ros.study.training import Processes, train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anon_ros.study.job import TrainingJob

_PARENT_DEATH_SIGNAL = 1
_PACKAGES = ('torch', 'torchvision', 'numpy', 'opencv-python-headless')


def do_training(job: TrainingJob, folder: Path) -> None:
    """
    Train, look at the validation images and write what was found into the folder.

    Raises InputError where an image is missing or damaged, UsageError where another process is
    at it already.
    """
    if job.threads:
        torch.set_num_threads(job.threads)
    cv2.setNumThreads(1)
    processes = Processes.from_environment(job.device)
    with _alone(folder, processes):
        if is_complete(job, folder):
            return
        start_s = time.monotonic()
        labels = LabelStore(Path(job.labels))
        chosen = usable(labels, Path(job.images), job.task)
        if not chosen:
            raise UsageError(f'{job.variant}: no image has anything to learn in it')
        order = Order(chosen, job.schedule.batch, job.seed)
        samples = Samples(Path(job.images), labels, job.task, job.schedule, order)
        network = train(job, samples, processes, folder)
        if processes.is_first:
            finder = Finder(network, processes.device, job.model)
            found = predict(finder, Path(job.val_images), LabelStore(Path(job.val_labels)))
            put(folder / PREDICTIONS, json.dumps(found).encode())
            trained = Trained(
                weights_hash(network), len(chosen), job.schedule.iterations,
                round(time.monotonic() - start_s, 1), _device_name(processes.device),
                {name: metadata.version(name) for name in _PACKAGES},
                tuple(read_pixels(finder, each, job.classes) for each in job.pixel_readings))
            put_json(folder / DONE, typed_json.to_plain(trained))


def main(arguments: list[str]) -> int:
    """Do the training of a job file; return the exit status."""
    path = Path(arguments[0])
    _end_with_parent()
    try:
        do_training(read_job(path), path.parent)
    except AnonError as error:
        print(f'anon-ros: {error}', file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


@contextmanager
def _alone(folder: Path, processes: Processes) -> Iterator[None]:
    """Keep other trainings out of a folder; the lock ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    if not processes.is_first:
        yield
        return
    with (folder / '.lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f'{folder}: another process is training there') from error
        yield


def _end_with_parent() -> None:
    """Let this process end when the one that started it does, even by a kill; on Linux."""
    try:
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    except (AttributeError, OSError):
        return


def _device_name(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{platform.machine()} CPU, {torch.get_num_threads()} threads'


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
