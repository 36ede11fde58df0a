# SPDX-License-Identifier: Apache-2.0
"""
A whole study, stage by stage; what is done already is not done again.

    labels       of the training and the validation split, once
    variants     training images, anonymized by the command `dataset`
    trainings    one for each variant and seed; validation images stay original
    evaluation   by the dataset's own tool, or pycocotools
    measures     agreement of fixed networks, what attackers achieve
    report       results.json, report.html, table.csv, .tex and .md, the plots as .svg
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from anon_ros import __version__
from anon_ros.audit import typed_json
from anon_ros.core.regions import Kind
from anon_ros.datasets.files import put, put_json
from anon_ros.errors import InputError, ModelError, UsageError
from anon_ros.models.store import ModelStore
from anon_ros.study import coco_evaluation, official_tools
from anon_ros.study.figures import (
    Agreement,
    Evaluation,
    PixelFigure,
    Privacy,
    SeedResult,
    StudyResult,
    VariantImages,
    VariantResult,
)
from anon_ros.study.job import PREDICTIONS, TrainingJob, is_complete, read_trained
from anon_ros.study.label_store import digest, store_split
from anon_ros.study.table import to_csv, to_latex, to_markdown
from anon_ros.study.trainings import Trainings
from anon_ros.study.variants import make_variant, settings_of, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.study.label_store import LabelStore
    from anon_ros.study.plan import StudyPlan
    from anon_ros.study.study_file import Variant

Progress: TypeAlias = Callable[[str, int, int], None]

RESULTS, REPORT = 'results.json', 'report.html'
CSV, LATEX, MARKDOWN = 'table.csv', 'table.tex', 'table.md'
EVALUATION = 'evaluation.json'


@dataclass(frozen=True)
class _Splits:
    train: LabelStore
    val: LabelStore


def run_study(plan: StudyPlan, progress: Progress = lambda *_: None) -> StudyResult:
    """
    Do all of a study that is not done yet, and write its tables and its report.

    Raises UsageError, InputError, ModelError or OutputError that names the variant or the file;
    what was done by then stays, and the next run goes on with it.
    """
    chosen = _chosen(plan)
    settings = {
        each.name: settings_of(each, plan.device, plan.threads)
        for each in plan.study.variants if not each.is_original}
    splits = _read_labels(plan, progress)
    for number, variant in enumerate(chosen):
        progress(f'making {variant.name}', number, len(chosen))
        if plan.trains and not variant.is_original:
            make_variant(
                variant, plan.data, variant_folder(plan, variant), plan.study.dataset,
                settings[variant.name])
    images = _survey(plan, splits, progress)
    val = survey(plan.data, splits.val, plan.out / 'labels/val-images.json')
    jobs = _jobs(plan, images, val, splits)
    names = {variant.name for variant in chosen}
    wanted = [job for job in jobs if job.variant in names] if plan.trains else []
    measured = _train_and_measure(plan, wanted, images, splits, progress)
    found = tuple(
        _result(plan, variant, images.get(variant.name), jobs, splits, measured)
        for variant in plan.study.variants)
    result = StudyResult(
        __version__, plan.study, found, len(splits.train), _people(splits.train),
        len(splits.val), _people(splits.val), val.fingerprint,
        {'train': digest(splits.train.path), 'val': digest(splits.val.path)})
    write_result(result, plan)
    return result


def variant_folder(plan: StudyPlan, variant: Variant) -> Path:
    """Return where a variant's images lie."""
    return plan.data if variant.is_original else plan.out / 'variants' / variant.name


def write_result(result: StudyResult, plan: StudyPlan) -> None:
    """Write the results, the tables and the report."""
    from anon_ros.study.report import render_plot, render_report

    put_json(plan.out / RESULTS, typed_json.to_plain(result))
    put(plan.out / CSV, to_csv(result).encode())
    put(plan.out / LATEX, to_latex(result).encode())
    put(plan.out / MARKDOWN, to_markdown(result).encode())
    for measure in ('recognized', 'found_again'):
        put(plan.out / f'{measure}.svg', render_plot(result, measure).encode())
    put(plan.out / REPORT, render_report(result, plan).encode('utf-8', 'backslashreplace'))


