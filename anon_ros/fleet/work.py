# SPDX-License-Identifier: Apache-2.0
"""One bag in work: its tasks, what they have come to, and what was looked into so far."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.errors import OutputError
from anon_ros.fleet.tasks import LookTask, Report
from anon_ros.runs.look import PartOfBag

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.fleet.bags import Bag
    from anon_ros.fleet.claims import Claimed

LOOK_SHARE = 0.8
"""Of a bag's work, where it is looked into in parts."""
LEAST_PART_BYTES, LARGEST_PART_BYTES = 256 * 2**20, 4 * 2**30
PARTS_PER_WORKER = 4


@dataclass
class Work:
    """
    A bag that this run has claimed.

    parts: to be looked into before it is rewritten, none where it is done in one go. looks: of
    the parts that are done. tries, shares: by part; None for the rewriting.
    """

    bag: Bag
    claim: Claimed
    parts: tuple[PartOfBag, ...]
    looks: dict[PartOfBag, Path] = field(default_factory=dict)
    tries: Counter[PartOfBag | None] = field(default_factory=Counter)
    shares: dict[PartOfBag | None, float] = field(default_factory=dict)
    report: Report = field(default_factory=lambda: Report(0.0))
    is_over: bool = False

    @property
    def is_looked_into(self) -> bool:
        """Whether nothing but the rewriting is left."""
        return len(self.looks) == len(self.parts)

    @property
    def share(self) -> float:
        """What is done of it, 0..1."""
        rewritten = self.shares.get(None, 0.0)
        if not self.parts:
            return rewritten
        looked = sum(self.shares.get(part, 0.0) for part in self.parts) / len(self.parts)
        return LOOK_SHARE * looked + (1 - LOOK_SHARE) * rewritten

    def look_tasks(self) -> list[LookTask]:
        """Return the parts that nobody has looked into yet."""
        return [LookTask(self.bag, part) for part in self.parts if part not in self.looks]


def part_bytes(total_bytes: int, workers: int) -> int:
    """Return the size of the parts that keep all workers busy to the end."""
    fair = total_bytes // max(PARTS_PER_WORKER * workers, 1)
    return min(max(fair, LEAST_PART_BYTES), LARGEST_PART_BYTES)


def parts_of(bag: Bag, size_bytes: int, *, is_local: bool) -> tuple[PartOfBag, ...]:
    """
    Return the parts in which a bag is looked into, each about so large; none for one go.

    A file that has to be fetched stays in one piece, so that it is fetched once for a look.
    """
    parts = []
    for file in bag.recording_files:
        of = max(round(file.size_bytes / size_bytes), 1) if is_local else 1
        name = file.name.rpartition('/')[2]
        parts += [PartOfBag(name, number, of) for number in range(of)]
    return tuple(parts) if len(parts) > 1 and bag.size_bytes > size_bytes else ()


class LooksFolder:
    """
    Keeps the looks of bags in work on this machine, so that a run that goes on has them.

    They hold thumbnails of clear pictures: never beside the results, and gone with the bag.
    """

    def __init__(self, folder: Path, made_by: str) -> None:
        self._folder = folder
        self._made_by = made_by

    def known(self, claim: Claimed, parts: tuple[PartOfBag, ...]) -> dict[PartOfBag, Path]:
        """Return the files of the parts that were looked into before."""
        paths = {part: self._path(claim, part) for part in parts}
        return {part: path for part, path in paths.items() if path.is_file()}

    def keep(self, claim: Claimed, part: PartOfBag, looks: bytes) -> Path:
        """Write a part's looks; return where. Raises OutputError where that is not possible."""
        path = self._path(claim, part)
        beside = path.with_name(f'{path.name}.new')
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_bytes(looks)
            beside.replace(path)
        except OSError as error:
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
        return path

    def forget(self, claim: Claimed) -> None:
        """Remove the looks of a bag."""
        shutil.rmtree(self._of(claim), ignore_errors=True)

    def _of(self, claim: Claimed) -> Path:
        digest = hashlib.sha256(f'{claim.fingerprint} {self._made_by}'.encode()).hexdigest()
        return self._folder / digest[:32]

    def _path(self, claim: Claimed, part: PartOfBag) -> Path:
        return self._of(claim) / f'{part.file}.{part.number}-{part.of}.npz'
