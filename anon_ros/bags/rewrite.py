# SPDX-License-Identifier: Apache-2.0
"""
Bag in, anonymized bag out.

One streaming pass: every message is read once, goes through the pipeline, and is written to the
file and in the order it came from.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from anon_ros.audit.chain import NOTHING, Fate, Link
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.bags.groups import Grouping
from anon_ros.bags.inspect_topic import needs_watch
from anon_ros.bags.links import hash_of, link_of, topic_of
from anon_ros.bags.pipeline import Item
from anon_ros.bags.sniff import looks_like_image
from anon_ros.bags.topics import Action
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Regions
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anon_ros.audit.chain import ChainWriter
    from anon_ros.audit.regions_file import RegionsWriter
    from anon_ros.bags.jobs import Rendering, Tools
    from anon_ros.bags.pipeline import Pipeline
    from anon_ros.bags.storage import SourceBag, TargetBag
    from anon_ros.bags.storage.interface import Connection, Message, TargetFile
    from anon_ros.bags.topics import TopicPlan

CONTEXT_NS = 2 * 10**9
"""What a resumed run looks at again before it goes on, so that tracks reach across."""
PROGRESS_EVERY = 64
ADVANCE_EVERY = 16
"""Messages between two looks at the workers; each camera message is one of its own accord."""
NO_SIZE_WH = (1, 1)
"""What the regions file says of a frame whose size nobody could tell."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: source messages done, and all of them or -1 where nobody knows."""

    done: int
    total: int


class Records(NamedTuple):
    """What is written down about each message: what was found in it, and what became of it."""

    regions: RegionsWriter
    chain: ChainWriter


