# SPDX-License-Identifier: Apache-2.0
"""
Write a video file again with corrections.

Its pictures build on one another from end to end, so all of them are rendered anew, from the
source: from the result each would lose a little more.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros.audit.manifest import sidecar_path
from anon_ros.audit.regions_file import RegionsWriter
from anon_ros.core import settings as settings_module
from anon_ros.errors import OutputError, UsageError
from anon_ros.runs.video import anonymize_video

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.review.changes import Plan


def apply_to_video(plan: Plan) -> None:
    """
    Write the corrected video.

    Raises UsageError without the source, InputError and OutputError like anonymize_video.
    """
    if plan.source is None:
        raise UsageError('a video file is rendered from its source as a whole: name --source')
    beside = plan.target.with_name(f'{plan.target.stem}.rendering{plan.target.suffix}')
    regions = plan.target.with_name(f'{plan.target.name}.regions')
    _remove(beside, regions)
    try:
        _write_regions(plan, regions)
        old = plan.result.manifest
        settings = settings_module.from_mapping(old.settings)
        new = anonymize_video(
            plan.source, beside, settings, regions=regions, command=old.command,
            progress=lambda done, total, _: plan.progress(done, total),
        ).manifest
        files = tuple(replace(file, name=plan.name) for file in new.result.files)
        plan.close(sidecar_path(beside), replace(
            new, models=old.models, corrections=old.corrections, flags=old.flags,
            result=replace(new.result, name=plan.name, files=files),
        ), ())
        _publish(beside, plan.target)
    finally:
        _remove(beside, regions)


def _write_regions(plan: Plan, path: Path) -> None:
    with RegionsWriter(path, plan.result.index.reader.header) as writer:
        for stream in plan.result.streams:
            for number in range(len(stream)):
                writer.write(plan.changes.of(stream, number).corrected)


def _publish(beside: Path, target: Path) -> None:
    try:
        shutil.rmtree(sidecar_path(target), ignore_errors=True)
        sidecar_path(beside).rename(sidecar_path(target))
        beside.rename(target)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error.strerror}') from error


def _remove(beside: Path, regions: Path) -> None:
    beside.unlink(missing_ok=True)
    regions.unlink(missing_ok=True)
    shutil.rmtree(sidecar_path(beside), ignore_errors=True)