def read_result(path: Path) -> StudyResult:
    """Return the results of a study's folder; raises InputError where there are none."""
    try:
        text = (path / RESULTS).read_text(encoding='utf-8')
        return typed_json.from_plain(StudyResult, typed_json.parse(text))
    except (OSError, ValueError) as error:
        raise InputError(f'{path / RESULTS}: no results of a study: {error}') from error


def _chosen(plan: StudyPlan) -> list[Variant]:
    known = [variant.name for variant in plan.study.variants]
    unknown = sorted(set(plan.only) - set(known))
    if unknown:
        raise UsageError(f"no variant '{unknown[0]}'; the study has {', '.join(known)}")
    return [each for each in plan.study.variants if not plan.only or each.name in plan.only]


def _read_labels(plan: StudyPlan, progress: Progress) -> _Splits:
    dataset = plan.study.dataset
    folder = plan.out / 'labels'
    found = []
    for name, split in (('train', dataset.train), ('val', dataset.val)):
        def count(done: int, name: str = name) -> None:
            progress(f'reading labels, {name}', done, -1)

        found.append(store_split(
            plan.data, dataset.format, split, dataset.classes, folder / f'{name}.jsonl',
            plan.annotations, count))
    return _Splits(*found)


def _survey(
    plan: StudyPlan, splits: _Splits, progress: Progress
) -> dict[str, VariantImages]:
    found = {}
    for variant in plan.study.variants:
        folder = variant_folder(plan, variant)
        if folder.is_dir():
            def count(done: int, total: int, name: str = variant.name) -> None:
                progress(f'hashing {name}', done, total)

            found[variant.name] = survey(
                folder, splits.train, plan.out / f'labels/{variant.name}-images.json', count)
    return found


def _jobs(
    plan: StudyPlan, images: dict[str, VariantImages], val: VariantImages, splits: _Splits
) -> list[TrainingJob]:
    study = plan.study
    readings = tuple(
        replace(each, folder=str(Path(os.path.expandvars(each.folder)).expanduser().resolve()))
        for each in study.pixel_readings)
    return [
        TrainingJob(
            variant.name, seed, study.task, study.dataset.classes, study.model, study.schedule,
            images[variant.name].fingerprint, val.fingerprint, images[variant.name].folder,
            str(splits.train.path.resolve()), val.folder, str(splits.val.path.resolve()),
            readings, plan.device, plan.loaders, plan.threads)
        for seed in study.seeds for variant in study.variants if variant.name in images]


class _Measured(NamedTuple):
    agreement: tuple[Agreement, ...]
    why_not: str
    privacy: Privacy | None


def _measure_all(
    plan: StudyPlan, images: dict[str, VariantImages], splits: _Splits, progress: Progress,
    stop: threading.Event,
) -> dict[str, _Measured]:
    found = {}
    for number, variant in enumerate(plan.study.variants):
        progress(f'measuring {variant.name}', number, len(plan.study.variants))
        known = images.get(variant.name)
        if known is not None and not stop.is_set():
            found[variant.name] = _Measured(
                *_agreement(plan, variant, known, splits),
                _privacy(plan, variant, known, splits))
    return found


def _train_and_measure(
    plan: StudyPlan, jobs: Sequence[TrainingJob], images: dict[str, VariantImages],
    splits: _Splits, progress: Progress,
) -> dict[str, _Measured]:
    """Train; measure beside it, since the trainings are processes of their own."""
    def iterations(done: int, total: int) -> None:
        progress('training', done, total)

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        measures = pool.submit(_measure_all, plan, images, splits, progress, stop)
        try:
            Trainings(jobs, plan.out, plan.crew).run(iterations)
        except BaseException:
            stop.set()
            raise
        return measures.result()


def _result(
    plan: StudyPlan, variant: Variant, images: VariantImages | None,
    jobs: Sequence[TrainingJob], splits: _Splits, measured: dict[str, _Measured],
) -> VariantResult:
    if images is None:
        return VariantResult(variant.name, None, note='not made yet')
    seeds = tuple(
        _seed_result(plan, job, splits) for job in jobs
        if job.variant == variant.name and is_complete(job, job.folder(plan.out)))
    agreement, why_not, privacy = measured[variant.name]
    notes = [why_not, privacy.note if privacy is not None else '',
             '' if seeds else 'not trained yet', *images.weaknesses]
    return VariantResult(
        variant.name, images, seeds, agreement, privacy, '; '.join(filter(None, notes)))


