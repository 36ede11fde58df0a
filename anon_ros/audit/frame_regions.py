# SPDX-License-Identifier: Apache-2.0
"""What was found in one frame of a recording, and its line in a regions file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from anon_ros.audit import rle
from anon_ros.core.interfaces import Synthesis
from anon_ros.core.regions import NO_TRACK, BoolArray, Float32Array, Kind, Mask, Origin, Regions

_KINDS = {kind.label: int(kind) for kind in Kind}
_ORIGINS = {origin.name.lower(): int(origin) for origin in Origin}
_KIND_LABELS = {value: label for label, value in _KINDS.items()}
_ORIGIN_LABELS = {value: label for label, value in _ORIGINS.items()}
_LARGEST_SIDE = 1 << 20
_LARGEST_NUMBER = 1 << 63
_KEYPOINT_VALUES = 17 * 3


@dataclass(frozen=True)
class FrameRegions:
    """
    What was found in one frame.

    index: of its message among all messages of the recording, from 0. stamp_ns: the frame's own
    time; log_ns: when it was recorded. size_wh: in px. outcome, reason: what became of the frame
    and why it was withheld; '' where the file is no record of a run. synthesis: what a generator
    painted, or could not; None where none was asked for.
    """

    topic: str
    index: int
    stamp_ns: int
    log_ns: int
    size_wh: tuple[int, int]
    regions: Regions
    outcome: str = ''
    reason: str = ''
    synthesis: Synthesis | None = None


def can_hide(boxes_xyxy: Float32Array, size_wh: tuple[int, int]) -> BoolArray:
    """
    Return (N,): whether a region hides a pixel of the image, whatever margin it is given.

    A margin is at most the region's own size, so a box farther away than that never does.
    """
    boxes = boxes_xyxy.astype(np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    is_near = (boxes[:, 2:] + size >= 0) & (boxes[:, :2] - size <= np.array(size_wh))
    return np.asarray(((size >= 0) & is_near).all(axis=1), np.bool_)


def to_line(frame: FrameRegions) -> str:
    """
    Return a frame's line, without the line's end; numbers keep all their bits.

    Regions that cannot hide a pixel are left out.
    """
    regions = frame.regions.select(can_hide(frame.regions.boxes_xyxy, frame.size_wh))
    scores = np.clip(np.nan_to_num(regions.scores), 0, 1).tolist()
    columns = zip(
        regions.boxes_xyxy.tolist(), regions.kinds.tolist(), scores,
        regions.track_ids.tolist(), regions.origins.tolist(), strict=True,
    )
    items = [
        f'{{"box":[{_number(box[0])},{_number(box[1])},{_number(box[2])},{_number(box[3])}],'
        f'"kind":"{_KIND_LABELS[kind]}","score":{_number(score)},"track":{track},'
        f'"origin":"{_ORIGIN_LABELS[origin]}"{_extras(regions, i, frame.size_wh)}}}'
        for i, (box, kind, score, track, origin) in enumerate(columns)
    ]
    width, height = frame.size_wh
    return (
        f'{{"topic":{json.dumps(frame.topic)},"index":{frame.index},'
        f'"stamp_ns":{frame.stamp_ns},"log_ns":{frame.log_ns},"size_wh":[{width},{height}],'
        f'"regions":[{",".join(items)}]{_fate(frame)}}}'
    )


def from_plain(value: dict[str, Any]) -> FrameRegions:
    """
    Return a frame from its parsed line; keys it does not know are ignored.

    Raises ValueError that says what is wrong where.
    """
    topic = value.get('topic')
    if not isinstance(topic, str):
        raise ValueError(f'topic is {short(topic)}, expected a text')
    size_wh = _size(value.get('size_wh'))
    items = value.get('regions')
    if not isinstance(items, list):
        raise ValueError(f'regions is {short(items)}, expected a list')
    return FrameRegions(
        topic, whole(value, 'index'), whole(value, 'stamp_ns'), whole(value, 'log_ns'), size_wh,
        _regions(items, size_wh), text(value, 'outcome'), text(value, 'reason'),
        _synthesis(value),
    )


def text(value: dict[str, Any], name: str) -> str:
    """Return a text from parsed JSON, '' where it is missing; raise ValueError for no text."""
    found = value.get(name, '')
    if not isinstance(found, str):
        raise ValueError(f'{name} is {short(found)}, expected a text')
    return found


def whole(value: dict[str, Any], name: str) -> int:
    """Return a whole number of 64 bits from parsed JSON; raise ValueError for anything else."""
    number = value.get(name)
    if type(number) is not int or not -_LARGEST_NUMBER <= number < _LARGEST_NUMBER:
        raise ValueError(f'{name} is {short(number)}, expected a whole number')
    return number


def numbers(value: Any, count: int, name: str) -> list[float]:
    """Return that many finite numbers from parsed JSON; raise ValueError for anything else."""
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f'{name} is {short(value)}, expected {count} numbers')
    for item in value:
        if type(item) not in {int, float} or not abs(item) < 1e30:
            raise ValueError(f'{name} holds {short(item)}, expected a finite number')
    return [float(item) for item in value]


def kind_of(value: Any, name: str) -> int:
    """Return a kind's number from its label; raise ValueError for anything else."""
    return _choice(value, _KINDS, name)


