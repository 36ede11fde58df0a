# SPDX-License-Identifier: Apache-2.0
"""Look into a part of a bag, for another worker that tracks and renders the whole of it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.recorder import RunRecorder
from anon_ros.bags import jobs
from anon_ros.bags.groups import Grouping
from anon_ros.bags.jobs import Tools
from anon_ros.bags.looks import LooksWriter, digest
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action, plan_topics
from anon_ros.errors import TopicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.bags.jobs import Look
    from anon_ros.bags.storage import Message, SourceBag, SourceFile
    from anon_ros.bags.topics import TopicPlan
    from anon_ros.core.settings import Settings
    from anon_ros.factory import Networks

LOOKS_PER_WORKER = 2


@dataclass(frozen=True)
class PartOfBag:
    """One of several equal stretches of messages of one file; number: from 0."""

    file: str
    number: int = 0
    of: int = 1


@dataclass(frozen=True)
class LookJob:
    """
    What to look into.

    source: the bag; only the part's file has to be there. selected, copied, dropped: topics, see
    plan_topics. made_by: what the looks depend on beside the messages.
    """

    source: Path
    part: PartOfBag
    made_by: str
    selected: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class LookResult:
    """The looks, packed (see bags.looks), and how many frames were looked into."""

    looks: bytes
    frames: int


def look_into(
    job: LookJob,
    settings: Settings,
    networks: Networks,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> LookResult:
    """
    Return what is seen in a part of a bag.

    What needs another part to be decoded is left out: whoever renders looks into it again.
    progress: called with the part's messages done and in all.
    Raises InputError where the file cannot be read.
    """
    writer = LooksWriter(job.made_by)
    with open_bag(job.source) as source:
        plan = _plan(job, source)
        file = _file(source, job.part)
        if plan is None or file is None or file.message_count < 0:
            return LookResult(writer.to_bytes(), 0)
        tools = Tools(
            networks.detector, factory.build_gray_anonymizer(settings), RunRecorder(),
            int(settings.max_megapixels * 1e6), plan.depth, networks.context,
        )
        frames = _look_into(file, job.part, plan, tools, factory.thread_count(settings), writer,
                            progress)
    return LookResult(writer.to_bytes(), frames)


@dataclass
class Waiting:
    """A message of a group; parameters: a video's parameter sets before it."""

    message: Message
    parameters: bytes = b''


def _plan(job: LookJob, source: SourceBag) -> TopicPlan | None:
    """Return the plan; None where this part alone does not tell it: nothing is looked into."""
    try:
        return plan_topics(
            source, selected=job.selected, copied=job.copied, dropped=job.dropped)
    except TopicError:
        return None


def _file(source: SourceBag, part: PartOfBag) -> SourceFile | None:
    return next((file for file in source.files if file.name == part.file), None)


def _look_into(
    file: SourceFile, part: PartOfBag, plan: TopicPlan, tools: Tools, threads: int,
    writer: LooksWriter, progress: Callable[[int, int], None],
) -> int:
    frames = 0
    waiting: deque[Future[tuple[bytes, list[Look]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix='anon-look') as pool:

        def settle(most: int) -> None:
            while len(waiting) > most:
                writer.add(*waiting.popleft().result())

        for group in _groups(file, part, plan, progress):
            waiting.append(pool.submit(_look, group, tools))
            frames += len(group)
            settle(LOOKS_PER_WORKER * threads)
        settle(0)
    return frames


def _groups(
    file: SourceFile, part: PartOfBag, plan: TopicPlan, progress: Callable[[int, int], None]
) -> Iterator[list[Waiting]]:
    """Yield what is decoded together in the part, without what its end cuts off."""
    start = file.message_count * part.number // part.of
    stop = file.message_count * (part.number + 1) // part.of
    grouping: Grouping[Waiting] = Grouping()
    for number, message in enumerate(file.messages(skip=start), start):
        if number >= stop:
            return
        if plan.action(message.connection) is Action.ANONYMIZE:
            yield from grouping.add(Waiting(message))
        progress(number + 1 - start, stop - start)
    yield from grouping.rest()


def _look(group: list[Waiting], tools: Tools) -> tuple[bytes, list[Look]]:
    messages, parameters = [each.message for each in group], group[0].parameters
    return digest(messages, parameters), jobs.look(messages, tools, parameters)