def _seed_result(plan: StudyPlan, job: TrainingJob, splits: _Splits) -> SeedResult:
    folder = job.folder(plan.out)
    trained = read_trained(folder)
    if trained is None:
        raise InputError(f'{folder}: the training is not finished')
    return SeedResult(
        job.seed, job.key, _evaluate(plan, folder, splits), trained.weights_sha256,
        trained.train_images, trained.seconds, trained.device, trained.versions,
        tuple(PixelFigure(each.name, 100 * each.average_precision, 100 * each.iou)
              for each in trained.pixel_results))


def _evaluate(plan: StudyPlan, folder: Path, splits: _Splits) -> Evaluation:
    """Return what the dataset's own tool says; pycocotools' word, with a note, without it."""
    study, cache = plan.study, folder / EVALUATION
    known = _cached(cache, Evaluation)
    if known is not None and not known.note:
        return known
    predictions = folder / PREDICTIONS
    found, note = None, ''
    if official_tools.has_official_tool(study.dataset.format, study.task):
        task = official_tools.Task(
            predictions, plan.data, study.dataset.val, splits.val, study.dataset.classes)
        try:
            found = official_tools.evaluate_officially(study.dataset.format, task)
        except ModelError as error:
            note = str(error)
    if found is None:
        found = replace(coco_evaluation.evaluate(
            predictions, splits.val, study.dataset.classes, study.task), note=note)
    put_json(cache, typed_json.to_plain(found))
    return found


@dataclass(frozen=True)
class _AgreementNote:
    images: int
    found: tuple[Agreement, ...]


def _agreement(
    plan: StudyPlan, variant: Variant, images: VariantImages, splits: _Splits
) -> tuple[tuple[Agreement, ...], str]:
    """Return how far fixed networks agree, and '' or why nobody asked them."""
    count = plan.study.measures.agreement_images
    if variant.is_original or not count:
        return (), ''
    cache = plan.out / 'measures' / f'agreement-{variant.name}-{images.fingerprint[:12]}.json'
    known = _cached(cache, _AgreementNote)
    if known is not None and known.images == count:
        return known.found, ''
    from anon_ros.study.agreement import FixedNetworks

    pairs = [
        (plan.data / path, Path(images.folder) / path)
        for path in (splits.train[i].path for i in _spread_out(len(splits.train), count))
        if (Path(images.folder) / path).is_file()]
    try:
        found = FixedNetworks(ModelStore(), plan.threads).compare(pairs)
    except ModelError as error:
        return (), f'agreement: {error}'
    put_json(cache, typed_json.to_plain(_AgreementNote(count, found)))
    return found, ''


@dataclass(frozen=True)
class _PrivacyNote:
    people: int
    found: Privacy


def _privacy(
    plan: StudyPlan, variant: Variant, images: VariantImages, splits: _Splits
) -> Privacy | None:
    count = plan.study.measures.attacked_people
    if not count:
        return None
    cache = plan.out / 'measures' / f'privacy-{variant.name}-{images.fingerprint[:12]}.json'
    known = _cached(cache, _PrivacyNote)
    if known is not None and known.people == count and not known.found.note:
        return known.found
    from anon_ros.study.privacy import attack_variant, gather

    kind = Kind.BODY if variant.is_original else Kind.from_label(variant.region)
    people = gather(splits.train, plan.data, Path(images.folder), kind, count)
    found = attack_variant(people, kind, variant.method)
    put_json(cache, typed_json.to_plain(_PrivacyNote(count, found)))
    return found


def _cached(path: Path, kind: type[typed_json.T]) -> typed_json.T | None:
    try:
        return typed_json.from_plain(kind, json.loads(path.read_text()))
    except (OSError, ValueError):
        return None


def _people(labels: LabelStore) -> int:
    return sum(
        not thing.is_ignored for i in range(len(labels)) for thing in labels[i].things)


def _spread_out(total: int, count: int) -> list[int]:
    """Return up to count numbers below total, evenly apart."""
    count = min(total, count)
    return [i * total // count for i in range(count)]
