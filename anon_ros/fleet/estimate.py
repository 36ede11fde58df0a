# SPDX-License-Identifier: Apache-2.0
"""How long a fleet would take: some frames are looked into and rendered, nothing is written."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.recorder import RunRecorder
from anon_ros.bags import jobs
from anon_ros.bags.groups import Grouping
from anon_ros.bags.jobs import Tools
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action, plan_topics
from anon_ros.errors import AnonError
from anon_ros.fleet.bags import find_bags
from anon_ros.fleet.places import check_apart, open_place
from anon_ros.fleet.run import choose, share_out, work_folder
from anon_ros.fleet.scratch import local_bag
from anon_ros.fleet.state import has_result, hash_of, read_state
from anon_ros.models.store import ModelStore
from anon_ros.runs.look import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.bags.storage import SourceBag, SourceFile
    from anon_ros.bags.topics import TopicPlan
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings
    from anon_ros.factory import Networks
    from anon_ros.fleet.bags import Bag
    from anon_ros.fleet.place import Place
    from anon_ros.fleet.run import FleetJob, Workers

SAMPLED_BAGS = 3
SAMPLED_FRAMES = 32
"""Of each sampled bag; the first group of them warms the networks up and is not counted."""


@dataclass(frozen=True)
class Estimate:
    """
    What a run would have to do.

    bags, size_bytes: to do; done: bags that are done already. frames: of cameras, about.
    frames_per_s: of one worker on this machine. hours: with that many workers.
    problems: what is wrong with the sampled bags, one line each.
    """

    bags: int
    done: int
    size_bytes: int
    frames: int
    sampled_frames: int
    frames_per_s: float
    workers: int
    threads: int
    hours: float
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sample:
    frames_in_bag: float
    size_bytes: int
    frames: int
    wall_s: float


def estimate(fleet: FleetJob, settings: Settings, workers: Workers) -> Estimate:
    """
    Return what a run would have to do, and how long it would take as far as a sample tells.

    Nothing is written to the target. Raises as run_fleet does before the first bag.
    """
    check_apart(fleet.source, fleet.target)
    source = open_place(fleet.source)
    found = choose(find_bags(source.files()), fleet.only, source)
    settings, workers = share_out(settings, workers)
    todo = _todo(found.bags, fleet, settings)
    sampler = _Sampler(source, settings, fleet)
    samples = sampler.run(_spread(todo, is_local=source.folder is not None))
    size_bytes = sum(bag.size_bytes for bag in todo)
    frames_per_byte = _ratio(
        sum(each.frames_in_bag for each in samples), sum(each.size_bytes for each in samples))
    frames_per_s = _ratio(
        sum(each.frames for each in samples), sum(each.wall_s for each in samples))
    frames, count = round(size_bytes * frames_per_byte), max(workers.count, 1)
    return Estimate(
        bags=len(todo), done=len(found.bags) - len(todo), size_bytes=size_bytes, frames=frames,
        sampled_frames=sum(each.frames for each in samples), frames_per_s=frames_per_s,
        workers=count, threads=settings.threads,
        hours=_ratio(frames, frames_per_s) / count / 3600, problems=tuple(sampler.problems),
    )


class _Sampler:
    """Looks into and renders some frames of some bags, as a worker would."""

    def __init__(self, source: Place, settings: Settings, fleet: FleetJob) -> None:
        self.problems: list[str] = []
        self._source = source
        self._settings = settings
        self._topics = fleet.topics
        self._work = work_folder(fleet)
        self._networks = self._load(fleet.new_detector)

    def run(self, bags: Sequence[Bag]) -> list[_Sample]:
        """Return the samples of the bags that can be read; the others are problems."""
        samples = [self._try(bag) for bag in bags]
        return [each for each in samples if each is not None]

    def _try(self, bag: Bag) -> _Sample | None:
        try:
            with local_bag(self._source, bag, bag.files, self._work) as path:
                return self._sample(bag, path)
        except AnonError as error:
            self.problems.append(f'{bag.name}: {error}')
            return None

    def _load(self, new_detector: Callable[[], RegionDetector] | None) -> Networks:
        if new_detector is None:
            return factory.load_networks(self._settings, ModelStore())
        return factory.Networks(new_detector(), None, ModelStore())

    def _sample(self, bag: Bag, path: Path) -> _Sample:
        topics, settings = self._topics, self._settings
        with open_bag(path) as source:
            plan = plan_topics(
                source, selected=topics.selected, copied=topics.copied, dropped=topics.dropped)
            tools = Tools(
                self._networks.detector, factory.build_anonymizer(settings), RunRecorder(),
                int(settings.max_megapixels * 1e6), plan.depth, self._networks.context,
            )
            groups = list(_groups(source.files[len(source.files) // 2], plan))
            for group in groups[:1]:
                _work(group, tools)
            start_s = time.perf_counter()
            with ThreadPoolExecutor(factory.thread_count(settings)) as pool:
                done = sum(pool.map(lambda group: _work(group, tools), groups[1:]))
            wall_s = time.perf_counter() - start_s
            return _Sample(_count(source, plan), bag.size_bytes, done, wall_s)


def _groups(file: SourceFile, plan: TopicPlan) -> Iterator[list[Waiting]]:
    """Yield some groups of frames from the middle of a file on."""
    grouping: Grouping[Waiting] = Grouping()
    frames = 0
    for message in file.messages(skip=max(file.message_count // 2, 0)):
        if plan.action(message.connection) is not Action.ANONYMIZE:
            continue
        for group in grouping.add(Waiting(message)):
            frames += len(group)
            yield group
        if frames >= SAMPLED_FRAMES:
            return
    yield from grouping.rest()


def _work(group: Sequence[Waiting], tools: Tools) -> int:
    """Look into a group and render it; return how many frames that were."""
    messages, parameters = [each.message for each in group], group[0].parameters
    looks = jobs.look(messages, tools, parameters)
    jobs.render(
        messages, [look.sighting.regions for look in looks], tools, parameters=parameters)
    return len(group)


def _count(source: SourceBag, plan: TopicPlan) -> float:
    counts = [each.message_count for each in source.connections
              if plan.action(each) is Action.ANONYMIZE]
    return float(sum(max(count, 0) for count in counts))


def _todo(bags: Sequence[Bag], fleet: FleetJob, settings: Settings) -> list[Bag]:
    """Return the bags that are not done; a target that is not there yet holds none."""
    try:
        target = open_place(fleet.target)
    except AnonError:
        return list(bags)
    settings_hash = hash_of(settings, fleet.topics)
    present = {file.name for file in target.files()}
    states = {bag.name: read_state(target, bag.name) for bag in bags}
    return [
        bag for bag in bags
        if (state := states[bag.name]) is None or state.status != 'done'
        or state.settings_hash != settings_hash or not has_result(state.outcome, present)
    ]


def _spread(bags: Sequence[Bag], *, is_local: bool) -> list[Bag]:
    """Return a few bags of different sizes; of a store elsewhere the smallest one only."""
    ordered = sorted(bags, key=lambda bag: bag.size_bytes)
    if not is_local:
        return ordered[:1]
    count = min(SAMPLED_BAGS, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