class Rewriter:
    """Carries the messages of a source bag through the pipeline into a target bag."""

    def __init__(
        self,
        source: SourceBag,
        target: TargetBag,
        plan: TopicPlan,
        pipeline: Pipeline,
        tools: Tools,
        records: Records,
    ) -> None:
        """Take both bags and whatever is between them; none of it is closed here."""
        self._source = source
        self._target = target
        self._plan = plan
        self._pipeline = pipeline
        self._tools = tools
        self._regions_writer = records.regions
        self._chain = records.chain
        self._grouping: Grouping[Item] = Grouping()
        self._context: deque[list[Item]] = deque()
        self._index = 0
        self._plain: set[Connection] = set()
        self._actions: dict[Connection, tuple[Action, bool]] = {}
        self._numbers: dict[Connection, int] = {}
        self._waiting: deque[TargetFile] = deque()

    def run(self, progress: Callable[[Progress], None]) -> None:
        """
        Rewrite everything but the last step, the target's own finish.

        Raises BagError for a damaged source and OutputError where the target cannot be written.
        """
        targets = [self._target.file(file) for file in self._source.files]
        self._waiting.extend(targets)
        total = self._source.message_count
        for file, target in zip(self._source.files, targets, strict=True):
            done_before = self._index + target.messages_done
            for message in file.messages():
                if message.connection in self._plain and self._pipeline.is_empty:
                    # Most messages of most bags go this short way.
                    self._copy(message, target, is_done=self._index < done_before)
                else:
                    self._take(message, target, is_context=self._index < done_before)
                self._index += 1
                if self._index % PROGRESS_EVERY == 0:
                    progress(Progress(self._index, total))
        for group in self._grouping.rest():
            self._feed(group)
        self._write_all(self._pipeline.finish())
        while self._waiting:
            self._waiting.popleft().finish()
        progress(Progress(self._index, self._index))

    def _copy(self, message: Message, target: TargetFile, *, is_done: bool) -> None:
        """Write a message that nobody looks into and that nothing waits before."""
        if is_done:
            self._recall(message, Action.COPY)
            return
        if self._waiting[0] is not target:
            self._reach(target)
        self._link_copy(message)
        target.write(message, message.data)

    def _take(self, message: Message, target: TargetFile, *, is_context: bool) -> None:
        action = self._action(message)
        if action is Action.COPY and self._pipeline.is_empty:
            self._copy(message, target, is_done=is_context)
            return
        item = Item(message, action, target, self._index, is_context)
        if is_context:
            self._recall(message, action)
        else:
            self._pipeline.queue(item)
        if action is Action.ANONYMIZE:
            for group in self._grouping.add(item):
                self._feed(group)
        if action is Action.ANONYMIZE or self._index % ADVANCE_EVERY == 0:
            self._write_all(self._pipeline.advance(message.log_ns))

    def _action(self, message: Message) -> Action:
        """Return what the plan says, unless a copied message turns out to hold a picture."""
        connection = message.connection
        known = self._actions.get(connection)
        if known is None:
            is_watched = self._plan.is_watched(connection) and needs_watch(connection)
            known = self._plan.action(connection), is_watched
            self._actions[connection] = known
            if known == (Action.COPY, False):
                self._plain.add(connection)
        action, is_watched = known
        if not is_watched:
            return action
        found = looks_like_image(message.data)
        if found is None:
            return action
        self._tools.recorder.dropped(
            connection.topic, f'it holds a picture ({found}) all of a sudden'
        )
        return Action.DROP

    def _feed(self, group: list[Item]) -> None:
        """Send a group to the workers; keep it back as context while all is written already."""
        if group[-1].is_context:
            self._context.append(group)
            newest_ns = group[-1].message.log_ns
            while newest_ns - self._context[0][-1].message.log_ns > CONTEXT_NS:
                self._context.popleft()
            return
        while self._context:
            self._pipeline.look(self._context.popleft())
        self._pipeline.look(group)

    def _write_all(self, items: Iterator[Item]) -> None:
        for item in items:
            self._reach(item.target)
            self._write(item)

    def _reach(self, target: TargetFile) -> None:
        """Finish the files before this one: all of their messages are written."""
        while self._waiting[0] is not target:
            self._waiting.popleft().finish()

    def _write(self, item: Item) -> None:
        if item.action is Action.ANONYMIZE:
            self._write_frame(item, item.result())
        elif item.action is Action.COPY:
            self._link_copy(item.message)
            item.target.write(item.message, item.message.data)
        else:
            is_planned = self._plan.action(item.message.connection) is Action.DROP
            fate = Fate.DROPPED if is_planned else Fate.WITHHELD
            link = Link(fate, hash_of(item.message), NOTHING)
            self._chain.write(topic_of(item.message.connection), item.message.log_ns, link)
            item.target.drop(item.message)

    def _link_copy(self, message: Message) -> None:
        """Write down a message that goes over as it is."""
        connection, log_ns, publish_ns, sequence, data = message[:5]
        number = self._numbers.get(connection)
        if number is None:
            number = self._numbers[connection] = self._chain.number(topic_of(connection))
        self._chain.copied(number, log_ns, publish_ns, sequence, data)

    def _recall(self, message: Message, action: Action) -> None:
        """Write down again what a run that was killed had in memory only: copied messages."""
        if self._index < self._chain.count:
            return
        if action is not Action.COPY:
            raise OutputError(
                f'{self._target.path}: the chain of the run that is to go on has lost records, '
                'by a power cut perhaps; remove the .partial folder and start anew'
            )
        self._link_copy(message)

    def _write_frame(self, item: Item, rendering: Rendering) -> None:
        message, regions = item.message, item.regions or Regions.empty()
        # Before the message itself: a run that goes on can cut the file, but not add to it.
        self._regions_writer.write(FrameRegions(
            message.connection.topic, item.index, item.stamp_ns, message.log_ns,
            max(item.size_wh, NO_SIZE_WH), regions, rendering.outcome.value,
            rendering.reason or '', rendering.synthesis,
        ))
        link = rendering.link or link_of(message, rendering.outcome, rendering.data)
        self._chain.write(topic_of(message.connection), message.log_ns, link)
        if rendering.outcome is Outcome.UNCHANGED:
            item.target.write(message, message.data)
        elif rendering.data is None:
            item.target.drop(message)
        else:
            item.target.write(message, rendering.data)
        self._tools.recorder.frame(
            message.connection.topic, message.log_ns, regions, rendering.outcome.value,
            rendering.reason, rendering.synthesis,
        )
