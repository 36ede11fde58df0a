# SPDX-License-Identifier: Apache-2.0
"""What a reviewer should look at, the riskiest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit.findings import read_checks
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.risk import rank
from anon_ros.audit.risk_tracks import Risk

if TYPE_CHECKING:
    from anon_ros.review.result import Result

WITHHELD = Risk(
    'withheld', 'the frame is gray all over: it could not be handled with certainty', 0.05, '')
MOST_WITHHELD = 100


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

    Raises InputError where what lies beside the manifest cannot be read.
    """
    checked = read_checks(result.sidecar, result.manifest).verification
    frames = rank(
        RegionsReader(result.sidecar / REGIONS_NAME), result.manifest.flags.first,
        still_seen=() if checked is None else checked.still_seen,
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
