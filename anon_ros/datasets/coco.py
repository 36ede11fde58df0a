# SPDX-License-Identifier: Apache-2.0
"""
COCO 2017 (instances, person keypoints) as parsed JSON, to records and back; no files here.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.datasets.polygons import LEAST_POINTS
from anon_ros.datasets.records import Instance, extra_of, own_extra, to_rle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.datasets.records import ImageRecord, Keypoint, Polygon

FORMAT = 'coco'
KEYPOINT_NAMES = (
    'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder',
    'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip',
    'left_knee', 'right_knee', 'left_ankle', 'right_ankle',
)
SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)
FLAGS = ('is_ignored', 'is_occluded', 'is_truncated', 'is_pseudo')
_READ = frozenset({
    'id', 'image_id', 'category_id', 'bbox', 'segmentation', 'iscrowd', 'keypoints',
    'num_keypoints', 'score', 'attributes', *FLAGS,
})


def parse_annotation(
    value: Mapping[str, Any], categories: Mapping[int, str], size_wh: tuple[int, int]
) -> Instance:
    """
    Return an instance from an annotation.

    categories: name by id. Raises ValueError that says what is wrong.
    """
    category = categories.get(value.get('category_id'))  # type: ignore[arg-type]  # None: unknown
    if category is None:
        raise ValueError(f'unknown category: {value.get("category_id")!r}')
    polygons, counts = _parse_segmentation(value.get('segmentation'), size_wh)
    return Instance(
        id=str(value.get('id', '')), category=category, box_xyxy=_parse_box(value.get('bbox')),
        polygons=polygons, rle=counts, keypoints=_parse_keypoints(value.get('keypoints')),
        is_crowd=bool(value.get('iscrowd', 0)), score=value.get('score'),
        attributes=dict(value.get('attributes', {})),
        extra=own_extra(FORMAT, value, _READ),
        is_ignored=bool(value.get('is_ignored', False)),
        is_occluded=bool(value.get('is_occluded', False)),
        is_truncated=bool(value.get('is_truncated', False)),
        is_pseudo=bool(value.get('is_pseudo', False)),
    )


def format_annotation(
    instance: Instance, record: ImageRecord, identity: int, image_id: int, category_id: int
) -> dict[str, object]:
    """
    Return an annotation; identity: its id, a number.

    Outlines stay outlines; a silhouette without them becomes run lengths, which a crowd has
    as a list of numbers.
    """
    size_wh = record.size_wh or (0, 0)
    counts = to_rle(instance, size_wh)
    mask = None if counts is None else rle.decode(counts, size_wh)
    box_xyxy = instance.box_xyxy
    if box_xyxy is None and mask is not None:
        x_min, y_min, x_max, y_max = (float(edge) for edge in masks.mask_to_box(mask))
        box_xyxy = (x_min, y_min, x_max, y_max)
    x_min, y_min, x_max, y_max = box_xyxy or (0.0, 0.0, 0.0, 0.0)
    area = (x_max - x_min) * (y_max - y_min) if mask is None else float(mask.inside.sum())
    result: dict[str, object] = {
        'id': identity, 'image_id': image_id, 'category_id': category_id,
        'bbox': [x_min, y_min, round(x_max - x_min, 9), round(y_max - y_min, 9)],
        'iscrowd': int(instance.is_crowd),
        'segmentation': _format_segmentation(instance, size_wh),
    }
    if instance.keypoints is not None:
        result['keypoints'] = [number for point in instance.keypoints for number in point]
        result['num_keypoints'] = instance.labelled_keypoints
    if instance.score is not None:
        result['score'] = instance.score
    if instance.attributes:
        result['attributes'] = dict(instance.attributes)
    result |= {flag: True for flag in FLAGS if getattr(instance, flag)}
    return {'area': area, **extra_of(instance, FORMAT), **result}


def encode_counts(counts: Sequence[int], size_wh: tuple[int, int]) -> str:
    """
    Return run lengths, as COCO's crowds have them, as the compressed text.

    Raises ValueError where they do not fill the image.
    """
    width, height = size_wh
    lengths = np.asarray(counts, np.int64)
    if (lengths < 0).any() or int(lengths.sum()) != width * height:
        raise ValueError(f'run lengths of the wrong size: they do not fill {width}x{height} px')
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return rle.encode(Mask(values.reshape(width, height).T, 0, 0), size_wh)


def decode_counts(text: str, size_wh: tuple[int, int]) -> list[int]:
    """Return the compressed text's run lengths as numbers."""
    width, height = size_wh
    mask = rle.decode(text, size_wh)
    if mask is None:
        return [width * height]
    flat = masks.paste([mask], size_wh).T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [len(flat)]]))
    return [int(n) for n in ([0, *lengths] if flat[0] else lengths)]


