# SPDX-License-Identifier: Apache-2.0
"""
Cityscapes' and BDD100K's own evaluation, run in an environment that has them.

They want older versions than anon_ros does (tools/official.txt), so they are called as programs
of another Python: the one that ANON_ROS_OFFICIAL_PYTHON names, else this one.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit import rle
from anon_ros.core.masks import paste
from anon_ros.datasets.categories import (
    BDD_CATEGORIES,
    CITYSCAPES_IDS,
    to_bdd,
)
from anon_ros.datasets.files import put, put_json, put_png
from anon_ros.errors import InputError, ModelError
from anon_ros.study.figures import Evaluation, Figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anon_ros.core.regions import BoolArray
    from anon_ros.study.label_store import LabelStore

VARIABLE = 'ANON_ROS_OFFICIAL_PYTHON'
_MODULES = {'cityscapes': 'cityscapesscripts', 'bdd100k': 'bdd100k'}
_PACKAGES = {'cityscapes': 'cityscapesScripts', 'bdd100k': 'bdd100k'}
_MOST_INSTANCES = 100
_LONGEST_S = 4 * 3600
_CITYSCAPES = (
    'import sys, cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as e; '
    'e.args.gtInstancesFile = sys.argv[1]; e.args.JSONOutput = True; '
    'e.args.exportFile = sys.argv[2]; sys.argv = sys.argv[:1]; e.main()'
)


@dataclass(frozen=True)
class Task:
    """What is evaluated: a file of predictions against a split of the original dataset."""

    predictions: Path
    root: Path
    split: str
    labels: LabelStore
    classes: Sequence[str]


def has_official_tool(format_name: str, task: str) -> bool:
    """Return whether a format has a tool of its own for a task; COCO's is pycocotools."""
    return format_name in _MODULES and task == 'instances'


def evaluate_officially(format_name: str, task: Task) -> Evaluation:
    """
    Return what the dataset's own tool says of predictions.

    Raises ModelError that names the tool where it is not installed, InputError where it fails.
    """
    python = os.environ.get(VARIABLE, sys.executable)
    version = _version(python, format_name)
    with tempfile.TemporaryDirectory() as folder:
        overall, by_class = _RUNNERS[format_name](python, task, Path(folder))
    return Evaluation(f'{_PACKAGES[format_name]} {version}', 'segm', overall, by_class)


def _version(python: str, format_name: str) -> str:
    code = (f'import {_MODULES[format_name]}; from importlib.metadata import version; '
            f'print(version("{_PACKAGES[format_name]}"))')
    result = _run([python, '-W', 'ignore', '-c', code], {})
    if result.returncode:
        raise ModelError(
            f'{_PACKAGES[format_name]} is not installed for {python}: install tools/official.txt '
            f'into an environment of its own and set {VARIABLE} to its python')
    return result.stdout.strip().splitlines()[-1]


def _cityscapes(
    python: str, task: Task, folder: Path
) -> tuple[Figures, dict[str, Figures]]:
    write_cityscapes(task, folder / 'results')
    out = folder / 'out.json'
    root = _cityscapes_root(task, folder)
    _run_or_raise(
        [python, '-W', 'ignore', '-c', _CITYSCAPES, str(folder / 'gt.json'), str(out)],
        {'CITYSCAPES_DATASET': str(root), 'CITYSCAPES_RESULTS': str(folder / 'results')})
    averages = json.loads(out.read_text())['averages']
    classes = {
        name: Figures(_percent(each['ap']), _percent(each['ap50%']))
        for name, each in averages['classes'].items()}
    return Figures(_percent(averages['allAp']), _percent(averages['allAp50%'])), classes


def _cityscapes_root(task: Task, folder: Path) -> Path:
    """Return a root whose val is the split: the tool knows no other, and reads all of it."""
    root = folder / 'root/gtFine'
    root.mkdir(parents=True)
    (root / 'val').symlink_to((task.root / 'gtFine' / task.split).resolve())
    return root.parent


def write_cityscapes(task: Task, folder: Path) -> None:
    """Write predictions as the tool reads them: a text an image, and a mask an instance."""
    for number, found in by_image(task):
        known = task.labels[number]
        lines = []
        for i, (each, inside) in enumerate(found):
            name = task.classes[each['category_id'] - 1]
            mask_name = f'{known.id}_{i}.png'
            put_png(folder / mask_name, inside.astype(np.uint8) * 255)
            lines.append(f'{mask_name} {CITYSCAPES_IDS[name]} {each["score"]:.5f}\n')
        put(folder / f'{known.id}_pred.txt', ''.join(lines).encode())


