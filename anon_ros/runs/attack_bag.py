# SPDX-License-Identifier: Apache-2.0
"""Who is to be attacked in a bag: tracks, and looks at them from both bags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from anon_ros import factory
from anon_ros.attacks.cut import cut_look, views_of
from anon_ros.attacks.interface import Identity, Look
from anon_ros.audit.manifest import REGIONS_NAME, manifest_path, read_manifest, sidecar_path
from anon_ros.audit.regions_file import RegionsIndex
from anon_ros.bags.camera_types import PayloadKind
from anon_ros.bags.messages import locate
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action
from anon_ros.bags.verify_frame import open_frame
from anon_ros.core import settings as settings_module
from anon_ros.core.regions import NO_TRACK, Kind
from anon_ros.errors import FrameError, InputError
from anon_ros.runs.verify import plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.bags.storage import Message, SourceBag
    from anon_ros.bags.topics import TopicPlan
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.runs.attack_sample import Sample, Skipped

LEAST_HEIGHT_PX = 8.0


@dataclass(frozen=True)
class Who:
    """A track of a topic, or a region that nothing follows."""

    topic: str
    kind: int
    track: int
    index: int
    number: int

    @property
    def name(self) -> str:
        """Where he is, for messages."""
        followed = self.track != NO_TRACK
        return f'{self.topic} {f"track {self.track}" if followed else f"message {self.index}"}'


@dataclass(frozen=True)
class Place:
    """One sighting: the message's number in the source, and the region's in it."""

    index: int
    number: int


def read_bags(
    source: Path, target: Path, sample: Sample, progress: Callable[[int, int], None]
) -> tuple[list[Identity], Skipped]:
    """
    Return who is to be attacked, and what was left out and why.

    Raises InputError where one cannot be read, or where the two do not belong together.
    """
    manifest = read_manifest(manifest_path(target))
    settings = settings_module.from_mapping(manifest.settings)
    index = RegionsIndex(sidecar_path(target) / REGIONS_NAME)
    skipped: Skipped = {}
    chosen = _choose(index, sample, skipped)
    with open_bag(source) as before, open_bag(target) as after:
        looks = _Cutter(settings, index, chosen, skipped).run(
            before, after, manifest, lambda done: progress(done, before.message_count))
    identities = []
    for who, found in looks.items():
        if found:
            identities.append(Identity(who.name, Kind(who.kind), tuple(found)))
        else:
            _skip(skipped, f'{Kind(who.kind).label}: no look that can be used')
    return identities, skipped


def pairs(
    source: SourceBag, target: SourceBag, plan: TopicPlan
) -> Iterator[tuple[int, Message, Message | None]]:
    """
    Yield number, source message and result message, None where that was withheld or dropped.

    Raises InputError that says where two bags part that do not belong together.
    """
    rest = (message for file in target.files for message in file.messages())
    after = next(rest, None)
    number = -1
    for number, before in enumerate(_messages(source)):
        action = plan.action(before.connection)
        if action is Action.DROP:
            yield number, before, None
        elif after is not None and _place(before) == _place(after):
            yield number, before, after
            after = next(rest, None)
        elif action is Action.ANONYMIZE:
            yield number, before, None
        else:
            found = 'nothing' if after is None else (
                f'{after.connection.topic} at {after.log_ns} ns')
            raise InputError(
                f'{target.path}: not made from {source.path}: they part at message {number}, '
                f'{before.connection.topic} at {before.log_ns} ns, where the result has {found}'
            )
    if after is not None:
        raise InputError(
            f'{target.path}: not made from {source.path}: after {number + 1} messages of the '
            f'source the result goes on with {after.connection.topic} at {after.log_ns} ns'
        )


class _Cutter:
    """Cuts the chosen looks out of two bags as they pass by."""

    def __init__(
        self, settings: Settings, index: RegionsIndex, chosen: dict[Who, list[Place]],
        skipped: Skipped,
    ) -> None:
        self._index = index
        self._skipped = skipped
        self._anonymizer = factory.build_anonymizer(settings)
        self._rekeyed = factory.build_anonymizer(rekeyed(settings))
        self._looks: dict[Who, list[Look]] = {who: [] for who in chosen}
        self._wanted: dict[int, list[tuple[Who, int]]] = {}
        for who, places in chosen.items():
            for place in places:
                self._wanted.setdefault(place.index, []).append((who, place.number))

    def run(
        self, before: SourceBag, after: SourceBag, manifest: Manifest,
        progress: Callable[[int], None],
    ) -> dict[Who, list[Look]]:
        for number, old, new in pairs(before, after, plan_of(manifest)):
            if number in self._wanted and new is None:
                _skip(self._skipped, 'frame withheld')
            elif number in self._wanted and new is not None:
                self._cut(number, old, new)
            progress(number + 1)
        return self._looks

    def _cut(self, number: int, old: Message, new: Message) -> None:
        found = self._index.find(old.connection.topic, number)
        if found is None or found.outcome == 'masked':
            _skip(self._skipped, 'frame withheld')
            return
        try:
            clear, hidden = _view(old), _view(new)
        except FrameError as error:
            _skip(self._skipped, f'frame not readable: {error}')
            return
        if clear.shape != hidden.shape:
            raise InputError(
                f'message {number} on {old.connection.topic} at {old.log_ns} ns: the source has '
                f'{clear.shape[1]}x{clear.shape[0]} px, the result '
                f'{hidden.shape[1]}x{hidden.shape[0]}: they do not belong together'
            )
        views = views_of(clear, hidden, found.regions, self._rekeyed)
        for who, region in self._wanted[number]:
            look = cut_look(views, found.regions, region, self._anonymizer)
            if look is not None:
                self._looks[who].append(look)


def rekeyed(settings: Settings) -> Settings:
    """Return settings with the keys that an attacker has instead of the run's."""
    return replace(settings, seed=(settings.seed + 1_000_003) % 2**31, identity_key='')


