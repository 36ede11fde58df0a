# SPDX-License-Identifier: Apache-2.0
"""
What a verification found, written down beside the manifest as anon/verification.json.

Its schema is this module, like the manifest's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.audit import typed_json

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 'anon_ros/verification'
SCHEMA_VERSION = 1
FILE_NAME = 'verification.json'
MOST_STILL_SEEN = 200


@dataclass(frozen=True)
class StillSeen:
    """What a second detector saw outside of all that was hidden; index: of the message."""

    topic: str
    index: int
    kind: str
    score: float
    box_xyxy: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        """Check the box; raise ValueError."""
        if len(self.box_xyxy) != 4:
            raise ValueError('box_xyxy has not four numbers')


@dataclass(frozen=True)
class Verification:
    """
    What was compared and what came of it.

    checked: when, UTC, ISO 8601. root: of the seal, '' for none. source: the name of the bag that
    was compared too, '' where the result was checked alone. changes: what differs from the seal.
    messages: of the source, by what became of them. differences: the first of them, a line each;
    difference_count: all. searched: frames that another detector looked at; sightings: what it
    saw in them; outside: how much of that nothing hides; still_seen: the most certain of those.
    """

    tool_version: str
    checked: str
    root: str
    source: str = ''
    changes: tuple[str, ...] = ()
    messages: dict[str, int] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    difference_count: int = 0
    searched: int = 0
    sightings: int = 0
    outside: int = 0
    still_seen: tuple[StillSeen, ...] = ()
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check the schema; raise ValueError."""
        typed_json.check_schema(self, SCHEMA, SCHEMA_VERSION)

    @property
    def ok(self) -> bool:
        """Whether nothing was changed and nothing differs but what had to."""
        return not self.changes and not self.difference_count

    def to_json(self) -> str:
        """Return the verification as a JSON text."""
        return typed_json.to_json(self)


def write_verification(verification: Verification, path: Path) -> None:
    """Write a verification; raise OutputError where that cannot be done."""
    typed_json.write(verification, path, 'verification')


def read_verification(path: Path) -> Verification:
    """Read a verification; raise InputError that names the file and what is wrong with it."""
    return typed_json.read(Verification, path, 'verification')
