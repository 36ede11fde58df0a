# SPDX-License-Identifier: Apache-2.0
"""
Cityscapes as parsed JSON and id images, to records and back; no files here.

Source: cityscapesScripts, its README and helpers. A polygon covers what lies before it in the
list; instances of a class are numbered from 0 in the order of the list.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.datasets.categories import CITYSCAPES_IDS, CITYSCAPES_NAMES, CITYSCAPES_THINGS
from anon_ros.datasets.polygons import LEAST_POINTS, fill, trace
from anon_ros.datasets.records import Instance, extra_of, own_extra, to_rle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from anon_ros.datasets.records import Polygon

FORMAT = 'cityscapes'
CORE = re.compile(r'(?P<city>[A-Za-z0-9-]+)_(?P<sequence>\d{6})_(?P<frame>\d{6})')
GROUP = 'group'
PER_CLASS = 1000
PSEUDO_AUTHOR = 'anon_ros: pseudo-label'
_READ = frozenset({'label', 'polygon'})


def core_name(city: str, sequence: int, frame: int) -> str:
    """Return what the names of all files of one image begin with."""
    return f'{city}_{sequence:06d}_{frame:06d}'


def city_name(text: str) -> str:
    """Return a city's name made of a text: letters, digits and hyphens, no underscore."""
    return re.sub(r'[^A-Za-z0-9-]', '', text) or 'unnamed'


def parse_polygons(value: Any) -> tuple[tuple[int, int], list[Instance]]:
    """
    Return width and height, and the objects that are not deleted, in order.

    Raises ValueError that names the object and what is wrong with it.
    """
    if not isinstance(value, dict) or not isinstance(value.get('objects'), list):
        raise ValueError('damaged annotation: no objects')
    size_wh = value.get('imgWidth'), value.get('imgHeight')
    if not all(type(side) is int and 0 < side < 1 << 16 for side in size_wh):
        raise ValueError(f'damaged annotation: image size {size_wh}')
    known = (int(size_wh[0]), int(size_wh[1]))  # type: ignore[arg-type]  # checked above
    instances = [
        _parse_object(item, str(number), known) for number, item in enumerate(value['objects'])
        if not (isinstance(item, dict) and item.get('deleted'))
    ]
    return known, instances


def format_polygons(instances: Iterable[Instance], size_wh: tuple[int, int]) -> dict[str, Any]:
    """
    Return the content of a polygons.json; what Cityscapes has no word for is left out.

    An instance in several parts becomes one polygon with bridges between the parts, since each
    polygon is an instance of its own. No 'deleted' is written: some readers skip whatever has it.
    """
    objects = []
    for instance in instances:
        polygon = _outline(instance, size_wh)
        if instance.category in CITYSCAPES_IDS and polygon:
            said = {key: item for key, item in extra_of(instance, FORMAT).items()
                    if key != 'deleted'}
            if instance.is_pseudo:
                said['user'] = PSEUDO_AUTHOR
            objects.append({
                'label': _label(instance),
                'polygon': [[_plain(x), _plain(y)] for x, y in polygon], **said})
    return {'imgHeight': size_wh[1], 'imgWidth': size_wh[0], 'objects': objects}