def short(value: Any) -> str:
    """Return a value for a message of one line."""
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _number(value: float) -> str:
    # Nine digits tell every float32 from its neighbours.
    return f'{value:.9g}'


def _extras(regions: Regions, i: int, size_wh: tuple[int, int]) -> str:
    text = ''
    mask = regions.masks[i]
    if mask is not None:
        size = [size_wh[1], size_wh[0]]
        text += ',"mask":' + json.dumps({'size': size, 'counts': rle.encode(mask, size_wh)})
    if regions.keypoints is not None and not np.isnan(regions.keypoints[i]).all():
        values = regions.keypoints[i].ravel().tolist()
        known = ('null' if not math.isfinite(value) else _number(value) for value in values)
        text += f',"keypoints":[{",".join(known)}]'
    return text


def _fate(frame: FrameRegions) -> str:
    given: dict[str, object] = {'outcome': frame.outcome, 'reason': frame.reason}
    if frame.synthesis is not None:
        given['synthesized'] = dict(frame.synthesis.synthesized)
        given['classic_instead'] = dict(frame.synthesis.classic_instead)
    return ''.join(f',"{name}":{json.dumps(value)}' for name, value in given.items() if value)


def _synthesis(value: dict[str, Any]) -> Synthesis | None:
    found = [_counts(value, name) for name in ('synthesized', 'classic_instead')]
    return Synthesis(*found) if any(found) else None


def _counts(value: dict[str, Any], name: str) -> dict[str, int]:
    counts = value.get(name, {})
    if not isinstance(counts, dict):
        raise ValueError(f'{name} is {short(counts)}, expected an object')
    for number in counts.values():
        if type(number) is not int or not 0 <= number < _LARGEST_NUMBER:
            raise ValueError(f'{name} holds {short(number)}, expected a count')
    return counts


def _size(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or not all(
        type(side) is int and 0 < side <= _LARGEST_SIDE for side in value
    ):
        raise ValueError(f'size_wh is {short(value)}, expected width and height in px')
    return value[0], value[1]


def _regions(items: list[Any], size_wh: tuple[int, int]) -> Regions:
    if not items:
        return Regions.empty()
    rows = [_row(item, f'regions[{i}]', size_wh) for i, item in enumerate(items)]
    boxes_xyxy = np.array([row.box for row in rows], np.float32)
    outside = np.flatnonzero(~can_hide(boxes_xyxy, size_wh))
    if len(outside):
        raise ValueError(
            f'regions[{outside[0]}].box {short(rows[outside[0]].box)} is turned inside out or '
            f'outside the image of {size_wh[0]}x{size_wh[1]} px'
        )
    has_keypoints = any(row.keypoints is not None for row in rows)
    unknown = [math.nan] * _KEYPOINT_VALUES
    return Regions(
        boxes_xyxy=boxes_xyxy,
        kinds=np.array([row.kind for row in rows], np.int64),
        scores=np.array([row.score for row in rows], np.float32),
        track_ids=np.array([row.track for row in rows], np.int64),
        origins=np.array([row.origin for row in rows], np.int64),
        masks=tuple(row.mask for row in rows),
        keypoints=np.array(
            [row.keypoints or unknown for row in rows], np.float32
        ).reshape(-1, 17, 3) if has_keypoints else None,
    )


@dataclass(frozen=True)
class _Row:
    box: list[float]
    kind: int
    score: float
    track: int
    origin: int
    mask: Mask | None
    keypoints: list[float] | None


def _row(item: Any, where: str, size_wh: tuple[int, int]) -> _Row:
    if not isinstance(item, dict):
        raise ValueError(f'{where} is {short(item)}, expected an object')
    score = numbers([item.get('score', 1.0)], 1, f'{where}.score')[0]
    if not 0 <= score <= 1:
        raise ValueError(f'{where}.score is {score:g}, expected 0..1')
    has_track = item.get('track') is not None
    return _Row(
        box=numbers(item.get('box'), 4, f'{where}.box'),
        kind=kind_of(item.get('kind'), f'{where}.kind'),
        score=score,
        track=whole(item, 'track') if has_track else NO_TRACK,
        origin=_choice(item.get('origin', 'manual'), _ORIGINS, f'{where}.origin'),
        mask=_mask(item.get('mask'), f'{where}.mask', size_wh),
        keypoints=_keypoints(item.get('keypoints'), f'{where}.keypoints'),
    )


def _choice(value: Any, choices: dict[str, int], name: str) -> int:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f'{name} is {short(value)}, expected one of {", ".join(choices)}')
    return choices[value]


def _mask(value: Any, name: str, size_wh: tuple[int, int]) -> Mask | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get('counts'), str):
        raise ValueError(f'{name} is {short(value)}, expected size and counts')
    if value.get('size') != [size_wh[1], size_wh[0]]:
        raise ValueError(
            f'{name}.size is {short(value.get("size"))}, expected [{size_wh[1]}, {size_wh[0]}]'
        )
    try:
        return rle.decode(value['counts'], size_wh)
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from None


def _keypoints(value: Any, name: str) -> list[float] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f'{name} is {short(value)}, expected {_KEYPOINT_VALUES} numbers')
    known = numbers([0.0 if item is None else item for item in value], _KEYPOINT_VALUES, name)
    return [
        math.nan if item is None else number for item, number in zip(value, known, strict=True)
    ]
