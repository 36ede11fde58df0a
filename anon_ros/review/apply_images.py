# SPDX-License-Identifier: Apache-2.0
"""Write pictures again with corrections: the touched ones rendered anew, all else to the byte."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros.audit.manifest import REGIONS_NAME, SIDECAR, sidecar_path
from anon_ros.audit.regions_file import RegionsWriter
from anon_ros.audit.seal import hashed_file
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.errors import FrameError, OutputError
from anon_ros.media.compressed import open_compressed
from anon_ros.review.pictures import picture_path
from anon_ros.runs.images import TOPIC

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import FileRecord, Manifest
    from anon_ros.review.changes import Change, Plan
    from anon_ros.review.result import Stream


def apply_to_images(plan: Plan) -> None:
    """
    Write the corrected pictures.

    Raises InputError where one is not there, OutputError where they cannot be written.
    """
    is_folder = plan.result.path.is_dir()
    partial = plan.target.with_name(f'{plan.target.name}.partial')
    sidecar = partial / SIDECAR if is_folder else sidecar_path(plan.target)
    try:
        for stale in (partial, sidecar):
            shutil.rmtree(stale, ignore_errors=True)
        sidecar.mkdir(parents=True)
        stream = plan.result.streams[0]
        header = plan.result.index.reader.header
        with RegionsWriter(sidecar / REGIONS_NAME, header) as regions:
            for number in range(len(stream)):
                regions.write(_write(plan, stream, number, partial))
                plan.progress(number + 1, len(stream))
        plan.close(sidecar, _manifest(plan, partial), ())
        partial.rename(plan.target)
    except OSError as error:
        raise OutputError(f'{plan.target}: cannot be written: {error.strerror}') from error


def _write(plan: Plan, stream: Stream, number: int, partial: Path) -> FrameRegions:
    """Write one picture; return what is hidden in it from now on."""
    name = stream.key(number)[0]
    old = picture_path(plan.result.path, name)
    new = partial / name if plan.result.path.is_dir() else partial
    change = plan.changes.of(stream, number)
    frame = change.corrected
    new.parent.mkdir(parents=True, exist_ok=True)
    if number not in plan.changes.touched[stream.number]:
        # One that could not even be opened was never written.
        if old.exists():
            shutil.copy2(old, new)
    else:
        data, frame = _rendered(plan, name, old, change)
        new.write_bytes(data)
    plan.tools.recorder.frame(
        TOPIC, frame.stamp_ns, frame.regions, Outcome(frame.outcome).value, frame.reason or None,
        frame.synthesis,
    )
    return frame


def _rendered(
    plan: Plan, name: str, old: Path, change: Change
) -> tuple[bytes | memoryview, FrameRegions]:
    """Return a picture as corrected, masked where that fails, and what became of it."""
    regions, path = change.added, old
    if change.is_struck:
        if plan.source is None:
            raise FrameError('striking takes the source')
        regions, path = change.corrected.regions, picture_path(plan.source, name)
    data = path.read_bytes()
    frame = open_compressed(data, max_pixels=plan.tools.max_pixels)
    try:
        done = plan.tools.anonymizer.anonymize(frame, regions, name)
    except Exception as error:  # noqa: BLE001 - fails closed: the picture is masked
        masked = change.rendered(Outcome.MASKED, str(error), None, is_anew=True)
        return frame.encode_masked(), masked
    payload = data if done.payload is None else done.payload
    return payload, change.rendered(
        done.outcome, '', done.synthesis, is_anew=change.is_struck)


def _manifest(plan: Plan, partial: Path) -> Manifest:
    old = plan.result.manifest
    cameras = plan.tools.recorder.counts()
    return replace(
        old, result=replace(old.result, name=plan.name, files=tuple(_files(plan, partial))),
        topics=tuple(
            replace(topic, camera=cameras.get(topic.name, topic.camera)) for topic in old.topics
        ),
    )


def _files(plan: Plan, partial: Path) -> list[FileRecord]:
    if not partial.is_dir():
        return [replace(hashed_file(partial), name=plan.name)]
    files = sorted(path for path in partial.rglob('*') if path.is_file())
    return [
        replace(hashed_file(path), name=str(path.relative_to(partial)))
        for path in files if SIDECAR not in path.relative_to(partial).parts[:1]
    ]
