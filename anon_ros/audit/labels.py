# SPDX-License-Identifier: Apache-2.0
"""
A labels file: what people see in the frames of a sample.

It is written with a question for each region that the run hid (shows: is there one under it?) and
an empty list of what was missed, and comes back filled in. Its schema is this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit import typed_json
from anon_ros.audit.seal import hash_json
from anon_ros.core import boxes
from anon_ros.core.regions import Kind
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.audit.sample import DrawnFrame

SCHEMA = 'anon_ros/labels'
SCHEMA_VERSION = 1
FILE_NAME = 'labels.json'
_HIDDEN_SHARE = 0.8
"""A thing that is covered by this much of a hidden box was not missed."""
_SAME_IOU = 0.8
_LEAST_SIDE_PX = 1.0
MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class HiddenLabel:
    """
    A region that the run hid, and what a person says of it.

    box: x_min, y_min, x_max, y_max in px. shows: whether there is one of that kind under it;
    None until somebody has said so.
    """

    kind: str
    box: tuple[float, ...]
    shows: bool | None = None


@dataclass(frozen=True)
class MissedLabel:
    """Something that can be seen and should be hidden; box: as of HiddenLabel."""

    kind: str
    box: tuple[float, ...]


@dataclass(frozen=True)
class FrameLabels:
    """
    One frame of the sample.

    file: its picture, beside the labels file; sha256: of that picture. message: the hash of its
    message, see audit/chain.py. weight: how many frames it stands for. done: whether a person has
    looked at it. bag: the result it is of, in a folder of many; '' for a result of its own.
    """

    file: str
    sha256: str
    topic: str
    index: int
    log_ns: int
    size_wh: tuple[int, ...]
    message: str
    weight: int
    hidden: tuple[HiddenLabel, ...]
    missed: tuple[MissedLabel, ...] = ()
    done: bool = False
    bag: str = ''

    @property
    def place(self) -> str:
        """Where the frame is, for a message to people."""
        return f'{self.bag} {self.topic} message {self.index}'.strip()

    @property
    def name(self) -> str:
        """The frame for a message to people."""
        return f'{self.file} ({self.place})'

    def question(self) -> object:
        """Return what was asked about which frame, without what was answered."""
        return [
            self.bag, self.file, self.topic, self.index, self.log_ns, self.size_wh, self.message,
            self.weight, [(each.kind, each.box) for each in self.hidden],
        ]


@dataclass(frozen=True)
class Labels:
    """
    A sample and what people see in it.

    root: of the result's seal. size: frames asked for. population, excluded: see Sample.
    kinds: what was to be hidden. labelled_by: who looked.
    """

    root: str
    seed: int
    size: int
    population: int
    excluded: int
    kinds: tuple[str, ...]
    frames: tuple[FrameLabels, ...]
    labelled_by: str = ''
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check the schema; raise ValueError."""
        typed_json.check_schema(self, SCHEMA, SCHEMA_VERSION)

    @property
    def sha256(self) -> str:
        """A hash of all of it."""
        return hash_json(typed_json.to_plain(self))


def write_labels(labels: Labels, path: Path) -> None:
    """Write a labels file; raise OutputError where that cannot be done."""
    typed_json.write(labels, path, 'labels')


def read_labels(path: Path) -> Labels:
    """Read a labels file; raise InputError that names the file and what is wrong with it."""
    return typed_json.read(Labels, path, 'labels', MOST_BYTES)


def hidden_labels(drawn: DrawnFrame, kinds: Sequence[str]) -> tuple[HiddenLabel, ...]:
    """Return the questions about a frame: one for each region of the kinds to be hidden."""
    regions = drawn.frame.regions
    named = [Kind(kind).label for kind in regions.kinds.tolist()]
    return tuple(
        HiddenLabel(kind, tuple(round(float(value), 2) for value in box))
        for kind, box in zip(named, regions.boxes_xyxy.tolist(), strict=True) if kind in kinds
    )


