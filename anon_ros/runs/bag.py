# SPDX-License-Identifier: Apache-2.0
"""Anonymize a bag: everything from the path of one to the path of the other."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.chain import ChainWriter
from anon_ros.audit.corrections import Corrections, read_corrections
from anon_ros.audit.frame_regions import FrameRegions, from_plain
from anon_ros.audit.manifest import CHAIN_NAME, REGIONS_NAME, sidecar_path
from anon_ros.audit.regions_file import RegionsIndex, RegionsReader, RegionsWriter
from anon_ros.bags.jobs import Tools
from anon_ros.bags.links import topic_of
from anon_ros.bags.pipeline import Item, Known, Past, Pipeline
from anon_ros.bags.rewrite import CONTEXT_NS, Progress, Records, Rewriter
from anon_ros.bags.sniff import looks_like_image
from anon_ros.bags.storage import Attachment, create_bag, open_bag
from anon_ros.bags.storage.bag_metadata import NAME as METADATA_NAME
from anon_ros.bags.topics import Action, plan_topics
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.errors import OutputError, RegionsError, UsageError
from anon_ros.runs.records import (
    Run,
    bag_record,
    new_header,
    source_record,
    topic_records,
    write_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.audit.recorder import RunRecorder
    from anon_ros.audit.regions_file import Header, Source
    from anon_ros.bags.jobs import EarlierLooks
    from anon_ros.bags.storage import TargetBag
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings
    from anon_ros.factory import Networks


@dataclass(frozen=True)
class BagJob:
    """
    What to do.

    selected, copied, dropped: topics, see plan_topics. regions: a regions file to render from
    instead of detecting. corrections: made by hand, for that file. resume: go on where a run
    that was killed stopped.
    command: how it was asked for, for the manifest.
    """

    source: Path
    target: Path
    selected: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    regions: Path | None = None
    corrections: Path | None = None
    resume: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Means:
    """
    What whoever runs many jobs has at hand.

    networks: loaded once for all jobs; None to load them for this one. secret: the seed of the
    patterns where the settings name none, for runs that have to agree; it is written nowhere.
    looks: what was seen in some messages before; None where nobody looked.
    """

    networks: Networks | None = None
    secret: int = 0
    looks: EarlierLooks | None = None


@dataclass(frozen=True)
class BagResult:
    """What came of it: the manifest, and where it and the report lie."""

    manifest: Manifest
    sidecar: Path


def anonymize_bag(
    job: BagJob,
    settings: Settings,
    *,
    progress: Callable[[Progress, RunRecorder], None] = lambda *_: None,
    detector: RegionDetector | None = None,
    means: Means | None = None,
) -> BagResult:
    """
    Write an anonymized copy of a bag.

    detector: what finds regions; None to take the networks that the settings name.
    Raises TopicError, InputError, OutputError or ModelError before or while it writes; what was
    written by then lies beside the target and opens as no bag.
    """
    means = means or Means()
    run = Run(settings, job.command)
    if means.networks is not None:
        run = replace(run, store=means.networks.store)
    with ExitStack() as stack:
        source = stack.enter_context(open_bag(job.source))
        plan = plan_topics(
            source, selected=job.selected, copied=job.copied, dropped=job.dropped
        )
        origin = source_record(source, plan)
        known, context = _known_regions(job, origin), None
        if known is None and detector is None:
            networks = means.networks or factory.load_networks(settings, run.store)
            detector, context = networks.detector, networks.context
        anonymizer = factory.build_anonymizer(settings, run.store, secret=means.secret)
        target = stack.enter_context(create_bag(
            job.target, source,
            keep=lambda connection: plan.action(connection) is not Action.DROP,
            keep_attachment=_Attachments(run.recorder).keep, resume=job.resume,
        ))
        sidecar = _make_sidecar(target)
        header = new_header(origin, settings)
        done = sum(target.file(file).messages_done for file in source.files)
        writer, past = _open_regions(sidecar, header, run.recorder, done)
        stack.enter_context(writer)
        topics = [topic_of(connection) for connection in source.connections]
        chain = stack.enter_context(ChainWriter(sidecar / CHAIN_NAME, topics, done))
        tools = Tools(
            None if known else detector, anonymizer, run.recorder,
            int(settings.max_megapixels * 1e6), plan.depth, context, means.looks,
        )
        pipeline = stack.enter_context(Pipeline(
            tools, threads=factory.thread_count(settings),
            window_ns=0 if known else int(settings.window_s * 1e9),
            new_tracker=lambda _: factory.build_tracker(settings, is_known=known is not None),
            known=known, past=past,
        ))
        rewriter = Rewriter(source, target, plan, pipeline, tools, Records(writer, chain))
        rewriter.run(lambda done: progress(done, run.recorder))
        writer.close()
        chain.close()
        target.complete()
        manifest = write_records(
            sidecar, run=run, source=bag_record(source, job.source.name, origin),
            result=bag_record(source, job.target.name, origin, target.parts()),
            topics=topic_records(source, plan, run.recorder), bags=_bag_files(target),
        )
        target.publish()
    return BagResult(manifest, sidecar_path(job.target))


def _known_regions(job: BagJob, origin: Source) -> _KnownRegions | None:
    if job.regions is not None:
        return _KnownRegions(job.regions, job.corrections, origin)
    if job.corrections is not None:
        raise UsageError('corrections need the regions file that they correct: name both')
    return None


def _bag_files(target: TargetBag) -> list[Path]:
    """Return the files of the result that hold messages."""
    return [path for name, path in target.parts().items() if name != METADATA_NAME]


class _KnownRegions:
    """Regions from a file, corrected by hand, instead of from detectors."""

    def __init__(self, path: Path, corrections_path: Path | None, origin: Source) -> None:
        self._path = path
        self._index = RegionsIndex(path)
        self._index.reader.check_source(origin)
        self._corrections = Corrections()
        if corrections_path is not None:
            self._corrections = read_corrections(corrections_path, self._index.reader)
            self._corrections.check_against(self._index)

    def __call__(self, item: Item) -> Known:
        """Return what the file says of a message; raise RegionsError where it says nothing."""
        topic = item.message.connection.topic
        found = self._index.find(topic, item.index)
        if found is None:
            raise RegionsError(f'{self._path} says nothing of message {item.index} on {topic}')
        found = self._corrections.apply(found)
        is_withheld = found.outcome == Outcome.MASKED.value
        return Known(found.regions, (found.reason or 'withheld before') if is_withheld else None)


class _Attachments:
    """Keeps what is in the files beside messages, unless it may hold a picture."""

    def __init__(self, recorder: RunRecorder) -> None:
        self._recorder = recorder

    def keep(self, attachment: Attachment) -> bool:
        """Return whether it is copied; what is left out is counted."""
        is_media = attachment.media_type.startswith(('image/', 'video/'))
        found = 'by its type' if is_media else looks_like_image(attachment.data)
        if found is not None:
            self._recorder.dropped(
                attachment.name, f'an attachment that holds a picture ({found})'
            )
        return found is None


def _make_sidecar(target: TargetBag) -> Path:
    try:
        target.sidecar_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'{target.sidecar_path}: cannot be made: {error.strerror}') from error
    return target.sidecar_path


def _open_regions(
    sidecar: Path, header: Header, recorder: RunRecorder, done: int
) -> tuple[RegionsWriter, Past]:
    """
    Return the regions file to write, and what an earlier run left behind.

    done: messages that the result has already. The recorder is told all that the earlier run did.
    """
    path = sidecar / REGIONS_NAME
    if not path.exists():
        return RegionsWriter(path, header), Past()
    writer = RegionsWriter(path, header, append_after=done - 1)
    last: deque[FrameRegions] = deque()
    past = Past()
    for line in RegionsReader(path).lines(is_whole=False):
        frame = from_plain(line.value)
        recorder.frame(
            frame.topic, frame.log_ns, frame.regions, Outcome(frame.outcome).value,
            frame.reason or None, frame.synthesis,
        )
        highest = int(frame.regions.track_ids.max(initial=-1))
        if highest >= past.next_track_ids.get(frame.topic, 0):
            past.next_track_ids[frame.topic] = highest + 1
        last.append(frame)
        while frame.log_ns - last[0].log_ns > CONTEXT_NS:
            last.popleft()
    past.regions.update((frame.index, frame.regions) for frame in last)
    return writer, past
