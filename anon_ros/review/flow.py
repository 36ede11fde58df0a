# SPDX-License-Identifier: Apache-2.0
"""
Where a drawn box goes from one picture to the next.

Points in the box are followed there and back (median flow, Kalal, Mikolajczyk and Matas 2010);
where too few come back, the box's picture is searched around its place. It is lost where what is
found looks too different: then a person has to draw again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import Float32Array, UInt8Array

Box: TypeAlias = tuple[float, float, float, float]

_LEAST_SIDE_PX = 4.0
_CONTEXT = 0.2
"""Around the box, as a share of it: a flat thing shows its motion at its edges only."""
_MOST_POINTS = 80
_FEWEST_POINTS = 6
_MOST_SCALE = 1.08
_SEARCH = 1.0
"""How far a box is searched around its place, in its own sizes."""
_FIELD, _LEAST_FIELD_PX = 2.0, 64.0
"""How much of the picture around a box is looked at, in its own sizes and at least in px."""
_LEAST_LIKENESS = 0.55
_PATCH_WH = (32, 32)
_FLOW: dict[str, Any] = {
    'winSize': (13, 13), 'maxLevel': 3,
    'criteria': (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03),
}


def step(before_bgr: UInt8Array, after_bgr: UInt8Array, box: Box) -> Box | None:
    """
    Return where what a box shows in one picture is in another; None where it is lost.

    before_bgr, after_bgr: (h, w, 3) uint8 of one size.
    """
    if min(box[2] - box[0], box[3] - box[1]) < _LEAST_SIDE_PX:
        return None
    # What is far away has no say, and would take most of the time.
    field = _field(box, before_bgr.shape[1::-1])
    if field.is_empty:
        return None
    before_bgr, after_bgr = (_crop(image, field) for image in (before_bgr, after_bgr))
    local = _shifted(box, -field.x_min, -field.y_min)
    for find in (_by_flow, _by_likeness):
        found = find(before_bgr, after_bgr, local)
        if found is not None and likeness(before_bgr, local, after_bgr, found) >= _LEAST_LIKENESS:
            return _shifted(found, field.x_min, field.y_min)
    return None


def likeness(a_bgr: UInt8Array, a: Box, b_bgr: UInt8Array, b: Box) -> float:
    """Return how much a box of one picture looks like one of another, -1..1; 0 outside."""
    first, second = _patch(a_bgr, a), _patch(b_bgr, b)
    if first is None or second is None:
        return 0.0
    first, second = first - first.mean(axis=(0, 1)), second - second.mean(axis=(0, 1))
    scale = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(np.vdot(first, second)) / scale if scale > 0 else 0.0


def _by_flow(before_bgr: UInt8Array, after_bgr: UInt8Array, box: Box) -> Box | None:
    before = cv2.cvtColor(before_bgr, cv2.COLOR_BGR2GRAY)
    after = cv2.cvtColor(after_bgr, cv2.COLOR_BGR2GRAY)
    points = _points(np.asarray(before, np.uint8), box)
    if len(points) < _FEWEST_POINTS:
        return None
    there, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, points, points.copy(), **_FLOW)
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, there.copy(), **_FLOW)
    error = np.linalg.norm(back - points, axis=1)
    limit = max(0.7, 0.03 * min(box[2] - box[0], box[3] - box[1]))
    good = (seen[:, 0] == 1) & (seen_back[:, 0] == 1) & (error <= limit)
    if int(good.sum()) < _FEWEST_POINTS:
        return None
    return _moved(box, np.asarray(points[good], np.float64), np.asarray(there[good], np.float64))


def _points(gray: UInt8Array, box: Box) -> Float32Array:
    """Return (N, 2) points that are worth following."""
    inside = np.zeros(gray.shape, np.uint8)
    x_min, y_min, x_max, y_max = _around(box, gray.shape[1::-1])
    inside[y_min:y_max, x_min:x_max] = 1
    # None where there is no such point.
    found: Any = cv2.goodFeaturesToTrack(gray, _MOST_POINTS, 0.01, 2, mask=inside)
    return np.asarray([] if found is None else found, np.float32).reshape(-1, 2)


def _moved(box: Box, before: NDArray[np.float64], after: NDArray[np.float64]) -> Box:
    shift = np.median(after - before, axis=0)
    scale = min(max(_scale(before, after), 1 / _MOST_SCALE), _MOST_SCALE)
    x, y = (box[0] + box[2]) / 2 + shift[0], (box[1] + box[3]) / 2 + shift[1]
    half_x, half_y = (box[2] - box[0]) / 2 * scale, (box[3] - box[1]) / 2 * scale
    return float(x - half_x), float(y - half_y), float(x + half_x), float(y + half_y)


def _scale(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return how much the distances between points grow, in the median."""
    rows, columns = np.triu_indices(len(before), 1)
    was = np.linalg.norm(before[rows] - before[columns], axis=1)
    became = np.linalg.norm(after[rows] - after[columns], axis=1)
    far = was > 2.0
    return float(np.median(became[far] / was[far])) if far.any() else 1.0


def _by_likeness(before_bgr: UInt8Array, after_bgr: UInt8Array, box: Box) -> Box | None:
    x_min, y_min, x_max, y_max = _around(box, before_bgr.shape[1::-1])
    width, height = x_max - x_min, y_max - y_min
    more_x, more_y = round(width * _SEARCH), round(height * _SEARCH)
    left, top = max(x_min - more_x, 0), max(y_min - more_y, 0)
    field = after_bgr[top:y_max + more_y, left:x_max + more_x]
    template = before_bgr[y_min:y_max, x_min:x_max]
    if min(width, height) < 1 or field.shape[0] < height or field.shape[1] < width:
        return None
    match = cv2.matchTemplate(field, template, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(match, nan=-1.0, posinf=-1.0, neginf=-1.0))
    return _shifted(box, left + x - x_min, top + y - y_min)


def _field(box: Box, size_wh: tuple[int, ...]) -> Rect:
    """Return the part of a picture in which a box is looked for."""
    width, height = box[2] - box[0], box[3] - box[1]
    grown = Rect(round(box[0]), round(box[1]), round(box[2]), round(box[3])).grow(
        round(max(_FIELD * width, _LEAST_FIELD_PX)), round(max(_FIELD * height, _LEAST_FIELD_PX)))
    return grown.intersect(Rect(0, 0, size_wh[0], size_wh[1]))


def _crop(image: UInt8Array, rect: Rect) -> UInt8Array:
    return np.ascontiguousarray(image[rect.y_min:rect.y_max, rect.x_min:rect.x_max])


def _shifted(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def _around(box: Box, size_wh: tuple[int, ...]) -> Rect:
    """Return the whole pixels of a box and of what is right around it, inside the image."""
    more_x, more_y = (box[2] - box[0]) * _CONTEXT, (box[3] - box[1]) * _CONTEXT
    grown = Rect(
        round(box[0] - more_x), round(box[1] - more_y),
        round(box[2] + more_x), round(box[3] + more_y),
    )
    return grown.intersect(Rect(0, 0, size_wh[0], size_wh[1]))


def _patch(image_bgr: UInt8Array, box: Box) -> Float32Array | None:
    rect = _around(box, image_bgr.shape[1::-1])
    if rect.width < 2 or rect.height < 2:
        return None
    small = cv2.resize(_crop(image_bgr, rect), _PATCH_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
