# SPDX-License-Identifier: Apache-2.0
"""Draw a sample of a result for people to label, and judge the result by what they see."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2

from anon_ros.audit import acceptance as acceptances
from anon_ros.audit import labels as labels_file
from anon_ros.audit.chain import ChainReader
from anon_ros.audit.label_page import PAGE_NAME, write_label_page
from anon_ros.audit.labels import FrameLabels, Labels
from anon_ros.audit.manifest import CHAIN_NAME, REGIONS_NAME, read_manifest
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.sample import Sample, draw_sample
from anon_ros.audit.seal import file_sha256
from anon_ros.core import settings as settings_module
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.runs.result_frames import result_frames
from anon_ros.runs.results import Results, results_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.acceptance import Acceptance
    from anon_ros.audit.fleet_summary import Result
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings

FRAMES = 'frames'
_PNG_EFFORT = 3


@dataclass(frozen=True)
class _Bag:
    """A result that is drawn from."""

    result: Result
    settings: Settings

    @property
    def regions(self) -> Path:
        return self.result.sidecar / REGIONS_NAME


@dataclass(frozen=True)
class _Asked:
    """A sample, and the questions about it; the pictures' hashes are not known yet."""

    bags: list[_Bag]
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
    Draw frames of one or many anonymized bags; write PNG files, a labels file and a page.

    target: a result, or a folder of many. size: frames. folder: a new one. seed: another one
    gives another sample.
    Raises OutputError where the folder exists or cannot be written, UsageError where a result
    is no bag with a seal, InputError where a frame is no longer what it was.
    """
    asked = _ask(results_in(target), size, seed)
    try:
        (folder / FRAMES).mkdir(parents=True)
    except FileExistsError:
        raise OutputError(f'{folder} exists already; name another folder, or remove it') from None
    except OSError as error:
        raise OutputError(f'{folder}: cannot be made: {error.strerror}') from error
    try:
        labels = _write_pictures(asked, folder, progress)
        labels_file.write_labels(labels, folder / labels_file.FILE_NAME)
        write_label_page(labels, folder / PAGE_NAME)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return labels


def judge_sample(target: Path, labels_path: Path) -> Acceptance:
    """
    Return what labels prove of a result, or of many, and write it beside the manifest.

    Raises InputError where the labels are of another result, incomplete, too few, contradict
    themselves, or are not about the frames that were drawn.
    """
    labels = labels_file.read_labels(labels_path)
    results = results_in(target)
    asked = _ask(results, labels.size, labels.seed).labels
    labels_file.check_labels(labels, asked, labels_path)
    for frame in labels.frames:
        _check_picture(frame, labels_path)
    acceptance = acceptances.judge(labels)
    acceptances.write_acceptance(acceptance, results.sidecar / acceptances.FILE_NAME)
    return acceptance


def _ask(results: Results, size: int, seed: int) -> _Asked:
    bags = [_opened(result) for result in results.results]
    readers = [RegionsReader(bag.regions) for bag in bags]
    sample = draw_sample(readers, size, seed=seed, root=results.seal.root)
    kinds = tuple(dict.fromkeys(
        kind.label for bag in bags for kind in settings_module.target_kinds(bag.settings)))
    chains = [ChainReader(bag.result.sidecar / CHAIN_NAME) for bag in bags]
    frames = tuple(
        FrameLabels(
            f'{FRAMES}/{number:05}.png', '', drawn.frame.topic, drawn.frame.index,
            drawn.frame.log_ns, drawn.frame.size_wh,
            chains[drawn.bag].record(drawn.frame.index).after.hex(), drawn.weight,
            labels_file.hidden_labels(drawn, kinds),
            bag=bags[drawn.bag].result.name if results.is_many else '',
        ) for number, drawn in enumerate(sample.frames, 1)
    )
    labels = Labels(
        results.seal.root, seed, size, sample.population, sample.excluded, kinds, frames)
    return _Asked(bags, sample, labels)


def _opened(result: Result) -> _Bag:
    """Return a result; raise where it has no seal, or its regions are not those of the run."""
    manifest = read_manifest(result.sidecar / 'manifest.json')
    if manifest.seal is None or manifest.seal.chain_file is None:
        raise UsageError(f'{result.path}: samples are drawn of bags that have a seal')
    bag = _Bag(result, settings_module.from_mapping(manifest.settings))
    record = manifest.regions_file
    try:
        if record is not None and file_sha256(bag.regions) != record.sha256:
            raise InputError(f'{bag.regions}: was changed since the run')
    except OSError as error:
        raise InputError(f'{bag.regions}: cannot be read: {error.strerror}') from error
    return bag


def _write_pictures(
    asked: _Asked, folder: Path, progress: Callable[[int, int], None]
) -> Labels:
    frames = list(asked.labels.frames)
    done = 0
    for number, bag in enumerate(asked.bags):
        places = {
            (drawn.frame.topic, drawn.frame.index): place
            for place, drawn in enumerate(asked.sample.frames) if drawn.bag == number
        }
        wanted = [asked.sample.frames[place].frame for place in places.values()]
        result = bag.result
        if not wanted:
            continue
        for frame, image_bgr in result_frames(
            result.sidecar, [result.path], wanted, bag.settings
        ):
            place = places[frame.topic, frame.index]
            sha256 = _write_png(folder / frames[place].file, image_bgr)
            frames[place] = replace(frames[place], sha256=sha256)
            done += 1
            progress(done, len(frames))
    for each in frames:
        if not each.sha256:
            raise InputError(
                f'{each.place} is not there as it was written, or cannot be opened; see what '
                '`anon-ros verify` says'
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
