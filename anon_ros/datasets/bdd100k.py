# SPDX-License-Identifier: Apache-2.0
"""
BDD100K in Scalabel's form, and its bitmasks, to records and back; no files here.

Source: https://doc.bdd100k.com/format.html and the bdd100k and scalabel packages. A box's x2 and
y2 lie inside it. A bitmask's channels are category, flags, and two bytes of the instance's id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.datasets.categories import BDD_CATEGORIES, BDD_SHAPES, from_bdd, to_bdd
from anon_ros.datasets.polygons import LEAST_POINTS, flatten, rasterize, trace_edges
from anon_ros.datasets.records import Instance, extra_of, own_extra, to_rle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from anon_ros.datasets.records import BoxXyxy, ImageRecord, Polygon

FORMAT = 'bdd100k'
IMAGE_SIZE_WH = (1280, 720)
MOST_INSTANCES = 0xFFFF
_FLAGS = ('truncated', 'occluded', 'crowd', 'ignored')
_LABEL_READ = frozenset({
    'id', 'category', 'attributes', 'box2d', 'poly2d', 'rle', 'score', 'index',
})
FRAME_READ = frozenset({
    'name', 'attributes', 'timestamp', 'videoName', 'frameIndex', 'size', 'labels',
})


def parse_label(value: Any, number: int, size_wh: tuple[int, int]) -> Instance:
    """
    Return an instance from a Scalabel label; number: its place, in case it has no id.

    Raises ValueError that says what is wrong.
    """
    if not isinstance(value, dict):
        raise ValueError('damaged annotation: a label is no object')
    name = value.get('category')
    category, is_ignored = from_bdd(str(name))
    if not isinstance(name, str) or to_bdd(category) is None:
        raise ValueError(f'unknown category: {name!r}')
    said = dict(value.get('attributes') or {})
    flags = {flag: bool(said.pop(flag, False)) for flag in _FLAGS}
    is_pseudo = bool(said.pop('pseudo', False))
    polygons, curves = _parse_poly2d(value.get('poly2d'), size_wh)
    counts = _parse_rle(value.get('rle'), size_wh)
    if counts is None and polygons:
        flat = [flatten(p, c) for p, c in zip(polygons, curves, strict=True)]
        counts = rle.encode(rasterize(flat, size_wh), size_wh)
    return Instance(
        id=str(value.get('id', number)), category=category,
        box_xyxy=_parse_box(value.get('box2d')), polygons=polygons,
        curves=curves, rle=counts, is_crowd=flags['crowd'],
        is_ignored=flags['ignored'] or is_ignored, is_occluded=flags['occluded'],
        is_truncated=flags['truncated'], is_pseudo=is_pseudo, score=value.get('score'),
        attributes=said, extra=own_extra(FORMAT, _without_none(value), _LABEL_READ))


def format_label(
    instance: Instance, size_wh: tuple[int, int], *, box: bool = False, poly2d: bool = False,
    mask: bool = False,
) -> dict[str, Any] | None:
    """
    Return a Scalabel label; None for a category that BDD100K has no word for.

    box, poly2d, mask: which shapes are written, where they are known.
    """
    name = to_bdd(instance.category)
    if name is None:
        return None
    attributes = {
        key: item for key, item in instance.attributes.items()
        if isinstance(item, (bool, int, float, str))
    } | {flag: bool(getattr(instance, f'is_{flag}')) for flag in _FLAGS}
    if instance.is_pseudo:
        attributes['pseudo'] = True
    label: dict[str, Any] = {
        **extra_of(instance, FORMAT), 'id': instance.id, 'category': name,
        'attributes': attributes}
    if instance.score is not None:
        label['score'] = instance.score
    box2d = _format_box(instance, size_wh) if box else None
    if box2d is not None:
        label['box2d'] = box2d
    if poly2d and instance.polygons:
        letters = instance.curves or tuple('L' * len(each) for each in instance.polygons)
        label['poly2d'] = [
            {'vertices': [list(point) for point in polygon], 'types': types, 'closed': True}
            for polygon, types in zip(instance.polygons, letters, strict=True)]
    if mask:
        counts = to_rle(instance, size_wh)
        if counts is not None:
            label['rle'] = {'counts': counts, 'size': [size_wh[1], size_wh[0]]}
    return label


def format_frame(record: ImageRecord, name: str, labels: Sequence[object]) -> dict[str, Any]:
    """Return a Scalabel frame."""
    frame: dict[str, Any] = {
        **extra_of(record, FORMAT), 'name': name, 'attributes': {
            'weather': 'undefined', 'scene': 'undefined', 'timeofday': 'undefined',
            **record.attributes}}
    origin = {'timestamp': record.stamp_ms, 'videoName': record.video,
              'frameIndex': record.frame_index}
    frame |= {key: value for key, value in origin.items() if value is not None}
    if record.size_wh is not None:
        frame['size'] = {'width': record.size_wh[0], 'height': record.size_wh[1]}
    if record.is_labelled:
        frame['labels'] = list(labels)
    return frame


def parse_size(frame: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the image size of a frame, as it says or as its run lengths do; None for neither."""
    size = frame.get('size')
    if isinstance(size, dict):
        wanted = size.get('width'), size.get('height')
    else:
        first = next((
            label['rle'].get('size') for label in frame.get('labels') or ()
            if isinstance(label, dict) and isinstance(label.get('rle'), dict)), None)
        wanted = tuple(first)[::-1] if isinstance(first, list) and len(first) == 2 else (0, 0)
    if all(type(side) is int and 0 < side < 1 << 16 for side in wanted):
        return int(wanted[0]), int(wanted[1])  # type: ignore[arg-type]  # checked above
    return None


