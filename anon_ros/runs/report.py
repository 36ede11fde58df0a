# SPDX-License-Identifier: Apache-2.0
"""Write a result's report from what lies beside it, with pictures of the result itself."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from anon_ros.audit.findings import Findings, read_findings
from anon_ros.audit.manifest import (
    REGIONS_NAME,
    REPORT_NAME,
    manifest_path,
    read_manifest,
    sidecar_path,
)
from anon_ros.audit.pictures import FrameChoice, PictureShelf, take_picture
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.report import SHOWN_RISKS, Pictures, write_report
from anon_ros.audit.risk_pictures import take_look
from anon_ros.core import settings as settings_module
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.errors import InputError
from anon_ros.runs.result_frames import result_frames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import Manifest


def rebuild_report(target: Path) -> Path:
    """
    Write a result's report anew; return where it lies.

    Raises InputError where something beside the result cannot be read, OutputError where the
    report cannot be written.
    """
    sidecar = sidecar_path(target)
    report_of(sidecar, read_manifest(manifest_path(target)), [target])
    return sidecar / REPORT_NAME


def report_of(sidecar: Path, manifest: Manifest, bags: Sequence[Path]) -> None:
    """
    Write a report into a sidecar.

    bags: the result, as a whole or file by file; no pictures are taken where it is no bag.
    """
    shelf: PictureShelf[FrameChoice] = PictureShelf()
    findings = read_findings(sidecar, manifest, lambda frames: _watched(frames, shelf))
    pictures = Pictures()
    if manifest.seal is not None and manifest.seal.chain_file is not None:
        chosen = [choice.frame for choice in shelf.pictures()]
        # A report without pictures is better than none: a verification tells what is wrong.
        with suppress(InputError):
            pictures = _take_pictures(sidecar, manifest, bags, chosen, findings)
    write_report(manifest, pictures, sidecar / REPORT_NAME, findings)


def _watched(
    frames: Iterable[FrameRegions], shelf: PictureShelf[FrameChoice]
) -> Iterator[FrameRegions]:
    """Pass frames on, and choose some of those in which something was hidden."""
    for frame in frames:
        if frame.outcome == Outcome.ANONYMIZED.value and shelf.wants(
            frame.topic, frame.log_ns, frame.regions
        ):
            shelf.put(FrameChoice(frame))
        yield frame


def _take_pictures(
    sidecar: Path, manifest: Manifest, bags: Sequence[Path], chosen: Sequence[FrameRegions],
    findings: Findings,
) -> Pictures:
    settings = settings_module.from_mapping(manifest.settings)
    risky = {(frame.topic, frame.index): frame for frame in findings.risky[:SHOWN_RISKS]}
    on_sheet = {(frame.topic, frame.index) for frame in chosen}
    others = _find(sidecar / REGIONS_NAME, risky.keys() - on_sheet)
    sheet, looks = [], {}
    for frame, image_bgr in result_frames(sidecar, bags, [*chosen, *others], settings):
        key = frame.topic, frame.index
        if key in on_sheet:
            sheet.append(take_picture(frame.topic, frame.log_ns, image_bgr, frame.regions))
        if key in risky:
            looks[key] = take_look(risky[key], frame.regions, image_bgr)
    sheet.sort(key=lambda picture: (picture.topic, picture.stamp_ns))
    return Pictures(sheet, looks)


def _find(path: Path, wanted: Collection[tuple[str, int]]) -> list[FrameRegions]:
    """Return the frames of these topics and indices."""
    found: list[FrameRegions] = []
    for frame in RegionsReader(path):
        if len(found) == len(wanted):
            break
        if (frame.topic, frame.index) in wanted:
            found.append(frame)
    return found
