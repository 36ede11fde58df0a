# SPDX-License-Identifier: Apache-2.0
"""
What a reviewer does, and what it comes to.

Every deed is an Edit; the state of a review is what its edits, in order, come to. So whatever was
undone can be done again, and whoever asks is told who did what and when.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from anon_ros.core.regions import NO_TRACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anon_ros.review.flow import Box

Action: TypeAlias = Literal['draw', 'move', 'trim', 'remove', 'strike', 'accept']
Side: TypeAlias = Literal['', 'before', 'after']


@dataclass(frozen=True)
class Edit:
    """
    One deed of a reviewer in one frame.

    id: counts up. by, at: who, and when in UTC, ISO 8601. stream, index: the frame.
    draw: a region of a kind, missed so far, as a new track. move: where that track is in another
    frame. trim: it is not there before, or after, this frame. remove: it was drawn in error.
    strike: a region that hides nothing that has to be hidden, for all frames of its track; of a
    region without track, in this frame by its box. accept: the frame is well as it is.
    """

    id: int
    action: Action
    by: str
    at: str
    stream: str
    index: int
    track: int = NO_TRACK
    kind: str = ''
    box: tuple[float, ...] = ()
    side: Side = ''


@dataclass(frozen=True)
class Turn:
    """An edit is undone, or done again."""

    edit: int
    is_undone: bool
    by: str
    at: str


@dataclass(frozen=True)
class Path:
    """
    Where a drawn region was followed to.

    of: the digest of what was followed, see Drawn.digest. boxes: by the frame's index, as text.
    doubts: why a person should look again, by the frame's index, see following.Trace.
    """

    stream: str
    track: int
    of: str
    boxes: dict[str, tuple[float, ...]]
    doubts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Applied:
    """Edits that the result shows now; they cannot be undone any more."""

    edits: tuple[int, ...]
    by: str
    at: str


Event: TypeAlias = Edit | Turn | Path | Applied


@dataclass(frozen=True)
class Drawn:
    """
    A region that a reviewer drew, as one track.

    drawn_by: the edit that began it. keys: its box in the frames where it was drawn, by index.
    first, last: indices outside which it is not. boxes: by index, in all frames where it is.
    doubts: by index, why a person should look there again, see following.Trace.
    is_followed: whether boxes are more than the keys.
    """

    drawn_by: Edit
    keys: dict[int, Box]
    first: int | None = None
    last: int | None = None
    boxes: dict[int, Box] = field(default_factory=dict)
    doubts: dict[int, str] = field(default_factory=dict)
    is_followed: bool = False

    @property
    def digest(self) -> str:
        """Names what a follower starts from: whoever follows anew gets another path."""
        content = repr((sorted(self.keys.items()), self.first, self.last))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class State:
    """
    What a review comes to.

    alive: edits that count and are not applied yet, in order. undone: those that may be done
    again, the next one last. drawn: by stream and track. struck: tracks by stream.
    struck_boxes: edits that strike one box. accepted: edits by stream and index.
    """

    alive: tuple[Edit, ...] = ()
    undone: tuple[Edit, ...] = ()
    drawn: dict[tuple[str, int], Drawn] = field(default_factory=dict)
    struck: dict[tuple[str, int], Edit] = field(default_factory=dict)
    struck_boxes: tuple[Edit, ...] = ()
    accepted: dict[tuple[str, int], Edit] = field(default_factory=dict)


def state_of(events: Iterable[Event]) -> State:
    """Return what all events of a review come to."""
    edits: dict[int, Edit] = {}
    paths: dict[tuple[str, int], Path] = {}
    undone: list[int] = []
    applied: set[int] = set()
    for event in events:
        if isinstance(event, Edit):
            edits[event.id] = event
            # What was undone before a new edit is gone for good.
            for gone in undone:
                edits.pop(gone, None)
            undone.clear()
        elif isinstance(event, Turn):
            _turn(event, undone)
        elif isinstance(event, Path):
            paths[event.stream, event.track] = event
        else:
            applied.update(event.edits)
    alive = [edit for edit in edits.values() if edit.id not in undone]
    pending = tuple(edit for edit in alive if edit.id not in applied)
    accepted = {(e.stream, e.index): e for e in alive if e.action == 'accept'}
    return State(
        pending, tuple(edits[each] for each in undone if each in edits), _drawn(pending, paths),
        {(e.stream, e.track): e for e in pending
         if e.action == 'strike' and e.track != NO_TRACK},
        tuple(e for e in pending if e.action == 'strike' and e.track == NO_TRACK), accepted,
    )


def _turn(turn: Turn, undone: list[int]) -> None:
    if turn.is_undone and turn.edit not in undone:
        undone.append(turn.edit)
    elif not turn.is_undone and turn.edit in undone:
        undone.remove(turn.edit)


def _drawn(
    edits: Iterable[Edit], paths: dict[tuple[str, int], Path]
) -> dict[tuple[str, int], Drawn]:
    found: dict[tuple[str, int], Drawn] = {}
    for edit in edits:
        key = edit.stream, edit.track
        if edit.action == 'draw':
            found[key] = Drawn(edit, {edit.index: as_box(edit.box)})
        elif edit.action == 'remove':
            found.pop(key, None)
        elif key in found:
            found[key] = _changed(found[key], edit)
    return {key: _with_boxes(drawn, paths.get(key)) for key, drawn in found.items()}


def _changed(drawn: Drawn, edit: Edit) -> Drawn:
    if edit.action == 'move':
        return replace(drawn, keys={**drawn.keys, edit.index: as_box(edit.box)})
    if edit.action == 'trim' and edit.side == 'before':
        return replace(drawn, first=edit.index)
    return replace(drawn, last=edit.index) if edit.action == 'trim' else drawn


def _with_boxes(drawn: Drawn, path: Path | None) -> Drawn:
    if path is None or path.of != drawn.digest:
        return replace(drawn, boxes=dict(drawn.keys))
    boxes = {int(index): as_box(box) for index, box in path.boxes.items()}
    doubts = {int(index): why for index, why in path.doubts.items()}
    return replace(drawn, boxes=boxes, doubts=doubts, is_followed=True)


def as_box(values: tuple[float, ...]) -> Box:
    """Return four numbers as a box; raise ValueError for any other count."""
    x_min, y_min, x_max, y_max = values
    return x_min, y_min, x_max, y_max
