# SPDX-License-Identifier: Apache-2.0
"""
Write a bag again with corrections: the touched frames rendered anew, all else to the byte.

A region that was drawn is put over the frame as it is, so that nothing else in it changes. Where
one is struck, the frame comes from the source, with all that is still to be hidden.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros.audit.chain import ChainReader, ChainWriter, Fate, Link
from anon_ros.audit.manifest import CHAIN_NAME, REGIONS_NAME, TopicRecord
from anon_ros.audit.regions_file import RegionsWriter
from anon_ros.audit.seal import hashed_file
from anon_ros.bags import jobs
from anon_ros.bags.links import link_of
from anon_ros.bags.storage import create_bag, open_bag
from anon_ros.bags.storage.bag_metadata import NAME as METADATA_NAME
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.errors import BagError
from anon_ros.review.opening import bag_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import Manifest
    from anon_ros.bags.jobs import Tools
    from anon_ros.bags.storage import Message, SourceBag, TargetBag
    from anon_ros.bags.storage.target_bag import AnyTarget
    from anon_ros.review.bag_frames import BagFrames
    from anon_ros.review.changes import Change, Changes, Plan
    from anon_ros.review.result import Result, Stream


def apply_to_bag(plan: Plan) -> None:
    """
    Write the corrected bag; it appears at its place when it is whole.

    Raises InputError where a bag is not the one that it should be, OutputError where it cannot be
    written.
    """
    result = plan.result
    with ExitStack() as stack:
        bag = stack.enter_context(open_bag(result.path))
        frames = bag_frames(result, bag, plan.tools, lambda *_: None, is_source=False)
        originals = None
        if plan.source is not None:
            source = stack.enter_context(open_bag(plan.source))
            originals = bag_frames(result, source, plan.tools, lambda *_: None, is_source=True)
        target = stack.enter_context(create_bag(
            plan.target, bag, keep=lambda _: True, keep_attachment=lambda _: True))
        sidecar = target.sidecar_path
        sidecar.mkdir(parents=True, exist_ok=True)
        renderer = _Renderer(result, plan.changes, frames, originals, plan.tools)
        old_chain = ChainReader(result.sidecar / CHAIN_NAME)
        topics = [(name, kind) for name, kind in old_chain.header.topics]
        with (
            RegionsWriter(sidecar / REGIONS_NAME, result.index.reader.header) as regions,
            ChainWriter(sidecar / CHAIN_NAME, topics) as chain,
        ):
            _Copy(plan, bag, target, renderer, regions, chain).run(old_chain)
        target.complete()
        plan.close(sidecar, _manifest(plan, target), [
            path for name, path in target.parts().items() if name != METADATA_NAME])
        target.publish()


class _Renderer:
    """Renders the frames that corrections touch, a video's by whole groups."""

    def __init__(
        self, result: Result, changes: Changes, frames: BagFrames, originals: BagFrames | None,
        tools: Tools,
    ) -> None:
        self._result = result
        self._changes = changes
        self._frames = frames
        self._originals = originals
        self._tools = tools
        self._touched = {
            number: frozenset(numbers) for number, numbers in changes.touched.items()
        }
        self._done: dict[tuple[int, int], tuple[FrameRegions, bytes | None]] = {}

    def render(self, stream: Stream, number: int) -> tuple[FrameRegions, bytes | None] | None:
        """Return what a frame becomes, and its message or None; None where all stays as it is."""
        key = stream.number, number
        if key not in self._done:
            group = self._frames.group(stream, number)
            if self._touched[stream.number].isdisjoint(group):
                return None
            self._render_group(stream, group)
        return self._done.pop(key)

    def _render_group(self, stream: Stream, group: range) -> None:
        changes = [self._changes.of(stream, number) for number in group]
        base = self._base(stream, group, changes)
        batch = [base.message(stream, number) for number in group]
        found = [message for message in batch if message is not None]
        if len(found) != len(batch):
            raise BagError(f'{stream.name}: a frame that is to be corrected was left out')
        is_original = base is self._originals
        regions = [each.corrected.regions if is_original else each.added for each in changes]
        parameters = base.parameters(stream, group.start)
        reasons = [each.reason for each in jobs.look(found, self._tools, parameters)]
        renderings = jobs.render(
            found, regions, self._tools, parameters=parameters,
            withheld=next((reason for reason in reasons if reason is not None), None),
            fallback_wh=changes[0].corrected.size_wh,
        )
        for number, change, rendering, message in zip(
            group, changes, renderings, found, strict=True
        ):
            frame = change.rendered(
                rendering.outcome, rendering.reason or '', rendering.synthesis,
                is_anew=is_original,
            )
            # What has nothing to hide may leave as it was read.
            is_same = rendering.outcome is Outcome.UNCHANGED
            data = bytes(message.data) if is_same else rendering.data
            self._done[stream.number, number] = frame, data

    def _base(self, stream: Stream, group: range, changes: list[Change]) -> BagFrames:
        """Return what a group is rendered from; a video's is encoded once less from the source."""
        is_struck = any(change.is_struck for change in changes)
        if self._originals is None or not (is_struck or len(group) > 1):
            if is_struck:
                raise BagError(f'{stream.name}: striking takes the source')
            return self._frames
        if self._originals.group(stream, group.start) != group:
            raise BagError(
                f'{self._result.path}: the groups of pictures of {stream.name} are not those of '
                'the source'
            )
        return self._originals


