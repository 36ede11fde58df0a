# SPDX-License-Identifier: Apache-2.0
"""Bring a review's corrections into the result: `anon-ros review DST --apply`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.corrections import read_corrections
from anon_ros.audit.flags import LONE_WEAK, NO_FACE, find_flags
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.seal import hashed_file
from anon_ros.bags.jobs import Tools
from anon_ros.core import settings as settings_module
from anon_ros.errors import OutputError, UsageError
from anon_ros.review.apply_bag import apply_to_bag
from anon_ros.review.apply_images import apply_to_images
from anon_ros.review.apply_video import apply_to_video
from anon_ros.review.changes import Changes, Plan, correction_records
from anon_ros.review.corrections import CORRECTIONS_NAME
from anon_ros.review.edits import Applied
from anon_ros.review.journal import JOURNAL_NAME, Journal
from anon_ros.review.opening import open_material
from anon_ros.review.session import Session, now
from anon_ros.review.swap import corrected_path, finish_swap
from anon_ros.runs.images import TOPIC as IMAGES
from anon_ros.runs.records import seal_records
from anon_ros.runs.video import TOPIC as VIDEO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anon_ros.audit.manifest import CorrectionRecord, Manifest
    from anon_ros.review.result import Result

_JOBS: Mapping[str, Callable[[Plan], None]] = {IMAGES: apply_to_images, VIDEO: apply_to_video}


@dataclass(frozen=True)
class ApplyJob:
    """
    What to do.

    target: a reviewed result. source: what it was made from; without it nothing can be struck.
    out: where the corrected result goes; None for the place of the result itself.
    reviewer: who applies.
    """

    target: Path
    source: Path | None
    out: Path | None
    reviewer: str


@dataclass(frozen=True)
class ApplyResult:
    """
    What was done.

    frames: how many were rendered anew. doubts: in how many a drawn region is doubtful, and
    nobody has looked again.
    """

    path: Path
    frames: int
    corrections: tuple[CorrectionRecord, ...]
    doubts: int = 0


def apply_review(
    job: ApplyJob, progress: Callable[[int, int], None] = lambda *_: None
) -> ApplyResult:
    """
    Render what a review corrected; everything else keeps its bytes.

    Raises UsageError where there is nothing to apply or it takes the source, InputError where
    something cannot be read, OutputError where something cannot be written: the result is the
    old one then.
    """
    finish_swap(job.target)
    new = corrected_path(job.target) if job.out is None else job.out
    if new.exists():
        raise OutputError(f'{new} exists already; name another --out, or move it')
    with open_material(job.target, job.source) as material, Journal(
        material.result.sidecar / JOURNAL_NAME, material.result.index.reader.header.source
    ) as journal:
        if job.out is None:
            # What a kill left of an earlier try is begun anew: only the touched frames take time.
            # Whoever holds the journal is alone here.
            shutil.rmtree(new.with_name(f'{new.name}.partial'), ignore_errors=True)
        session = Session(material, journal, job.reviewer)
        session.follow_all()
        doubts = session.open_doubts()
        done = replace(_apply(job, new, material.result, journal, progress), doubts=doubts)
    if job.out is None:
        finish_swap(job.target)
    return done


def _apply(
    job: ApplyJob, new: Path, result: Result, journal: Journal,
    progress: Callable[[int, int], None],
) -> ApplyResult:
    state = journal.state
    if not (state.drawn or state.struck or state.struck_boxes):
        raise UsageError(f'{job.target}: there is nothing to apply: nothing was corrected')
    corrections = read_corrections(result.sidecar / CORRECTIONS_NAME, result.index.reader)
    corrections.check_against(result.index)
    changes = Changes(result, corrections)
    if job.source is None and changes.takes_source:
        raise UsageError(
            f'{job.target}: a region was struck, so the original has to be shown there: '
            'name --source'
        )
    records = correction_records(result, state, now())
    place = job.target if job.out is None else job.out
    tools = _tools(result)
    applied = Applied(tuple(edit.id for edit in state.alive), job.reviewer, now())

    def close(sidecar: Path, manifest: Manifest, bags: Sequence[Path]) -> None:
        _seal(sidecar, replace(manifest, corrections=(*manifest.corrections, *records)), bags)
        journal.copy_to(sidecar / JOURNAL_NAME, applied)

    plan = Plan(
        result, changes, job.source, new, place.name, tools, close, progress)
    _JOBS.get(result.kind, apply_to_bag)(plan)
    return ApplyResult(place, changes.frames, records)


def _tools(result: Result) -> Tools:
    settings = settings_module.from_mapping(result.manifest.settings)
    names = frozenset(stream.name for stream in result.streams)
    return Tools(
        None, factory.build_anonymizer(settings), RunRecorder(),
        int(settings.max_megapixels * 1e6), names,
    )


def _seal(sidecar: Path, manifest: Manifest, bags: Sequence[Path]) -> None:
    """Complete a sidecar whose regions file is whole: flags, seal, manifest and report."""
    regions = sidecar / REGIONS_NAME
    settings = settings_module.from_mapping(manifest.settings)
    # These alone were raised while the networks ran; the others are found anew.
    raised = [flag for flag in manifest.flags.first if flag.reason not in {LONE_WEAK, NO_FACE}]
    flags = find_flags(
        lambda: RegionsReader(regions), settings_module.target_kinds(settings), raised)
    sealed = replace(manifest, regions_file=hashed_file(regions), flags=flags, seal=None)
    seal_records(sidecar, sealed, bags)