def draw_ids(
    instances: Sequence[Instance], size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """
    Return labelIds and instanceIds images of (h, w).

    Later instances cover earlier ones; then silhouettes that are known to the pixel are drawn
    again, since outlines only come close to them.
    """
    ids = np.zeros((size_wh[1], size_wh[0]), np.uint16)
    numbers = _numbers(instances)
    exact = []
    for instance, number in zip(instances, numbers, strict=True):
        if number is None:
            continue
        if instance.rle is None and _is_stuff(instance) and instance.polygons:
            for polygon in instance.polygons:
                ids[fill(polygon, size_wh)] = number
            continue
        counts = to_rle(instance, size_wh)
        mask = None if counts is None else rle.decode(counts, size_wh)
        if mask is not None:
            exact.append((mask, number))
            _draw(ids, mask, number)
    for mask, number in exact:
        _draw(ids, mask, number)
    return np.where(ids < PER_CLASS, ids, ids // PER_CLASS).astype(np.uint8), ids


def with_visible(
    instances: Sequence[Instance], size_wh: tuple[int, int], ids: NDArray[Any] | None
) -> list[Instance]:
    """
    Return the instances, things among them with what is seen of them, to the pixel.

    ids: the instanceIds image, None to draw the polygons instead.
    Raises ValueError where the image shows an instance that no polygon stands for.
    """
    numbers = _numbers(instances)
    order = np.zeros((size_wh[1], size_wh[0]), np.int32)
    if ids is not None:
        _check(ids, size_wh, numbers)
    for rank, (instance, number) in enumerate(zip(instances, numbers, strict=True), 1):
        if number is None or (ids is not None and _is_stuff(instance)):
            continue
        if ids is not None and _is_thing(instance):
            order[ids == number] = rank
        else:
            # Groups of a class share a number: where several may be, the last one is.
            for polygon in instance.polygons:
                seen = fill(polygon, size_wh)
                order[seen if ids is None else seen & (ids == number)] = rank
    return [
        instance if _is_stuff(instance) else _with_rle(instance, order == rank, size_wh)
        for rank, instance in enumerate(instances, 1)
    ]


def parse_ids(ids: NDArray[Any]) -> list[Instance]:
    """Return an instance for each value of an instanceIds image, where there are no polygons."""
    size_wh = (ids.shape[1], ids.shape[0])
    instances = []
    for value in np.unique(ids):
        number = int(value) // PER_CLASS if value >= PER_CLASS else int(value)
        name = CITYSCAPES_NAMES.get(number)
        if name is None:
            raise ValueError(f'unknown category: id {number} in the id image')
        if number:
            is_crowd = name in CITYSCAPES_THINGS and value < PER_CLASS
            instance = Instance(str(int(value)), name, is_crowd=is_crowd)
            instances.append(_with_rle(instance, ids == value, size_wh))
    return instances


def _parse_object(item: Any, identity: str, size_wh: tuple[int, int]) -> Instance:
    label = item.get('label') if isinstance(item, dict) else None
    if not isinstance(label, str):
        raise ValueError(f'damaged annotation: object {identity} has no label')
    is_group = label not in CITYSCAPES_IDS and label.endswith(GROUP)
    name = label.removesuffix(GROUP) if is_group else label
    if name not in CITYSCAPES_IDS:
        raise ValueError(f"unknown category: object {identity} is a '{label[:40]}'")
    points = _parse_points(item.get('polygon'), identity)
    corners = np.asarray(points)
    if (corners.max(axis=0) < 0).any() or (corners.min(axis=0) >= size_wh).any():
        raise ValueError(
            f'outline outside the image: object {identity}, of {size_wh[0]}x{size_wh[1]} px')
    return Instance(
        identity, name, polygons=(points,), is_crowd=is_group,
        is_pseudo=item.get('user') == PSEUDO_AUTHOR, extra=own_extra(FORMAT, item, _READ))


def _parse_points(value: Any, identity: str) -> Polygon:
    if not isinstance(value, list) or not all(
        isinstance(point, list) and len(point) == 2
        and all(type(n) in {int, float} and abs(n) < 1e6 for n in point) for point in value
    ):
        raise ValueError(f'damaged annotation: the polygon of object {identity}')
    if len(value) < LEAST_POINTS:
        raise ValueError(f'outline of {len(value)} points: object {identity}')
    return tuple((float(x), float(y)) for x, y in value)


def _numbers(instances: Iterable[Instance]) -> list[int | None]:
    """Return what each instance is drawn with in an instanceIds image; None for not at all."""
    counts: dict[str, int] = {}
    numbers: list[int | None] = []
    for instance in instances:
        identity = CITYSCAPES_IDS.get(instance.category, -1)
        if identity < 0:
            numbers.append(None)
        elif _is_thing(instance):
            count = counts.get(instance.category, 0)
            counts[instance.category] = count + 1
            numbers.append(identity * PER_CLASS + count)
        else:
            numbers.append(identity)
    return numbers


def _check(
    ids: NDArray[Any], size_wh: tuple[int, int], numbers: Sequence[int | None]
) -> None:
    if ids.shape != (size_wh[1], size_wh[0]):
        raise ValueError(
            f'mixed image sizes: instanceIds of {ids.shape[1]}x{ids.shape[0]} px beside polygons '
            f'for {size_wh[0]}x{size_wh[1]} px')
    shown = np.flatnonzero(np.bincount(ids.ravel().astype(np.int64)))
    strange = set(shown[shown >= PER_CLASS].tolist()) - set(numbers)
    if strange:
        raise ValueError(
            f'instanceIds and polygons differ: no polygon stands for {min(strange)}')


def _with_rle(instance: Instance, inside: NDArray[Any], size_wh: tuple[int, int]) -> Instance:
    return replace(instance, rle=rle.encode(Mask(inside, 0, 0), size_wh))


def _draw(ids: NDArray[np.uint16], mask: Mask, number: int) -> None:
    rows, columns = mask.inside.shape
    ids[mask.y:mask.y + rows, mask.x:mask.x + columns][mask.inside] = number


def _outline(instance: Instance, size_wh: tuple[int, int]) -> Polygon:
    """Return one polygon: as annotated, or traced, all parts of it joined."""
    if len(instance.polygons) == 1 and not any(instance.curves):
        return instance.polygons[0]
    counts = to_rle(instance, size_wh)
    mask = None if counts is None else rle.decode(counts, size_wh)
    if mask is not None:
        return _joined(trace(masks.paste([mask], size_wh)))
    if instance.box_xyxy is None:
        return ()
    x_min, y_min, x_max, y_max = instance.box_xyxy
    return ((x_min, y_min), (x_max - 1, y_min), (x_max - 1, y_max - 1), (x_min, y_max - 1))


def _joined(outlines: Sequence[Polygon]) -> Polygon:
    """Return one outline that walks around all, and back over the way it came between them."""
    first = outlines[0]
    joined = list(first)
    for outline in outlines[1:]:
        joined += [first[0], *outline, outline[0], first[0]]
    return tuple(joined)


def _label(instance: Instance) -> str:
    is_group = instance.is_crowd and instance.category in CITYSCAPES_THINGS
    return instance.category + GROUP if is_group else instance.category


def _is_thing(instance: Instance) -> bool:
    return instance.category in CITYSCAPES_THINGS and not instance.is_crowd


def _is_stuff(instance: Instance) -> bool:
    return instance.category not in CITYSCAPES_THINGS


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def parse_calibration(value: Any) -> Mapping[str, object]:
    """Return a camera's or a vehicle's JSON. Raises ValueError where it is no object."""
    if not isinstance(value, dict):
        raise ValueError('damaged JSON: it is no object')
    return value
