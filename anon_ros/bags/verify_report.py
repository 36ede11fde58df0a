# SPDX-License-Identifier: Apache-2.0
"""What a verification found: counts for each topic, differences, and what is still to be seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DIFFERENCES = 100
"""Differences that are kept word by word; further ones are only counted."""

MOST_RESIDUALS = 1000


@dataclass(frozen=True)
class TopicVerdict:
    """
    Messages of one topic, by what became of them.

    copied: byte-identical, and nobody searched them. unchanged: frames that kept their bytes.
    changed: frames with another picture. masked: frames that are gray all over.
    withheld: frames and suspicious messages that are not there. dropped: left out as planned.
    """

    copied: int = 0
    unchanged: int = 0
    changed: int = 0
    masked: int = 0
    withheld: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class Residual:
    """
    Something that a detector still sees in the result.

    index: the message's number in the source bag. label: 'face', 'body' or 'plate'.
    box_xyxy: px. is_hidden: whether it lies in a region that was overwritten; None where nobody
        knows the regions.
    """

    topic: str
    index: int
    stamp_ns: int
    label: str
    score: float
    box_xyxy: tuple[float, float, float, float]
    is_hidden: bool | None


@dataclass(frozen=True)
class VerifyReport:
    """
    The proof, or what is wrong with it.

    topics: by name. differences: the first of them, a line each, with topic, index, stamp and
    cause. difference_count: all of them. residuals: what a detector saw in the searched frames,
    most certain first; residual_count: all of them. searched: frames that a detector looked at.
    """

    topics: Mapping[str, TopicVerdict]
    differences: tuple[str, ...] = ()
    difference_count: int = 0
    residuals: tuple[Residual, ...] = ()
    residual_count: int = 0
    searched: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing differs but what had to; residuals are for a person to judge."""
        return self.difference_count == 0

    @property
    def total(self) -> TopicVerdict:
        """The counts of all topics together."""
        return TopicVerdict(**{
            name: sum(getattr(verdict, name) for verdict in self.topics.values())
            for name in TopicVerdict.__dataclass_fields__
        })


@dataclass
class ReportBuilder:
    """Collects a report in bounded memory."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    difference_count: int = 0
    residuals: list[Residual] = field(default_factory=list)
    residual_count: int = 0
    searched: int = 0

    def count(self, topic: str, what: str) -> None:
        """Count a message; what is a field of TopicVerdict."""
        counts = self.counts.setdefault(topic, {})
        counts[what] = counts.get(what, 0) + 1

    def differ(self, line: str) -> None:
        """Take a difference."""
        self.difference_count += 1
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(line)

    def still_seen(self, residual: Residual) -> None:
        """Take what a detector found; the least certain ones go when there are too many."""
        self.residual_count += 1
        self.residuals.append(residual)
        if len(self.residuals) > 2 * MOST_RESIDUALS:
            self._keep_best()

    def build(self) -> VerifyReport:
        """Return the report."""
        self._keep_best()
        topics = {
            topic: TopicVerdict(**counts) for topic, counts in sorted(self.counts.items())
        }
        return VerifyReport(
            MappingProxyType(topics), tuple(self.differences), self.difference_count,
            tuple(self.residuals), self.residual_count, self.searched,
        )

    def _keep_best(self) -> None:
        self.residuals.sort(key=lambda residual: -residual.score)
        del self.residuals[MOST_RESIDUALS:]
