# SPDX-License-Identifier: Apache-2.0
"""
Decide what happens to every topic before anything is written; what nobody decided stops the run.

A camera topic is anonymized. Whatever else may carry a picture has to be named: to be copied as
it is, or dropped. All other topics are copied.
"""

from __future__ import annotations

import difflib
import enum
import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anon_ros.bags.inspect_topic import Content, Finding, inspect_connection
from anon_ros.errors import TopicError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from anon_ros.bags.storage.interface import Connection, SourceFile

_SELECT, _COPY, _DROP = '--topic', '--copy-topic', '--drop-topic'


class Action(enum.Enum):
    """What happens to the messages of a connection."""

    ANONYMIZE = 'anonymize'
    COPY = 'copy'
    DROP = 'drop'


@dataclass(frozen=True)
class TopicPlan:
    """
    What happens to each topic.

    actions: by topic and type. named_copies: topics that are copied because somebody said so;
        all others are watched for pictures while they are copied.
    depth: topics of distances that are anonymized as if they were brightness.
    """

    actions: Mapping[tuple[str, str], Action]
    named_copies: frozenset[str] = frozenset()
    depth: frozenset[str] = frozenset()

    def action(self, connection: Connection) -> Action:
        """Return what happens to a connection's messages; one nobody planned for is dropped."""
        return self.actions.get((connection.topic, connection.msgtype), Action.DROP)

    def topics(self, action: Action) -> list[str]:
        """Return the topics to which that happens, in the order of the alphabet."""
        return sorted({topic for (topic, _), each in self.actions.items() if each is action})

    def is_watched(self, connection: Connection) -> bool:
        """Return whether a copied topic's messages have to be looked at for hidden pictures."""
        return (
            self.action(connection) is Action.COPY and connection.topic not in self.named_copies
        )


@dataclass(frozen=True)
class _Undecided:
    """A topic that nobody decided about."""

    topic: str
    type_name: str
    finding: Finding
    why: str

    def __str__(self) -> str:
        options = [f"{_COPY} '{self.topic}'", f"{_DROP} '{self.topic}'"]
        if self.finding.content is Content.CAMERA:
            options.insert(0, f"{_SELECT} '{self.topic}'")
        if self.finding.content is Content.DEPTH:
            options.insert(0, f"{_SELECT} '{self.topic}' (as brightness)")
        choice = f'{", ".join(options[:-1])} or {options[-1]}'
        return f'  {self.topic} ({self.type_name}) {self.why}: {choice}'


class HasFiles(Protocol):
    """A bag open for reading, as far as a plan needs it."""

    @property
    def files(self) -> Sequence[SourceFile]:
        """The bag's files, in order."""


def plan_topics(
    source: HasFiles,
    *,
    selected: Sequence[str] = (),
    copied: Sequence[str] = (),
    dropped: Sequence[str] = (),
) -> TopicPlan:
    """
    Return what happens to each topic of a bag.

    selected: the camera topics to anonymize, all of them where empty. copied, dropped: topics
    that are passed on as they are, or left out. All three take names and patterns ('/camera/*').
    Raises TopicError for names and patterns that match no topic, for a topic in two of the
    three, and with a list of all topics that may carry a picture and that nobody decided about.
    """
    files = source.files
    names = {connection.topic for file in files for connection in file.connections}
    options = {_SELECT: selected, _COPY: copied, _DROP: dropped}
    named = {option: _resolve(option, patterns, names) for option, patterns in options.items()}
    _check_disjoint(named)
    actions: dict[tuple[str, str], Action] = {}
    undecided: list[_Undecided] = []
    depth: set[str] = set()
    for connection, finding in _findings(files, named[_COPY] | named[_DROP]):
        key = connection.topic, connection.msgtype
        action, why = _decide(connection.topic, finding, named, selected)
        if action is None:
            undecided.append(_Undecided(*key, finding, why))
            continue
        actions[key] = action
        if finding.content is Content.DEPTH and action is Action.ANONYMIZE:
            depth.add(connection.topic)
    if undecided:
        raise TopicError(_message(undecided))
    return TopicPlan(actions, frozenset(named[_COPY]), frozenset(depth))


def _findings(
    files: Sequence[SourceFile], decided: Collection[str]
) -> Iterator[tuple[Connection, Finding]]:
    """Yield one finding for each topic and type; the most worrying one of its files."""
    worst: dict[tuple[str, str], tuple[Connection, Finding]] = {}
    for file in files:
        for connection in file.connections:
            finding = Finding(Content.PLAIN)
            if connection.topic not in decided:
                finding = inspect_connection(connection, file)
            key = connection.topic, connection.msgtype
            if key not in worst or finding.content.value > worst[key][1].content.value:
                worst[key] = connection, finding
    yield from worst.values()


def _decide(
    topic: str, finding: Finding, named: Mapping[str, set[str]], selected: Sequence[str]
) -> tuple[Action | None, str]:
    """Return the action, or None and why nobody has decided."""
    if topic in named[_DROP] | named[_COPY]:
        return (Action.DROP if topic in named[_DROP] else Action.COPY), ''
    if finding.content is Content.OPAQUE:
        return None, finding.why
    if finding.content is Content.PLAIN and topic not in selected:
        return Action.COPY, ''
    if finding.content is Content.PLAIN:
        return None, f'is named by {_SELECT}, but carries no picture'
    is_default = not selected and finding.content is Content.CAMERA
    if topic in named[_SELECT] or is_default:
        return Action.ANONYMIZE, ''
    left_out = f'is a camera topic that {_SELECT} leaves out'
    return None, left_out if finding.content is Content.CAMERA else finding.why


def _resolve(option: str, patterns: Sequence[str], names: Collection[str]) -> set[str]:
    """Return the topics that names and patterns stand for; each has to stand for one at least."""
    chosen: set[str] = set()
    for pattern in patterns:
        matches = {name for name in names if fnmatch.fnmatchcase(name, pattern)}
        if pattern in names:
            matches = {pattern}
        if not matches:
            near = _nearest(pattern, names)
            raise TopicError(f"{option} '{pattern}': the bag has no such topic{near}")
        chosen |= matches
    return chosen


def _nearest(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.4)
    return f'; the nearest are {", ".join(near)}' if near else ''


def _check_disjoint(named: Mapping[str, set[str]]) -> None:
    for first, second in ((_SELECT, _COPY), (_SELECT, _DROP), (_COPY, _DROP)):
        both = sorted(named[first] & named[second])
        if both:
            raise TopicError(f'{both[0]} is named by both {first} and {second}: choose one')


def _message(undecided: Sequence[_Undecided]) -> str:
    lines = [str(each) for each in sorted(undecided, key=lambda each: each.topic)]
    plural = 's' if len(lines) > 1 else ''
    heading = (
        f'{len(lines)} topic{plural} may carry pictures, and nobody decided what happens to them'
    )
    return '\n'.join([heading, *lines])