def _choose(index: RegionsIndex, sample: Sample, skipped: Skipped) -> dict[Who, list[Place]]:
    """Return the places to look at: of each kind, those who are seen most often."""
    places: dict[Who, list[Place]] = {}
    for frame in index.reader:
        heights = np.subtract(*frame.regions.boxes_xyxy[:, [3, 1]].T)
        for number, (kind, track) in enumerate(
            zip(frame.regions.kinds.tolist(), frame.regions.track_ids.tolist(), strict=True)
        ):
            if heights[number] < LEAST_HEIGHT_PX:
                _skip(skipped, f'region below {LEAST_HEIGHT_PX:g} px')
                continue
            own = (0, 0) if track != NO_TRACK else (frame.index, number)
            who = Who(frame.topic, kind, track, *own)
            places.setdefault(who, []).append(Place(frame.index, number))
    chosen: dict[Who, list[Place]] = {}
    for kind in Kind:
        everybody = [who for who in places if who.kind == kind]
        everybody.sort(key=lambda who: -len(places[who]))
        if len(everybody) > sample.identities:
            left = len(everybody) - sample.identities
            skipped[f'{kind.label}: not in the sample'] = left
        for who in everybody[:sample.identities]:
            chosen[who] = spread(places[who], sample.looks)
    return chosen


def spread(places: list[Place], count: int) -> list[Place]:
    """Return at most so many, evenly spread, in order."""
    if len(places) <= count:
        return places
    return [places[i] for i in np.linspace(0, len(places) - 1, count).round().astype(int)]


def _view(message: Message) -> UInt8Array:
    located = locate(message.connection, message.data)
    if located.kind is PayloadKind.VIDEO:
        raise FrameError('a video packet is no frame of its own')
    return open_frame(located).view_bgr()


def _messages(bag: SourceBag) -> Iterator[Message]:
    for file in bag.files:
        yield from file.messages()


def _place(message: Message) -> tuple[str, str, int]:
    return message.connection.topic, message.connection.msgtype, message.log_ns


def _skip(skipped: Skipped, reason: str) -> None:
    skipped[reason] = skipped.get(reason, 0) + 1
