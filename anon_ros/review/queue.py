# SPDX-License-Identifier: Apache-2.0
"""What a reviewer should look at, the riskiest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit import verification
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.risk import rank
from anon_ros.audit.risk_tracks import Risk
from anon_ros.review.following import FAR, LOST, UNSURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anon_ros.audit.verification import StillSeen
    from anon_ros.review.edits import State
    from anon_ros.review.result import Result

WITHHELD = Risk(
    'withheld', 'the frame is gray all over: it could not be handled with certainty', 0.05, '')
MOST_WITHHELD = 100
DOUBTS: Mapping[str, tuple[str, str]] = {
    LOST: ('a drawn region is lost here',
           'it is not found any further: draw it again (m) where it still is, or end it (])'),
    UNSURE: ('a drawn region may have slid off',
             'the look is another one here: draw it again (m), or accept (a)'),
    FAR: ('a drawn region is followed no further',
          'this is as far as one is followed: draw it again (m) where it still is'),
}
"""Reason and text of what a follower is not sure of."""


@dataclass(frozen=True)
class QueueItem:
    """
    One frame to look at.

    stream, number: which one. score: 0..1, says only what comes before what. risks: why, the
    strongest first.
    """

    stream: int
    number: int
    score: float
    risks: tuple[Risk, ...]


def build_queue(result: Result) -> list[QueueItem]:
    """
    Return what is worth a look, by risk; withheld frames, which show nobody, come last.

    Raises InputError where a verification lies there and cannot be read.
    """
    frames = rank(
        RegionsReader(result.sidecar / REGIONS_NAME), result.manifest.flags.first,
        still_seen=_still_seen(result),
    )
    items = []
    for frame in frames:
        place = result.locate(frame.topic, frame.index)
        if place is not None:
            items.append(QueueItem(place[0].number, place[1], frame.score, frame.risks))
    for stream in result.streams:
        withheld = [n for n, is_withheld in enumerate(stream.is_withheld) if is_withheld]
        items += [
            QueueItem(stream.number, number, WITHHELD.score, (WITHHELD,))
            for number in withheld[:MOST_WITHHELD]
        ]
    return items


def doubtful(result: Result, state: State) -> list[QueueItem]:
    """Return where regions that a person drew are doubtful: nothing comes before these."""
    items = []
    for (name, _), drawn in state.drawn.items():
        stream = next(each for each in result.streams if each.name == name)
        for index, why in drawn.doubts.items():
            number = stream.find(index)
            if number is not None and why in DOUBTS:
                risk = Risk(
                    *DOUBTS[why], 1.0, drawn.drawn_by.kind, box_xyxy=drawn.boxes.get(index))
                items.append(QueueItem(stream.number, number, risk.score, (risk,)))
    return items


def _still_seen(result: Result) -> tuple[StillSeen, ...]:
    """Return what a verification of this very result saw unhidden."""
    path, seal = result.sidecar / verification.FILE_NAME, result.manifest.seal
    if seal is None or not path.is_file():
        return ()
    found = verification.read_verification(path)
    return found.still_seen if found.root == seal.root else ()
