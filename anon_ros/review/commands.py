# SPDX-License-Identifier: Apache-2.0
"""What a page may ask for: parsed and checked before anybody acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anon_ros.audit import typed_json
from anon_ros.core.regions import NO_TRACK, Kind
from anon_ros.errors import UsageError

# typed_json reads the annotations when it runs.
from anon_ros.review.edits import Action, Side, as_box

if TYPE_CHECKING:
    from anon_ros.review.flow import Box

_LARGEST_PX = 1e6
_MOST_TRACK = 2**62


@dataclass(frozen=True)
class _Request:
    """The JSON of a command; see edits.Edit for what they do."""

    action: Action
    stream: int
    frame: int
    kind: str = ''
    box: tuple[float, ...] = ()
    track: int = NO_TRACK
    region: int = -1
    side: Side = ''
    is_confirmed: bool = False


@dataclass(frozen=True)
class Command:
    """
    What a reviewer asks for in one frame.

    stream, frame: numbers. box: in px, for draw and move. track: a drawn one, to change it.
    region: its place among the frame's regions, to strike it.
    """

    action: Action
    stream: int
    frame: int
    kind: str
    box: Box
    track: int
    region: int
    side: Side
    is_confirmed: bool


def parse_command(text: bytes) -> Command:
    """
    Return what a request's body asks for.

    Raises UsageError that says what is wrong with it.
    """
    try:
        value: Any = typed_json.parse(text.decode())
        request = typed_json.from_plain(_Request, value)
    except ValueError as error:
        raise UsageError(f'the request cannot be understood: {error}') from error
    return Command(
        request.action, request.stream, request.frame, _kind(request), _box(request),
        _track(request), request.region, _side(request), request.is_confirmed,
    )


def _kind(request: _Request) -> str:
    kinds = [kind.label for kind in Kind]
    if request.action == 'draw' and request.kind not in kinds:
        raise UsageError(f'kind is none of {", ".join(kinds)}')
    return request.kind if request.action == 'draw' else ''


def _box(request: _Request) -> Box:
    if request.action not in {'draw', 'move'}:
        return 0.0, 0.0, 0.0, 0.0
    if len(request.box) != 4 or max(map(abs, request.box)) > _LARGEST_PX:
        raise UsageError('box is not x_min, y_min, x_max and y_max in px')
    return as_box(request.box)


def _track(request: _Request) -> int:
    if not NO_TRACK <= request.track < _MOST_TRACK:
        raise UsageError('track is no number of a track')
    return request.track


def _side(request: _Request) -> Side:
    if request.action == 'trim' and not request.side:
        raise UsageError('side is neither before nor after')
    return request.side if request.action == 'trim' else ''