class _Copy:
    """Carries all messages over, the touched ones as they were rendered."""

    def __init__(
        self, plan: Plan, bag: SourceBag, target: TargetBag, renderer: _Renderer,
        regions: RegionsWriter, chain: ChainWriter,
    ) -> None:
        self._plan = plan
        self._bag = bag
        self._target = target
        self._renderer = renderer
        self._regions = regions
        self._chain = chain
        self._streams = {stream.name: stream for stream in plan.result.streams}

    def run(self, old_chain: ChainReader) -> None:
        """Copy everything but the last step, the target's completion."""
        messages = self._messages()
        done = 0
        for index, record in enumerate(old_chain):
            topic = old_chain.name(record)
            stream = self._streams.get(topic[0])
            number = None if stream is None else stream.find(index)
            link = Link(Fate(record.fate), record.before, record.after)
            if link.fate.is_kept:
                target, message = next(messages)
                if stream is None or number is None:
                    target.write(message, message.data)
                else:
                    link = self._write(target, message, link, stream, number)
                done += 1
                self._plan.progress(done, self._bag.message_count)
            elif stream is not None and number is not None:
                self._note(self._plan.changes.of(stream, number).corrected)
            self._chain.write(topic, record.log_ns, link)
        if next(messages, None) is not None:
            raise BagError(f'{self._bag.path}: it holds more messages than its chain tells of')

    def _messages(self) -> Iterator[tuple[AnyTarget, Message]]:
        for file in self._bag.files:
            target = self._target.file(file)
            for message in file.messages():
                yield target, message

    def _write(
        self, target: AnyTarget, message: Message, link: Link, stream: Stream, number: int
    ) -> Link:
        """Write a camera's message; return what the chain says of it from now on."""
        rendered = self._renderer.render(stream, number)
        if rendered is None:
            self._note(self._plan.changes.of(stream, number).corrected)
            target.write(message, message.data)
            return link
        frame, data = rendered
        self._note(frame)
        if data is None:
            target.drop(message)
        else:
            target.write(message, data)
        new = link_of(message, Outcome(frame.outcome), data)
        return link._replace(fate=new.fate, after=new.after)

    def _note(self, frame: FrameRegions) -> None:
        """Write down what is hidden in a frame from now on, and count it."""
        self._regions.write(frame)
        self._plan.tools.recorder.frame(
            frame.topic, frame.log_ns, frame.regions, Outcome(frame.outcome).value,
            frame.reason or None, frame.synthesis,
        )


def _manifest(plan: Plan, target: TargetBag) -> Manifest:
    """Return the manifest of the corrected bag, without what the caller adds."""
    old, recorder = plan.result.manifest, plan.tools.recorder
    cameras = recorder.counts()
    files = [
        replace(hashed_file(path), name=plan.name if name == plan.target.name else name)
        for name, path in target.parts().items()
    ]
    topics: list[TopicRecord] = [
        replace(topic, camera=cameras.get(topic.name, topic.camera)) for topic in old.topics
    ]
    return replace(
        old, result=replace(old.result, name=plan.name, files=tuple(files)),
        topics=tuple(topics),
    )
