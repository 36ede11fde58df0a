# SPDX-License-Identifier: Apache-2.0
"""One training and what it leaves: a folder that says itself what was trained on what."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros.audit import typed_json
from anon_ros.datasets.files import put_json
from anon_ros.errors import InputError
from anon_ros.study.study_file import (  # noqa: TC001 - typed_json reads them
    Model,
    PixelReading,
    Schedule,
)

if TYPE_CHECKING:
    from pathlib import Path

JOB, DONE, PREDICTIONS = 'job.json', 'done.json', 'predictions.json'


@dataclass(frozen=True)
class TrainingJob:
    """
    What to train and to try it on; the same fields, the same digits.

    variant: its name. images: the folder that the paths in the labels start from; val_images: of
    the original. labels, val_labels: files of label_store. fingerprint: of the images, so that
    other images are another training. pixel_readings: their folders in full.
    device, loaders, threads: where it runs; they are no part of its identity.
    """

    variant: str
    seed: int
    task: str
    classes: tuple[str, ...]
    model: Model
    schedule: Schedule
    fingerprint: str
    val_fingerprint: str
    images: str
    labels: str
    val_images: str
    val_labels: str
    pixel_readings: tuple[PixelReading, ...] = ()
    device: str = 'auto'
    loaders: int = 0
    threads: int = 0

    @property
    def key(self) -> str:
        """Return the identity of the training: what its result depends on, as a short hash."""
        same = replace(
            self, images='', labels='', val_images='', val_labels='', device='', loaders=0,
            threads=0, variant='', pixel_readings=())
        text = json.dumps(typed_json.to_plain(same), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def folder(self, root: Path) -> Path:
        """Return where its files lie, below the folder of a study."""
        name = self.variant.replace(' ', '-').replace(',', '')
        return root / 'trainings' / f'{name}-seed{self.seed}-{self.key}'


@dataclass(frozen=True)
class PixelResult:
    """
    How well the pixels of people are found.

    average_precision: over all thresholds, 0..1. iou: at a score of 0.5.
    """

    name: str
    images: int
    average_precision: float
    iou: float


@dataclass(frozen=True)
class Trained:
    """
    What a training left beside its files.

    weights_sha256: of all weights by name. fresh: weights that the starting checkpoint did not
    have. seconds: of the last run; an interrupted one's are not in it.
    """

    weights_sha256: str
    train_images: int
    iterations: int
    seconds: float
    device: str
    versions: dict[str, str]
    pixel_results: tuple[PixelResult, ...] = ()


def write_job(job: TrainingJob, folder: Path) -> Path:
    """Write a job into its folder, and return the file."""
    put_json(folder / JOB, typed_json.to_plain(job))
    return folder / JOB


def read_job(path: Path) -> TrainingJob:
    """Return a job; raises InputError where the file is none."""
    try:
        return typed_json.from_plain(TrainingJob, typed_json.parse(path.read_text()))
    except (OSError, ValueError) as error:
        raise InputError(f'{path}: no training of a study: {error}') from error


def read_trained(folder: Path) -> Trained | None:
    """Return what a finished training left; None where it is not finished."""
    path = folder / DONE
    if not path.is_file():
        return None
    try:
        return typed_json.from_plain(Trained, typed_json.parse(path.read_text()))
    except ValueError as error:
        raise InputError(f'{path}: damaged: {error}') from error


def is_complete(job: TrainingJob, folder: Path) -> bool:
    """Return whether a training has ended and all that is read of it is there."""
    trained = read_trained(folder)
    return trained is not None and {each.name for each in job.pixel_readings} <= {
        each.name for each in trained.pixel_results}
