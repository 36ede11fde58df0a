# SPDX-License-Identifier: Apache-2.0
"""
Average precision by pycocotools, COCO's own tool.

Lin et al., ECCV 2014; https://cocodataset.org/#detection-eval.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.datasets.coco import KEYPOINT_NAMES
from anon_ros.errors import InputError, ModelError
from anon_ros.study.figures import Evaluation, Figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anon_ros.study.label_store import LabelStore, Thing

KINDS = {'detection': 'bbox', 'instances': 'segm', 'keypoints': 'keypoints'}
_MOST = {'bbox': 100, 'segm': 100, 'keypoints': 20}
_AREAS = ('all', 'small', 'medium', 'large')
_HALF, _THREE_QUARTERS = 0.5, 0.75


def evaluate(
    predictions: Path, labels: LabelStore, classes: Sequence[str], task: str
) -> Evaluation:
    """
    Return AP of all and of each class, of the original images' annotations.

    predictions: a file that predicting.predict's results were written to.
    Raises ModelError without pycocotools, InputError where the file is damaged.
    """
    coco, cocoeval = _tools()
    kind = KINDS[task]
    try:
        found = json.loads(predictions.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f'{predictions}: no predictions: {error}') from error
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = ground_truth(labels, classes, task)
        truth.createIndex()
        if not found:
            return Evaluation(tool(), kind, Figures.nothing(), dict.fromkeys(
                classes, Figures.nothing()))
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(_of_kind(found, kind)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
    return _read(evaluation, classes, kind)


def tool() -> str:
    """Return the name and version of the tool."""
    return f'pycocotools {metadata.version("pycocotools")}'


def ground_truth(
    labels: LabelStore, classes: Sequence[str], task: str
) -> dict[str, Any]:
    """Return the labels as a COCO dataset; image ids are the images' numbers."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(len(labels)):
        known = labels[number]
        images.append({'id': number, 'width': known.size_wh[0], 'height': known.size_wh[1]})
        for thing in known.things:
            if task != 'keypoints' or thing.keypoints or thing.is_ignored:
                annotations.append(_annotation(
                    thing, len(annotations) + 1, number, known.size_wh, task))
    categories: list[dict[str, Any]] = [
        {'id': i + 1, 'name': name} for i, name in enumerate(classes)]
    if task == 'keypoints':
        categories[0]['keypoints'] = list(KEYPOINT_NAMES)
    return {'images': images, 'annotations': annotations, 'categories': categories}


def _annotation(
    thing: Thing, identity: int, image: int, size_wh: tuple[int, int], task: str
) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = thing.box_xyxy
    result: dict[str, Any] = {
        'id': identity, 'image_id': image, 'category_id': thing.label,
        'bbox': [x_min, y_min, x_max - x_min, y_max - y_min],
        'area': (x_max - x_min) * (y_max - y_min), 'iscrowd': int(thing.is_ignored)}
    if thing.rle:
        mask = thing.mask(size_wh)
        result['segmentation'] = {'size': [size_wh[1], size_wh[0]], 'counts': thing.rle}
        result['area'] = 0 if mask is None else int(mask.inside.sum())
    elif task == 'instances':
        # Without an outline nobody can say whether it is found: it is neither asked nor wrong.
        result['iscrowd'] = 1
        result['segmentation'] = [[x_min, y_min, x_max, y_min, x_max, y_max, x_min, y_max]]
    if task == 'keypoints':
        points = thing.keypoints or ((0.0, 0.0, 0.0),) * len(KEYPOINT_NAMES)
        result['keypoints'] = [number for point in points for number in point]
        result['num_keypoints'] = sum(point[2] > 0 for point in points)
    return result


def _of_kind(found: Sequence[Mapping[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return results as loadRes wants them: with what is compared, and nothing that misleads."""
    kept = {'bbox': ('bbox',), 'segm': ('segmentation',), 'keypoints': ('keypoints',)}[kind]
    shared = ('image_id', 'category_id', 'score')
    return [{key: each[key] for key in (*shared, *kept)} for each in found]


def _read(evaluation: Any, classes: Sequence[str], kind: str) -> Evaluation:
    precision = evaluation.eval['precision']
    parameters = evaluation.params
    most = parameters.maxDets.index(_MOST[kind])
    areas = {name: i for i, name in enumerate(parameters.areaRngLbl)}

    def mean(chosen: slice, area: str, threshold: float | None = None) -> float | None:
        if area not in areas:
            return None
        values = precision[:, :, chosen, areas[area], most]
        if threshold is not None:
            values = values[np.isclose(parameters.iouThrs, threshold)]
        values = values[values > -1]
        return float(values.mean()) * 100 if values.size else None

    def figures(chosen: slice) -> Figures:
        return Figures(
            mean(chosen, 'all'), mean(chosen, 'all', _HALF),
            mean(chosen, 'all', _THREE_QUARTERS),
            *(mean(chosen, area) for area in _AREAS[1:]))

    return Evaluation(
        tool(), kind, figures(slice(None)),
        {name: figures(slice(i, i + 1)) for i, name in enumerate(classes)})


def _tools() -> tuple[Any, Any]:
    try:
        return (importlib.import_module('pycocotools.coco'),
                importlib.import_module('pycocotools.cocoeval'))
    except ImportError as error:
        raise ModelError(
            "the accuracy is measured by pycocotools: pip install 'anon_ros[study]'") from error
