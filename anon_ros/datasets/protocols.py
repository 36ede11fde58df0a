# SPDX-License-Identifier: Apache-2.0
"""
Which annotated people are hidden.

The safe protocol hides everybody. The paper's (arXiv 2306.05135) hides only whom its scripts
touch: riders, crowds, ignored people and, in COCO, people without keypoints stay as they are.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import masks
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.datasets.categories import FACE, PERSON, is_person
from anon_ros.datasets.records import extra_of, silhouette
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.core.regions import Float32Array, IntArray
    from anon_ros.datasets.records import BoxXyxy, ImageRecord, Instance

PROTOCOLS = ('safe', 'paper')
PAPER_METHODS = ('blur', 'mask-out', 'realistic')
PAPER_FACE_THRESHOLDS = {'coco': 0.3, 'cityscapes': 0.2, 'bdd100k': 0.3}
"""Least scores of a face; the paper's detector (DSFD) is not here, ours stands in for it."""
PAPER_FACE_SAMPLINGS = {'coco': 'mean', 'cityscapes': 'mean', 'bdd100k': 'multi-modal'}
PAPER_BODY_SAMPLING = 'multi-modal'
LEAST_OVERLAP = 0.01
SAFE_GROWTH, LEAST_GROWTH_PX = 0.02, 3
"""Outlines drawn by hand cut corners: hair, hands and clothes stick out of them."""


def choose(
    record: ImageRecord, name: str, protocol: str
) -> tuple[list[Instance], dict[str, int]]:
    """
    Return the people to hide, and how many people are left as they are, by reason.

    name: of the format, since the paper treats each differently.
    """
    people = [each for each in record.instances if is_person(each.category)]
    if protocol == 'safe':
        return people, {}
    reasons = [_paper_skips(each, name) for each in people]
    chosen = [each for each, reason in zip(people, reasons, strict=True) if reason is None]
    return chosen, dict(Counter(reason for reason in reasons if reason is not None))


def check_paper_method(method: str) -> None:
    """Raise UsageError for a method that the paper's protocol has not."""
    if method not in PAPER_METHODS:
        raise UsageError(
            f"the paper's protocol has no method '{method}'; "
            f'name --method {" or ".join(PAPER_METHODS)}')


def paper_sampling(name: str, kind: Kind) -> str:
    """Return how the paper draws the styles of a kind in a format's dataset."""
    return PAPER_FACE_SAMPLINGS[name] if kind is Kind.FACE else PAPER_BODY_SAMPLING


def to_regions(
    people: Sequence[Instance], size_wh: tuple[int, int], *, growth: float = 0.0,
    with_keypoints: bool = False,
) -> Regions:
    """
    Return people as body regions: silhouettes where they are known, else boxes.

    growth: how far silhouettes reach beyond what was drawn, as a share of their size.
    with_keypoints: as annotated, the visibility as score; NaN for whom nobody placed any.
    Raises ValueError for a person of whom nothing is known but that he is there.
    """
    found: list[Mask | None] = []
    boxes_xyxy: list[Sequence[float]] = []
    shown: list[Instance] = []
    for person in people:
        mask = silhouette(person, size_wh)
        if mask is not None:
            mask = _grown(mask, growth)
            rows, columns = mask.inside.shape
            boxes_xyxy.append((mask.x, mask.y, mask.x + columns, mask.y + rows))
        elif person.has_shape:
            continue
        elif person.box_xyxy is None:
            raise ValueError(f'person without outline or box: {person.id}')
        else:
            boxes_xyxy.append(person.box_xyxy)
        found.append(mask)
        shown.append(person)
    return Regions.of(
        np.array(boxes_xyxy, np.float32).reshape(-1, 4), Kind.BODY, masks=found,
        keypoints=_keypoints(shown) if with_keypoints else None)