def _parse_segmentation(
    value: Any, size_wh: tuple[int, int]
) -> tuple[tuple[Polygon, ...], str | None]:
    if value is None or value == []:
        return (), None
    if isinstance(value, dict):
        return (), _parse_rle(value, size_wh)
    if not isinstance(value, list):
        raise ValueError('its segmentation is neither outlines nor run lengths')
    polygons = tuple(_parse_polygon(each) for each in value)
    if not _reaches(polygons, size_wh):
        raise ValueError(f'outline outside the image: of {size_wh[0]}x{size_wh[1]} px')
    return polygons, None


def _reaches(polygons: Sequence[Polygon], size_wh: tuple[int, int]) -> bool:
    """Return whether any outline reaches into the image."""
    points = np.concatenate([np.asarray(each, np.float64) for each in polygons])
    return bool((points.max(axis=0) >= 0).all() and (points.min(axis=0) <= size_wh).all())


def _parse_polygon(value: Any) -> Polygon:
    if not isinstance(value, list) or len(value) % 2 or not all(_is_number(n) for n in value):
        raise ValueError('an outline is no even list of numbers')
    if len(value) < 2 * LEAST_POINTS:
        raise ValueError(f'outline of {len(value) // 2} points')
    return tuple(zip(map(float, value[::2]), map(float, value[1::2]), strict=True))


def _parse_rle(value: Mapping[str, Any], size_wh: tuple[int, int]) -> str:
    counts, size = value.get('counts'), value.get('size')
    if size != [size_wh[1], size_wh[0]]:
        raise ValueError(
            f'run lengths of the wrong size: {size} for an image of {size_wh[0]}x{size_wh[1]} px')
    if isinstance(counts, list) and all(type(n) is int for n in counts):
        return encode_counts(counts, size_wh)
    if not isinstance(counts, str):
        raise ValueError('its run lengths are neither a text nor numbers')
    try:
        rle.decode(counts, size_wh)
    except ValueError as error:
        raise ValueError(f'run lengths of the wrong size: {error}') from None
    return counts


def _parse_box(value: Any) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(n) for n in value):
        raise ValueError('its bbox is no list of four numbers')
    x, y, width, height = map(float, value)
    if width < 0 or height < 0:
        raise ValueError('its bbox is turned inside out')
    return x, y, x + width, y + height


def _parse_keypoints(value: Any) -> tuple[Keypoint, ...] | None:
    if value is None:
        return None
    count = len(KEYPOINT_NAMES)
    if not isinstance(value, list) or len(value) != 3 * count or not all(map(_is_number, value)):
        raise ValueError(f'its keypoints are no list of {3 * count} numbers')
    numbers = list(map(float, value))
    return tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))


def _format_segmentation(instance: Instance, size_wh: tuple[int, int]) -> object:
    if instance.polygons and instance.rle is None and not any('C' in c for c in instance.curves):
        return [[number for point in polygon for number in point]
                for polygon in instance.polygons]
    counts = to_rle(instance, size_wh)
    if counts is None:
        return []
    size = [size_wh[1], size_wh[0]]
    if instance.is_crowd:
        return {'counts': decode_counts(counts, size_wh), 'size': size}
    return {'counts': counts, 'size': size}


def _is_number(value: object) -> bool:
    return type(value) in {int, float} and abs(value) < 1e9  # type: ignore[arg-type]  # a number