def encode_bitmask(
    instances: Sequence[Instance], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """
    Return (h, w, 4) BGRA; ids count from 1 in the order of the instances with a shape.

    A pixel has one instance: later ones cover earlier ones.
    Raises ValueError for more than 65,535 instances.
    """
    shaped = [each for each in instances if is_shaped(each)]
    if len(shaped) > MOST_INSTANCES:
        raise ValueError(f'{len(shaped)} instances: a bitmask counts to {MOST_INSTANCES}')
    image = np.zeros((size_wh[1], size_wh[0], 4), np.uint8)
    for number, instance in enumerate(shaped, 1):
        counts = to_rle(instance, size_wh)
        mask = None if counts is None else rle.decode(counts, size_wh)
        if mask is not None:
            category = BDD_SHAPES.index(str(to_bdd(instance.category))) + 1
            rows, columns = mask.inside.shape
            image[mask.y:mask.y + rows, mask.x:mask.x + columns][mask.inside] = (
                number >> 8, _flag_bits(instance), category, number & 255)
    return image


def decode_bitmask(image: NDArray[Any]) -> list[Instance]:
    """
    Return the instances of a bitmask, by id; image: (h, w, 4) uint8 BGRA.

    Raises ValueError where it is no bitmask or one id has several categories.
    """
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise ValueError('damaged bitmask: it has no four channels of 8 bits')
    size_wh = (image.shape[1], image.shape[0])
    wide = image.astype(np.int64)
    keys = (wide[..., 0] << 24) | (wide[..., 3] << 16) | (wide[..., 2] << 8) | wide[..., 1]
    instances, before = [], 0
    for key in np.unique(keys[keys >> 16 > 0]).tolist():
        number, category, flags = key >> 16, key >> 8 & 255, key & 255
        if number == before or not 0 < category <= len(BDD_SHAPES):
            raise ValueError(f'damaged bitmask: id {number} has category {category}')
        before = number
        counts = rle.encode(Mask(keys == key, 0, 0), size_wh)
        instances.append(Instance(
            str(number), from_bdd(BDD_CATEGORIES[category - 1])[0], rle=counts,
            is_truncated=bool(flags & 8), is_occluded=bool(flags & 4), is_crowd=bool(flags & 2),
            is_ignored=bool(flags & 1)))
    return instances


def with_outline(instance: Instance, size_wh: tuple[int, int]) -> Instance:
    """Return the instance with outlines around its silhouette where nobody drew any."""
    counts = to_rle(instance, size_wh)
    mask = None if counts is None else rle.decode(counts, size_wh)
    if instance.polygons or mask is None:
        return instance
    return replace(instance, polygons=tuple(trace_edges(masks.paste([mask], size_wh))), curves=())


def is_shaped(instance: Instance) -> bool:
    """Return whether BDD100K keeps a silhouette of it."""
    return instance.has_shape and to_bdd(instance.category) in BDD_SHAPES


def _flag_bits(instance: Instance) -> int:
    return (instance.is_truncated << 3 | instance.is_occluded << 2 | instance.is_crowd << 1
            | instance.is_ignored)


def _parse_box(value: Any) -> BoxXyxy | None:
    if value is None:
        return None
    edges: list[Any] = [value.get(key) if isinstance(value, dict) else None
                        for key in ('x1', 'y1', 'x2', 'y2')]
    if not all(type(edge) in {int, float} and abs(edge) < 1e6 for edge in edges):
        raise ValueError('damaged annotation: box2d has no four numbers')
    x_min, y_min, x_max, y_max = map(float, edges)
    if x_max < x_min or y_max < y_min:
        raise ValueError('damaged annotation: box2d is turned inside out')
    return x_min, y_min, x_max + 1, y_max + 1


def _format_box(instance: Instance, size_wh: tuple[int, int]) -> dict[str, float] | None:
    box = instance.box_xyxy
    if box is None:
        counts = to_rle(instance, size_wh)
        mask = None if counts is None else rle.decode(counts, size_wh)
        if mask is None:
            return None
        rows, columns = mask.inside.shape
        box = (mask.x, mask.y, mask.x + columns, mask.y + rows)
    x_min, y_min, x_max, y_max = box
    return {'x1': x_min, 'y1': y_min, 'x2': round(x_max - 1, 9), 'y2': round(y_max - 1, 9)}


def _parse_rle(value: Any, size_wh: tuple[int, int]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get('counts'), str):
        raise ValueError('damaged annotation: rle has no counts')
    if value.get('size') != [size_wh[1], size_wh[0]]:
        raise ValueError(
            f'run lengths of the wrong size: {value.get("size")} for an image of '
            f'{size_wh[0]}x{size_wh[1]} px')
    try:
        rle.decode(value['counts'], size_wh)
    except ValueError as error:
        raise ValueError(f'run lengths of the wrong size: {error}') from None
    return str(value['counts'])


def _parse_poly2d(
    value: Any, size_wh: tuple[int, int]
) -> tuple[tuple[Polygon, ...], tuple[str, ...]]:
    if value is None:
        return (), ()
    polygons, curves = [], []
    for item in value if isinstance(value, list) else [value]:
        vertices = item.get('vertices') if isinstance(item, dict) else None
        if not isinstance(vertices, list) or not all(
            isinstance(point, list) and len(point) == 2
            and all(type(n) in {int, float} and abs(n) < 1e6 for n in point)
            for point in vertices
        ):
            raise ValueError('damaged annotation: poly2d has no vertices')
        if len(vertices) < LEAST_POINTS:
            raise ValueError(f'outline of {len(vertices)} points')
        polygons.append(tuple((float(x), float(y)) for x, y in vertices))
        curves.append(str(item.get('types') or 'L' * len(vertices)))
        if len(curves[-1]) != len(vertices):
            raise ValueError('damaged annotation: types do not fit the vertices of poly2d')
    if polygons and not _reaches(polygons, size_wh):
        raise ValueError(f'outline outside the image: of {size_wh[0]}x{size_wh[1]} px')
    return tuple(polygons), tuple(curves)


def _reaches(polygons: Sequence[Polygon], size_wh: tuple[int, int]) -> bool:
    points = np.concatenate([np.asarray(each, np.float64) for each in polygons])
    return bool((points.max(axis=0) >= 0).all() and (points.min(axis=0) <= size_wh).all())


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
