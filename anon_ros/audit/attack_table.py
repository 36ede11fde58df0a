# SPDX-License-Identifier: Apache-2.0
"""
What attackers achieved on a result: rows that a table, a JSON file and the report show.

It is written as anon/attack.json beside the manifest. Its schema is this module, like the
manifest's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit import typed_json

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 'anon_ros/attack'
SCHEMA_VERSION = 1
FILE_NAME = 'attack.json'
TOO_FEW = 'too few'
ALL_HEIGHTS = 'all'


@dataclass(frozen=True)
class AttackRow:
    """
    One figure of one attacker, on what has a height.

    kind: face, body or plate. attacker: its name. strength: what it knew, '' where that is no
    question. method: what hid the regions. height: a range in px, or 'all'. measure: rank-1,
    rank-10, re-detected, read or characters. value, low, high: the share and its 95 % interval;
    0, 0 and 1 in a row with a note.
    chance: what guessing would reach. gray: the same attack where the regions are gray.
    excess, excess_low, excess_high: value less gray, and its interval. samples: cases counted.
    note: '' or why the row says nothing.
    """

    kind: str
    attacker: str
    strength: str
    method: str
    height: str
    measure: str
    value: float
    low: float
    high: float
    chance: float
    samples: int
    gray: float | None = None
    excess: float | None = None
    excess_low: float | None = None
    excess_high: float | None = None
    note: str = ''

    @property
    def holds(self) -> bool:
        """
        Whether it says something, and chance or gray may explain all of it.

        Gray alone does not do: it gives everybody one point, and a fair rank below chance.
        """
        if self.note:
            return False
        is_explained = self.excess_low is not None and self.excess_low <= 0
        return is_explained or self.low <= max(self.chance, self.gray or 0.0)


@dataclass(frozen=True)
class AttackTable:
    """
    All rows of an attack.

    source, result: names. identities: how many of each kind were attacked. skipped: why others
    were not, and how many.
    """

    tool_version: str
    source: str
    result: str
    identities: dict[str, int]
    rows: tuple[AttackRow, ...]
    skipped: dict[str, int]
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check the schema; raise ValueError."""
        typed_json.check_schema(self, SCHEMA, SCHEMA_VERSION)

    def to_json(self) -> str:
        """Return the table as a JSON text."""
        return typed_json.to_json(self)


def write_table(table: AttackTable, path: Path) -> None:
    """Write a table; raise OutputError where that cannot be done."""
    typed_json.write(table, path, 'attack')


def read_table(path: Path) -> AttackTable:
    """Read a table; raise InputError that names the file and what is wrong with it."""
    return typed_json.read(AttackTable, path, 'attack')
