# SPDX-License-Identifier: Apache-2.0
"""The training images of each variant: made by the command `dataset`, once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros.audit import typed_json
from anon_ros.audit.manifest import SIDECAR
from anon_ros.core import settings as settings_module
from anon_ros.datasets.files import put_json
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.runs.dataset import anonymize_dataset
from anon_ros.runs.dataset_job import DatasetJob
from anon_ros.study.figures import VariantImages
from anon_ros.study.label_store import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.core.settings import Settings
    from anon_ros.study.label_store import LabelStore
    from anon_ros.study.study_file import Dataset, Variant

NOTE = 'study_variant.json'
SEED = 1
"""Of patterns and styles in the images: a study is repeatable, so it cannot keep a secret."""
_OWN = frozenset({'source', 'target', 'format', 'region', 'protocol', 'splits', 'annotations',
                  'resume', 'command', 'on_error'})
_OPTIONS = frozenset(each.name for each in dataclasses.fields(DatasetJob)) - _OWN


def settings_of(variant: Variant, device: str, threads: int) -> Settings:
    """Return the settings of a variant; raises UsageError that names it and what is wrong."""
    values = {
        'seed': SEED, 'device': device, 'threads': threads, 'target': [variant.region],
        'method': [variant.method],
        **{name: value for name, value in variant.options.items() if name not in _OPTIONS}}
    try:
        return settings_module.from_mapping(values)
    except UsageError as error:
        raise UsageError(f"variant '{variant.name}': {error}") from error


def job_of(variant: Variant, source: Path, target: Path, dataset: Dataset) -> DatasetJob:
    """Return what the command `dataset` has to do."""
    job = DatasetJob(
        source, target, dataset.format, variant.region, variant.protocol,
        splits=(dataset.train,), resume=True, on_error='stop')
    options = {name: value for name, value in variant.options.items() if name in _OPTIONS}
    return replace(job, **options)  # type: ignore[arg-type]  # fields of the job, by their names


def make_variant(
    variant: Variant, source: Path, target: Path, dataset: Dataset, settings: Settings,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """
    Make a variant's images, or go on with them; what is whole and asked for alike stays.

    Raises UsageError or ModelError that names the variant where it cannot be made, OutputError
    where another one lies there.
    """
    asked = _asked(variant, settings)
    if target.exists():
        if _note(target).get('asked') != asked:
            raise OutputError(
                f"{target}: was made with other settings than those of '{variant.name}'; "
                'remove it, or name another folder for the study')
        return
    job = job_of(variant, source, target, dataset)
    try:
        result = anonymize_dataset(job, settings, progress=progress)
    except UsageError as error:
        raise UsageError(f"variant '{variant.name}': {error}") from error
    put_json(target / SIDECAR / NOTE, {
        'asked': asked, 'hidden': dict(result.manifest.regions_by_kind),
        'untouched': dict(result.untouched),
        'weaknesses': list(getattr(result, 'weaknesses', ()))})


def survey(
    folder: Path, labels: LabelStore, cache: Path,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> VariantImages:
    """
    Return what images there are; their hash is kept in a cache while no file's size or time moves.

    folder: of a variant, or the root of the original dataset.
    """
    paths = [folder / labels[number].path for number in range(len(labels))]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise InputError(f'{folder}: none of the images is there')
    state = _state(there)
    known = _read(cache)
    if known.get('state') != state:
        found = hashlib.sha256()
        for number, path in enumerate(there):
            found.update(f'{path.relative_to(folder).as_posix()} {digest(path)}\n'.encode())
            progress(number + 1, len(there))
        known = {'state': state, 'sha256': found.hexdigest()}
        put_json(cache, known)
    note = _note(folder)
    return VariantImages(
        str(folder.resolve()), str(known['sha256']), len(there), len(paths) - len(there),
        _counts(note.get('hidden')), _counts(note.get('untouched')),
        _texts(note.get('weaknesses')))


def _asked(variant: Variant, settings: Settings) -> dict[str, object]:
    return {'seed': settings.seed, **typed_json.to_plain(replace(variant, name=''))}


def _state(paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        stat = path.stat()
        found.update(f'{path.name} {stat.st_size} {stat.st_mtime_ns}\n'.encode())
    return found.hexdigest()


def _note(folder: Path) -> dict[str, object]:
    return _read(folder / SIDECAR / NOTE)


def _read(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _counts(value: object) -> dict[str, int]:
    return dict(value) if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