def check_labels(labels: Labels, asked: Labels, path: Path) -> None:
    """
    Check that labels answer what was asked, completely and without contradiction.

    asked: the sample as it has to be, drawn again. Raises InputError that names what is wrong.
    """
    if labels.root != asked.root:
        raise InputError(
            f'{path}: the labels are of another result: their root is {labels.root[:16]}, that '
            f'of this one {asked.root[:16]}'
        )
    problems = list(_strange(labels, asked))
    if not problems:
        problems = [
            f'{frame.name}: {problem}'
            for frame, known in zip(labels.frames, asked.frames, strict=True)
            for problem in _contradictions(frame, known, labels.kinds)
        ]
    if problems:
        more = f'; and {len(problems) - 1} more' if len(problems) > 1 else ''
        raise InputError(f'{path}: {problems[0]}{more}')
    left = [frame for frame in labels.frames if not frame.done]
    if left:
        raise InputError(
            f'{path}: {len(left)} of {len(labels.frames)} frames are not labelled, the first '
            f'{left[0].name}; leaving out any would make the result mean nothing'
        )


def _strange(labels: Labels, asked: Labels) -> Iterator[str]:
    """Yield how the questions differ from those that were asked."""
    for name in ('size', 'population', 'excluded', 'kinds'):
        if getattr(labels, name) != getattr(asked, name):
            yield f'{name} is {getattr(labels, name)}, the sample has {getattr(asked, name)}'
    if len(labels.frames) != len(asked.frames):
        yield f'it has {len(labels.frames)} frames, {len(asked.frames)} were drawn'
        return
    for frame, known in zip(labels.frames, asked.frames, strict=True):
        if frame.place != known.place:
            yield f'{frame.name}: was not drawn; {known.place} was'
        elif frame.message != known.message:
            yield f'{frame.name}: is not the frame in the result: its hash is another one'
        elif frame.question() != known.question():
            yield f'{frame.name}: what was asked about it was changed'


def _contradictions(
    frame: FrameLabels, known: FrameLabels, kinds: Sequence[str]
) -> Iterator[str]:
    if frame.done and any(each.shows is None for each in frame.hidden):
        count = sum(each.shows is None for each in frame.hidden)
        yield f'it is said to be done, but of {count} hidden regions nobody says what they show'
    shown = [each for each in frame.hidden if each.shows]
    for number, one in enumerate(shown):
        if any(other.kind == one.kind and _iou(other.box, one.box) > _SAME_IOU
               for other in shown[:number]):
            yield (f'two regions at {_shown(one.box)} are said to show a {one.kind} each; if it '
                   'is the same one, say so of one of them only')
    for number, missed in enumerate(frame.missed):
        yield from _wrong_box(missed, known, kinds)
        for other in frame.missed[:number]:
            if other.kind == missed.kind and _iou(other.box, missed.box) > _SAME_IOU:
                yield f'a missed {missed.kind} at {_shown(missed.box)} stands there twice'


def _wrong_box(
    missed: MissedLabel, known: FrameLabels, kinds: Sequence[str]
) -> Iterator[str]:
    if missed.kind not in kinds:
        yield f"'{missed.kind}' was not to be hidden; {', '.join(kinds)} were"
        return
    width, height = known.size_wh
    if len(missed.box) != 4:
        yield f'a missed {missed.kind} has a box of {len(missed.box)} numbers'
        return
    x_min, y_min, x_max, y_max = missed.box
    if x_min < 0 or y_min < 0 or x_max > width or y_max > height:
        yield (f'a missed {missed.kind} at {_shown(missed.box)} lies outside the frame of '
               f'{width}x{height} px')
    elif x_max - x_min < _LEAST_SIDE_PX or y_max - y_min < _LEAST_SIDE_PX:
        yield f'a missed {missed.kind} at {_shown(missed.box)} has no area'
    else:
        for hidden in known.hidden:
            if hidden.kind == missed.kind and _is_inside(missed, hidden):
                yield (f'a missed {missed.kind} at {_shown(missed.box)} lies in a region that '
                       'was hidden')


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) != 4 or len(other) != 4:
        return 0.0
    return float(boxes.iou(np.array([one], np.float32), np.array([other], np.float32))[0, 0])


def _is_inside(missed: MissedLabel, hidden: HiddenLabel) -> bool:
    if missed.kind == Kind.BODY.label:
        # A silhouette fills its box in part only: somebody else may stand beside it there.
        return _iou(missed.box, hidden.box) > _SAME_IOU
    inner, outer = np.array([missed.box], np.float32), np.array([hidden.box], np.float32)
    return float(boxes.cover(inner, outer)[0, 0]) >= _HIDDEN_SHARE


def _shown(box: Sequence[float]) -> str:
    return str([round(value) for value in box])
