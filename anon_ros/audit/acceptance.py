# SPDX-License-Identifier: Apache-2.0
"""
What a labelled sample proves: how much of what should be hidden is hidden, and how sure that is.

It is written as anon/acceptance.json beside the manifest. Its schema is this module.

The bound is that of Clopper and Pearson, at 95 % on one side, on an effective number of things.
Each frame of the sample was drawn from a block of its own, of nearly the same length: such a
count of misses is spread less than a binomial one (Hoeffding, Ann. Math. Statist. 27 (1956):
713-721), so the strata need no bounds of their own. But things in one frame are missed together:
as if all of them were one, n things in frames of m_i each, drawn from w_i frames, count as

    n_eff = (sum of w_i m_i)^2 / (sum of (w_i m_i)^2)

(Kish 1965; Korn and Graubard, Survey Methodology 24 (1998): 193-201, with the largest design
effect there can be.) What the bound cannot know of is a rare sort of frame that the sample holds
none of; the share of frames in which nothing was missed is bounded without that reserve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit import typed_json
from anon_ros.audit.binomial import interval, lower_bound
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anon_ros.audit.labels import FrameLabels, Labels

SCHEMA = 'anon_ros/acceptance'
SCHEMA_VERSION = 1
FILE_NAME = 'acceptance.json'
LEAST_EFFECTIVE = 30
"""Fewer things than this say too little to be written down as a share."""
HEIGHT_EDGES_PX = (0, 8, 16, 32, 64, 128)
_NAMES = {'face': 'faces', 'body': 'people', 'plate': 'plates'}


@dataclass(frozen=True)
class Recall:
    """
    How many of a sort of things are hidden.

    things, missed: as counted. frames: that show at least one. effective: as how many they count.
    share: hidden, weighted. low: exceeded with 95 % confidence. interval_low, interval_high: of
    the share, at 95 % on both sides. note: '' or why nothing can be said.
    """

    things: int
    missed: int
    frames: int
    effective: float
    share: float
    low: float
    interval_low: float
    interval_high: float
    note: str = ''


@dataclass(frozen=True)
class HeightRecall:
    """Recall of things of some height: from px up to to_px, None for any above."""

    from_px: int
    to_px: int | None
    recall: Recall


@dataclass(frozen=True)
class KindRecall:
    """Recall of a kind, in all and by height."""

    kind: str
    recall: Recall
    heights: tuple[HeightRecall, ...]

    @property
    def sentence(self) -> str:
        """What may be said of it."""
        name = _NAMES.get(self.kind, self.kind)
        if self.recall.note:
            return f'Nothing can be said of {name}: {self.recall.note}.'
        return f'With 95 % confidence at least {percent(self.recall.low)} of {name} are hidden.'


@dataclass(frozen=True)
class Acceptance:
    """
    What a labelled sample proves of a result.

    root: of its seal. seed, size, population, excluded, labelled_by: see Labels. labels: their
    sha256. kinds: recall of each kind. frames: recall of frames: those in which nothing is missed.
    """

    root: str
    seed: int
    size: int
    population: int
    excluded: int
    labelled_by: str
    labels: str
    kinds: tuple[KindRecall, ...]
    frames: Recall
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check the schema; raise ValueError."""
        typed_json.check_schema(self, SCHEMA, SCHEMA_VERSION)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What may be said, one sentence for each kind and one for the frames."""
        share = percent(self.frames.low)
        return (
            *(kind.sentence for kind in self.kinds),
            f'With 95 % confidence nothing is missed in at least {share} of the frames.',
        )


def judge(labels: Labels) -> Acceptance:
    """
    Return what checked labels prove; see labels.check_labels.

    Raises InputError where they are too few to say anything of any kind.
    """
    kinds = tuple(_kind_recall(labels, kind) for kind in labels.kinds)
    if all(kind.recall.note for kind in kinds):
        why = '; '.join(f'{kind.kind}: {kind.recall.note}' for kind in kinds)
        raise InputError(f'the labels are too few to say anything: {why}; draw a larger sample')
    clear = [_Count(frame.weight, 1, int(bool(frame.missed))) for frame in labels.frames]
    return Acceptance(
        labels.root, labels.seed, labels.size, labels.population, labels.excluded,
        labels.labelled_by, labels.sha256, kinds, _recall(clear),
    )


def write_acceptance(acceptance: Acceptance, path: Path) -> None:
    """Write what was proved; raise OutputError where that cannot be done."""
    typed_json.write(acceptance, path, 'acceptance')


def read_acceptance(path: Path) -> Acceptance:
    """Read what was proved; raise InputError that names the file and what is wrong with it."""
    return typed_json.read(Acceptance, path, 'acceptance')


def percent(share: float) -> str:
    """Return a bound in percent, rounded down so that it stays one."""
    return f'{math.floor(share * 1000 + 1e-9) / 10:.1f} %'


@dataclass(frozen=True)
class _Count:
    """Things of one sort in a frame; weight: of the frame."""

    weight: int
    things: int
    missed: int


def _kind_recall(labels: Labels, kind: str) -> KindRecall:
    edges = [*HEIGHT_EDGES_PX, None]
    heights = []
    for low, high in zip(HEIGHT_EDGES_PX, edges[1:], strict=True):
        counts = [_counted(frame, kind, low, high) for frame in labels.frames]
        if any(count.things for count in counts):
            heights.append(HeightRecall(low, high, _recall(counts)))
    all_of_them = [_counted(frame, kind, 0, None) for frame in labels.frames]
    return KindRecall(kind, _recall(all_of_them), tuple(heights))


def _counted(frame: FrameLabels, kind: str, low_px: int, high_px: int | None) -> _Count:
    def count(found: Iterable[tuple[str, tuple[float, ...]]]) -> int:
        return sum(
            each == kind and low_px <= box[3] - box[1] < (math.inf if high_px is None else high_px)
            for each, box in found
        )

    hidden = count((each.kind, each.box) for each in frame.hidden if each.shows)
    missed = count((each.kind, each.box) for each in frame.missed)
    return _Count(frame.weight, hidden + missed, missed)


def _recall(counts: Iterable[_Count]) -> Recall:
    counts = [count for count in counts if count.things]
    things, missed = (sum(getattr(each, name) for each in counts) for name in ('things', 'missed'))
    weighted = [count.weight * count.things for count in counts]
    total = sum(weighted)
    if not total:
        return Recall(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 1.0, 'the sample shows none')
    effective = total * total / sum(value * value for value in weighted)
    share = 1 - sum(count.weight * count.missed for count in counts) / total
    hits = min(effective, effective * share)
    low, (interval_low, interval_high) = (
        lower_bound(hits, effective), interval(hits, effective))
    note = '' if effective >= LEAST_EFFECTIVE else (
        f'{things} in {len(counts)} frames count as {effective:.0f}, at least {LEAST_EFFECTIVE} '
        'are needed'
    )
    return Recall(
        things, missed, len(counts), effective, share, low, interval_low, interval_high, note)
