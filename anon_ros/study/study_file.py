# SPDX-License-Identifier: Apache-2.0
"""
A study as a YAML file: what is trained on what, how long, and what is measured.

Every key is a field of the classes below; an unknown one is an error that names it.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from anon_ros.audit import typed_json
from anon_ros.datasets.formats import FORMATS
from anon_ros.errors import UsageError

FILES = Path(__file__).parent / 'files'
TASKS = ('detection', 'instances', 'keypoints')
BACKBONES = ('resnet50', 'small')
STARTS = ('scratch', 'imagenet', 'coco')
PRECISIONS = ('full', 'mixed')
ORIGINAL = 'original'
_KEEP = '-_ .,'


@dataclass(frozen=True)
class Dataset:
    """
    What is trained and tested on.

    format: coco, cityscapes or bdd100k. train, val: splits as the format calls them.
    classes: what is learned, in the words of datasets/categories.py; their order makes the labels.
    """

    format: str
    train: str
    val: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """
    One way to make the training images.

    region: face, body, or '' for the original. method, protocol and options go to the command
    `dataset`: options are its other settings, such as faces or min_size.
    """

    name: str
    region: str = ''
    method: str = ''
    protocol: str = 'paper'
    options: dict[str, object] = field(default_factory=dict)

    @property
    def is_original(self) -> bool:
        """Whether the images stay as they are."""
        return not self.region


@dataclass(frozen=True)
class Model:
    """
    What is trained: torchvision's Faster, Mask or Keypoint R-CNN, by the task.

    start: scratch, imagenet, coco, or the path of a checkpoint; weights that have seen real people
    hide what anonymization costs. shorter_px: of the training images, one is drawn for each;
    longest_px: what the longer side must not exceed. test_shorter_px: in the test.
    trained_stages: of the backbone's, from the last one on.
    """

    backbone: str = 'resnet50'
    start: str = 'scratch'
    shorter_px: tuple[int, ...] = (800,)
    longest_px: int = 1333
    test_shorter_px: int = 800
    trained_stages: int = 5


@dataclass(frozen=True)
class Schedule:
    """
    How long and how fast: SGD with a linear start and steps down.

    batch: images over all processes. rate: at that batch. steps: iterations after which the rate
    falls to a tenth. flip: the share of images that are mirrored. precision: full or mixed.
    """

    iterations: int
    batch: int
    rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warm_up: int = 500
    steps: tuple[int, ...] = ()
    flip: float = 0.5
    precision: str = 'mixed'
    clip_norm: float = 0.0
    checkpoint_every: int = 1000


@dataclass(frozen=True)
class PixelReading:
    """
    A second reading: images whose people are known by the pixel.

    folder: *.jpg or *.png, each with *_labels.png beside it; $VARIABLES are filled in.
    people, ignored: values in the labels. shorter_px: the shorter side when the network looks at
    them, where the people in them are not as large as those of the test; 0 for the test's.
    """

    name: str
    folder: str
    people: tuple[int, ...]
    ignored: tuple[int, ...] = ()
    shorter_px: int = 0


@dataclass(frozen=True)
class Measures:
    """
    What is measured beside the accuracy, on training images; 0 leaves it out.

    agreement_images: on which fixed networks are compared. attacked_people: of each kind.
    example_crops: of each variant in the report.
    """

    agreement_images: int = 200
    attacked_people: int = 300
    example_crops: int = 6


@dataclass(frozen=True)
class Study:
    """A whole study. seeds: one training each, for every variant."""

    name: str
    dataset: Dataset
    schedule: Schedule
    variants: tuple[Variant, ...]
    task: str = 'instances'
    model: Model = Model()
    seeds: tuple[int, ...] = (0, 1, 2)
    measures: Measures = Measures()
    pixel_readings: tuple[PixelReading, ...] = ()


def load_study(path_or_name: str) -> Study:
    """
    Return a study from a file, or one that comes with anon_ros by its name.

    Raises UsageError that names the file and the field that is wrong.
    """
    path = FILES / f'{path_or_name}.yaml'
    if not path.is_file():
        path = Path(path_or_name)
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        known = ', '.join(sorted(each.stem for each in FILES.glob('*.yaml')))
        reason = ' '.join(str(error).split())
        raise UsageError(
            f'{path}: no study file ({reason}); those that come along are {known}') from error
    try:
        return parse_study(content)
    except ValueError as error:
        raise UsageError(f'{path}: {error}') from error


def parse_study(content: object) -> Study:
    """Return a study from parsed YAML; raises ValueError that names the field."""
    _refuse_unknown(Study, content, '')
    study = typed_json.from_plain(Study, content)
    _check(study)
    return study


def _refuse_unknown(kind: Any, value: object, where: str) -> None:
    """Raise ValueError for a key that no field is called."""
    if not isinstance(value, dict):
        return
    hints = typing.get_type_hints(kind)
    for key, item in value.items():
        if key not in hints:
            known = ', '.join(hints)
            raise ValueError(f"{where}'{key}' is unknown; there are {known}")
        hint = hints[key]
        for inner in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(inner):
                for part in item if isinstance(item, list) else (item,):
                    _refuse_unknown(inner, part, f'{where}{key}: ')


def _check(study: Study) -> None:
    for name, value, known in (
        ('dataset.format', study.dataset.format, FORMATS), ('task', study.task, TASKS),
        ('model.backbone', study.model.backbone, BACKBONES),
        ('schedule.precision', study.schedule.precision, PRECISIONS),
    ):
        if value not in known:
            raise ValueError(f"{name}: '{value}' is none of {', '.join(known)}")
    names = [variant.name for variant in study.variants]
    if sum(variant.is_original for variant in study.variants) != 1:
        raise ValueError('variants: exactly one has to be the original: it has no region')
    if len(set(names)) < len(names):
        raise ValueError(f'variants: two have the same name: {", ".join(names)}')
    for name in names:
        if not name or not all(c.isalnum() or c in _KEEP for c in name):
            raise ValueError(f"variants: '{name}' cannot be the name of a folder")
    for variant in study.variants:
        if bool(variant.region) != bool(variant.method):
            raise ValueError(f"variants: '{variant.name}' needs a region and a method, or none")
    _check_numbers(study)


def _check_numbers(study: Study) -> None:
    for name, number, least in (
        ('schedule.iterations', study.schedule.iterations, 1),
        ('schedule.batch', study.schedule.batch, 1),
        ('schedule.checkpoint_every', study.schedule.checkpoint_every, 1),
        ('model.test_shorter_px', study.model.test_shorter_px, 16),
        ('seeds', len(study.seeds), 1), ('dataset.classes', len(study.dataset.classes), 1),
        ('model.shorter_px', min(study.model.shorter_px, default=0), 16),
    ):
        if number < least:
            raise ValueError(f'{name}: {number} is less than {least}')
    if len(set(study.seeds)) < len(study.seeds):
        raise ValueError('seeds: one is there twice')
    if study.task == 'keypoints' and study.dataset.classes != ('person',):
        raise ValueError("task: keypoints are learned of 'person' only; name it alone in classes")