def _bdd100k(
    python: str, task: Task, folder: Path
) -> tuple[Figures, dict[str, Figures]]:
    scores = write_bdd100k(task, folder / 'masks')
    put_json(folder / 'scores.json', scores)
    split = task.split.rsplit('/', 1)[-1]
    truth = task.root / 'labels/ins_seg/bitmasks' / split
    out = folder / 'out.json'
    _run_or_raise(
        [python, '-W', 'ignore', '-m', 'bdd100k.eval.run', '-t', 'ins_seg', '-g', str(truth),
         '-r', str(folder / 'masks'), '--score-file', str(folder / 'scores.json'),
         '--out-file', str(out), '--nproc', '1'], {})
    return read_bdd100k(json.loads(out.read_text()), task.classes)


def write_bdd100k(task: Task, folder: Path) -> list[dict[str, Any]]:
    """
    Write predictions as bitmasks, best last so that it stays on top; return their scores.

    Instances do not overlap there: of two, the better one keeps the pixels.
    """
    ids = {name: i + 1 for i, name in enumerate(BDD_CATEGORIES)}
    frames = []
    for number, found in by_image(task):
        known = task.labels[number]
        name = known.path.rsplit('/', 1)[-1]
        image = np.zeros((known.size_wh[1], known.size_wh[0], 4), np.uint8)
        labels = []
        best = sorted(found, key=lambda pair: pair[0]['score'])[-_MOST_INSTANCES:]
        for index, (each, inside) in enumerate(best, 1):
            category = to_bdd(task.classes[each['category_id'] - 1])
            # OpenCV writes BGRA: the category is red, the instance blue and alpha.
            image[inside] = (index >> 8, 0, ids.get(category or '', 0), index & 255)
            labels.append({'id': str(index), 'index': index, 'score': each['score']})
        put_png(folder / (name.rsplit('.', 1)[0] + '.png'), image)
        frames.append({'name': name, 'labels': _visible(labels, image)})
    return frames


def read_bdd100k(
    value: Mapping[str, Any], classes: Sequence[str]
) -> tuple[Figures, dict[str, Figures]]:
    """Return the figures of the tool's result file."""
    names = {'AP': 'AP', 'AP50': 'AP50', 'AP75': 'AP75', 'APs': 'APs', 'APm': 'APm', 'APl': 'APl'}
    flat = {
        key: {name: number for scores in value[key] for name, number in scores.items()}
        for key in names}

    def figures(name: str) -> Figures:
        return Figures(*(_number(flat[key].get(name)) for key in names))

    return figures('OVERALL'), {
        name: figures(to_bdd(name) or name) for name in classes}


def by_image(task: Task) -> Iterator[tuple[int, list[tuple[dict[str, Any], BoolArray]]]]:
    """Yield every image's number and what was found in it: the result and (h, w) its pixels."""
    try:
        found = json.loads(task.predictions.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f'{task.predictions}: no predictions: {error}') from error
    images: dict[int, list[dict[str, Any]]] = {}
    for each in found:
        images.setdefault(each['image_id'], []).append(each)
    for number in range(len(task.labels)):
        size_wh = task.labels[number].size_wh
        best = sorted(images.get(number, []), key=lambda each: -each['score'])
        pairs = []
        for each in best[:_MOST_INSTANCES]:
            mask = rle.decode(each['segmentation']['counts'], size_wh)
            if mask is not None:
                pairs.append((each, paste([mask], size_wh)))
        yield number, pairs


_RUNNERS: Mapping[
    str, Callable[[str, Task, Path], tuple[Figures, dict[str, Figures]]]
] = {'cityscapes': _cityscapes, 'bdd100k': _bdd100k}


def _visible(labels: list[dict[str, Any]], image: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """Return the labels of whom something is seen: the tool wants no others."""
    seen = set(np.unique(
        image[..., 0].astype(np.int64) * 256 + image[..., 3]).tolist())
    return [each for each in labels if each['index'] in seen]


def _run(
    command: list[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, 'MPLBACKEND': 'Agg', **environment})
    except OSError as error:
        raise ModelError(f'{command[0]}: cannot be started: {error.strerror}') from error


def _run_or_raise(command: list[str], environment: Mapping[str, str]) -> None:
    result = _run(command, environment)
    if result.returncode:
        last = (result.stderr or result.stdout).strip().splitlines()[-3:]
        raise InputError(f'the official tool failed: {" | ".join(last)}')


def _percent(value: float) -> float | None:
    return None if math.isnan(value) else 100 * float(value)


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) or value < 0 else float(value)