def annotated_faces(record: ImageRecord) -> Regions:
    """
    Return the faces that are annotated: instances of that category, and COCO-WholeBody's face_box.

    Raises ValueError where a face_box is no list of four numbers.
    """
    boxes_xyxy = [
        each.box_xyxy for each in record.instances
        if each.category == FACE and each.box_xyxy is not None]
    boxes_xyxy += [
        _face_box(said) for each in record.instances
        if (said := extra_of(each, 'coco')).get('face_valid')]
    return Regions.of(np.array(boxes_xyxy, np.float32).reshape(-1, 4), Kind.FACE)


def match_faces(faces: Regions, people: Regions, size_wh: tuple[int, int]) -> Regions:
    """
    Return the faces that belong to annotated people, one each.

    Pairs whose filled face box and silhouette overlap by more than an IoU of 0.01 are taken
    greedily: by overlap, then by score, then by how few faces the person could have.
    """
    overlaps = _overlaps(faces, people, size_wh)
    pairs = np.argwhere(overlaps > LEAST_OVERLAP)
    rivals = (overlaps > LEAST_OVERLAP).sum(axis=0)
    order = sorted(
        (-overlaps[f, p], -float(faces.scores[f]), int(rivals[p]), int(f), int(p))
        for f, p in pairs)
    taken_faces: list[int] = []
    taken_people: set[int] = set()
    for *_, face, person in order:
        if face not in taken_faces and person not in taken_people:
            taken_faces.append(face)
            taken_people.add(person)
    return faces.select(sorted(taken_faces))


def _keypoints(people: Sequence[Instance]) -> Float32Array:
    """Return (N, 17, 3): x, y and visibility in 0..1; NaN where nobody placed the point."""
    unknown = ((0.0, 0.0, 0.0),) * 17
    values = np.array([each.keypoints or unknown for each in people], np.float32)
    values = values.reshape(-1, 17, 3)
    values[..., 2] = np.minimum(values[..., 2], 1)
    values[values[..., 2] == 0] = np.nan
    return values


def _face_box(said: Mapping[str, object]) -> BoxXyxy:
    value = said.get('face_box')
    try:
        x, y, width, height = (float(number) for number in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValueError(f'its face_box is no list of four numbers: {value!r}') from None
    return x, y, x + width, y + height


def _grown(mask: Mask, growth: float) -> Mask:
    if growth <= 0:
        return mask
    pixels = max(LEAST_GROWTH_PX, int(np.ceil(growth * np.sqrt(mask.inside.size))))
    inside = masks.dilate(np.pad(mask.inside, pixels), pixels)
    return Mask(inside, mask.x - pixels, mask.y - pixels)


def _paper_skips(person: Instance, name: str) -> str | None:
    if person.category != PERSON:
        return person.category
    if person.is_crowd:
        return 'crowd'
    if person.is_ignored:
        return 'ignored'
    if name == 'coco' and not person.labelled_keypoints:
        return 'without keypoints'
    return None if person.has_shape else 'without outline'


def _overlaps(faces: Regions, people: Regions, size_wh: tuple[int, int]) -> Float32Array:
    """Return (faces, people): intersection over union of filled boxes and silhouettes."""
    limit = np.array([*size_wh, *size_wh])
    edges = np.clip(np.rint(faces.boxes_xyxy), 0, limit).astype(int)
    result = np.zeros((len(faces), len(people)), np.float32)
    for p, known in enumerate(people.masks):
        mask = known or _filled(np.clip(np.rint(people.boxes_xyxy[p]), 0, limit).astype(int))
        area = int(mask.inside.sum())
        for f, (x_min, y_min, x_max, y_max) in enumerate(edges):
            part = mask.inside[
                max(y_min - mask.y, 0):max(y_max - mask.y, 0),
                max(x_min - mask.x, 0):max(x_max - mask.x, 0)]
            shared = int(part.sum())
            union = area + (x_max - x_min) * (y_max - y_min) - shared
            result[f, p] = shared / max(union, 1)
    return result


def _filled(box_xyxy: IntArray) -> Mask:
    x_min, y_min, x_max, y_max = (int(edge) for edge in box_xyxy)
    return Mask(np.ones((max(y_max - y_min, 0), max(x_max - x_min, 0)), bool), x_min, y_min)
