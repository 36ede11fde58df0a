# SPDX-License-Identifier: Apache-2.0
"""
What a person should look at: signs that something may have been missed or hidden in vain.

A flag never keeps anything from being hidden: it is a line in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.audit.lone_regions import lone_weak_regions
from anon_ros.audit.manifest import FlagRecord, Flags
from anon_ros.core.regions import NO_TRACK, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from anon_ros.audit.frame_regions import FrameRegions

MOST_FLAGS = 200
"""Flags that are kept one by one for each reason; further ones are only counted."""
LEAST_PERSON_PX = 80.0
"""Of a person less high than this, no detector can be asked for a face."""
LONE_WEAK = 'seen once, with a low score'
NO_FACE = 'a person whose face was never seen'
NO_VEHICLE = 'a plate outside every vehicle'


@dataclass
class _Person:
    shown: FlagRecord
    height_px: float = 0.0
    has_face: bool = False


def find_flags(
    frames: Callable[[], Iterable[FrameRegions]],
    targets: Collection[Kind],
    more: Iterable[FlagRecord] = (),
) -> Flags:
    """
    Return what a run's regions give reason to look at.

    frames: gives the frames anew at each call. targets: the kinds that were searched.
    more: flags that were raised during the run.
    """
    found = list(more)
    found += [
        FlagRecord(LONE_WEAK, each.topic, each.index, each.stamp_ns, Kind(each.kind).label)
        for each in lone_weak_regions(frames())
    ]
    if {Kind.FACE, Kind.BODY} <= set(targets):
        found += people_without_face(frames())
    return _bounded(found)


def people_without_face(frames: Iterable[FrameRegions]) -> Iterator[FlagRecord]:
    """
    Yield a flag for each track of a tall enough person in none of whose frames is a face.

    It names the frame in which the person is the highest: there it shows best.
    """
    people: dict[tuple[str, int], _Person] = {}
    for frame in frames:
        bodies, faces = frame.regions.of_kind(Kind.BODY), frame.regions.of_kind(Kind.FACE)
        centres = (faces.boxes_xyxy[:, :2] + faces.boxes_xyxy[:, 2:]) / 2
        for box, track in zip(bodies.boxes_xyxy, bodies.track_ids.tolist(), strict=True):
            # Without tracks every sighting is somebody else.
            key = (frame.topic, track) if track != NO_TRACK else (frame.topic, -2 - len(people))
            flag = FlagRecord(
                NO_FACE, frame.topic, frame.index, frame.stamp_ns, Kind.BODY.label)
            person = people.setdefault(key, _Person(flag))
            height_px = float(box[3] - box[1])
            if height_px > person.height_px:
                person.shown, person.height_px = flag, height_px
            inside = (centres >= box[:2]) & (centres <= box[2:])
            person.has_face |= bool(np.any(inside.all(axis=1)))
    for person in people.values():
        if person.height_px >= LEAST_PERSON_PX and not person.has_face:
            yield person.shown


def _bounded(found: Iterable[FlagRecord]) -> Flags:
    counts: dict[str, int] = {}
    first = []
    for flag in found:
        counts[flag.reason] = counts.get(flag.reason, 0) + 1
        if counts[flag.reason] <= MOST_FLAGS:
            first.append(flag)
    return Flags(counts, tuple(sorted(first, key=lambda flag: (flag.reason, flag.index))))
