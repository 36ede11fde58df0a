# SPDX-License-Identifier: Apache-2.0
"""Draw a sample of a result for people to label, and judge the result by what they see."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2

from anon_ros.audit.acceptance import FILE_NAME, judge, write_acceptance
from anon_ros.audit.chain import ChainReader
from anon_ros.audit.label_page import PAGE_NAME, write_label_page
from anon_ros.audit.labels import (
    FILE_NAME as LABELS_NAME,
)
from anon_ros.audit.labels import (
    FrameLabels,
    Labels,
    check_labels,
    hidden_labels,
    read_labels,
    write_labels,
)
from anon_ros.audit.manifest import (
    CHAIN_NAME,
    REGIONS_NAME,
    manifest_path,
    read_manifest,
    sidecar_path,
)
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.sample import Sample, draw_sample
from anon_ros.audit.seal import file_sha256
from anon_ros.core import settings as settings_module
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.runs.result_frames import result_frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.acceptance import Acceptance
    from anon_ros.audit.manifest import Manifest
    from anon_ros.core.regions import UInt8Array

FRAMES = 'frames'
_PNG_EFFORT = 3


@dataclass(frozen=True)
class _Asked:
    """A sample, and the questions about it; the pictures' hashes are not known yet."""

    manifest: Manifest
    sample: Sample
    labels: Labels


def write_sample(
    target: Path,
    size: int,
    folder: Path,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Labels:
    """
    Draw frames of an anonymized bag; write them as PNG files, with a labels file and a page.

    size: frames. folder: a new one. seed: another one gives another sample.
    Raises OutputError where the folder exists or cannot be written, UsageError where the result
    is no bag with a seal, InputError where a frame is no longer what it was.
    """
    asked = _ask(target, size, seed)
    try:
        (folder / FRAMES).mkdir(parents=True)
    except FileExistsError:
        raise OutputError(f'{folder} exists already; name another folder, or remove it') from None
    except OSError as error:
        raise OutputError(f'{folder}: cannot be made: {error.strerror}') from error
    try:
        labels = _write_pictures(asked, target, folder, progress)
        write_labels(labels, folder / LABELS_NAME)
        write_label_page(labels, folder / PAGE_NAME)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return labels


def judge_sample(target: Path, labels_path: Path) -> Acceptance:
    """
    Return what labels prove of a result, and write it beside the result's manifest.

    Raises InputError where the labels are of another result, incomplete, too few, contradict
    themselves, or are not about the frames that were drawn.
    """
    labels = read_labels(labels_path)
    asked = _ask(target, labels.size, labels.seed).labels
    check_labels(labels, asked, labels_path)
    for frame in labels.frames:
        _check_picture(frame, labels_path)
    acceptance = judge(labels)
    write_acceptance(acceptance, sidecar_path(target) / FILE_NAME)
    return acceptance


def _ask(target: Path, size: int, seed: int) -> _Asked:
    manifest, sidecar = read_manifest(manifest_path(target)), sidecar_path(target)
    if manifest.seal is None or manifest.seal.chain_file is None:
        raise UsageError(f'{target}: samples are drawn of bags that have a seal')
    root = manifest.seal.root
    regions = sidecar / REGIONS_NAME
    if manifest.regions_file is not None and file_sha256(regions) != manifest.regions_file.sha256:
        raise InputError(f'{regions}: was changed since the run')
    sample = draw_sample(lambda: RegionsReader(regions), size, seed=seed, root=root)
    chain = ChainReader(sidecar / CHAIN_NAME)
    settings = settings_module.from_mapping(manifest.settings)
    kinds = tuple(kind.label for kind in settings_module.target_kinds(settings))
    frames = tuple(
        FrameLabels(
            f'{FRAMES}/{number:05}.png', '', drawn.frame.topic, drawn.frame.index,
            drawn.frame.log_ns, drawn.frame.size_wh, chain.record(drawn.frame.index).after.hex(),
            drawn.weight, hidden_labels(drawn, kinds),
        ) for number, drawn in enumerate(sample.frames, 1)
    )
    labels = Labels(root, seed, size, sample.population, sample.excluded, kinds, frames)
    return _Asked(manifest, sample, labels)


def _write_pictures(
    asked: _Asked, target: Path, folder: Path, progress: Callable[[int, int], None]
) -> Labels:
    settings = settings_module.from_mapping(asked.manifest.settings)
    drawn = [each.frame for each in asked.sample.frames]
    places = {(frame.topic, frame.index): i for i, frame in enumerate(asked.labels.frames)}
    frames = list(asked.labels.frames)
    found = result_frames(sidecar_path(target), [target], drawn, settings)
    for done, (frame, image_bgr) in enumerate(found, 1):
        i = places[frame.topic, frame.index]
        frames[i] = replace(frames[i], sha256=_write_png(folder / frames[i].file, image_bgr))
        progress(done, len(frames))
    for each in frames:
        if not each.sha256:
            raise InputError(
                f'{target}: {each.topic} message {each.index} is not there as it was written, or '
                f'cannot be opened; see what `anon-ros verify {target}` says'
            )
    return replace(asked.labels, frames=tuple(frames))


def _write_png(path: Path, image_bgr: UInt8Array) -> str:
    encoded = cv2.imencode('.png', image_bgr, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])[1]
    data = encoded.tobytes()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
    return hashlib.sha256(data).hexdigest()


def _check_picture(frame: FrameLabels, labels_path: Path) -> None:
    """Check that a picture is still the one that was drawn, where it lies beside the labels."""
    path = labels_path.parent / frame.file
    try:
        if path.is_file() and file_sha256(path) != frame.sha256:
            raise InputError(f'{path}: is not the picture that was drawn: its hash is another one')
    except OSError as error:
        raise InputError(f'{path}: cannot be read: {error.strerror}') from error
