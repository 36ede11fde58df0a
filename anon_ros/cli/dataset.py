# SPDX-License-Identifier: Apache-2.0
"""`anon-ros dataset SRC DST`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.cli.options import DONE, WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.datasets.paper import LEAST_SIDE_PX
from anon_ros.gan.histograms import SURROUNDINGS
from anon_ros.runs.dataset import DatasetResult, anonymize_dataset
from anon_ros.runs.dataset_job import DatasetJob


def dataset(
    source: Annotated[Path, typer.Argument(help='The root of a dataset.')],
    target: Annotated[Path, typer.Argument(help='The anonymized copy; never overwritten.')],
    *,
    format: Annotated[  # noqa: A002 - the name of the option
        str, typer.Option(help='How it is laid out: coco, cityscapes or bdd100k.')
    ],
    region: Annotated[
        str, typer.Option(help='What of people is hidden: face or body.')
    ] = 'body',
    protocol: Annotated[str, typer.Option(
        help='safe: everybody; paper: whom and how arXiv 2306.05135 does, which leaves people.'
    )] = 'safe',
    faces: Annotated[str | None, typer.Option(
        help='all that are found, matched to annotated people (default for paper), or annotated.'
    )] = None,
    split: Annotated[
        list[str] | None, typer.Option(help='A split, e.g. train2017; default: all.')
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help='A COCO file that lies elsewhere or is named otherwise.')
    ] = None,
    min_size: Annotated[int, typer.Option(
        help='For paper: root of the least area of a crop around a body, in px; smaller ones stay.'
    )] = LEAST_SIDE_PX,
    reference: Annotated[str, typer.Option(
        help='Whose tones --histogram takes: surroundings; or, for paper, person, which does not '
             'hold: his colours are passed on.'
    )] = SURROUNDINGS,
    on_error: Annotated[str, typer.Option(
        help='What is wrong with the dataset: stop at it, or skip the image and count it.'
    )] = 'stop',
    resume: Annotated[
        bool, typer.Option('--resume', help='Go on where a run that was killed stopped.')
    ] = False,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Anonymize a training set by its own annotations; labels, names and splits stay."""
    job = DatasetJob(
        source, target, format, region, protocol, faces, tuple(split or ()), annotations,
        on_error, resume, tuple(sys.argv), min_size, reference,
    )
    with progress_bar('dataset', 'images') as show:
        result = anonymize_dataset(
            job, settings, progress=lambda done, total: show(done, total, None))
    print(json.dumps(_to_plain(result)) if as_json else _to_text(result, target))
    return WITHHELD if result.is_short else DONE


def _to_plain(result: DatasetResult) -> dict[str, object]:
    manifest = result.manifest
    return {
        'images': manifest.frames, 'withheld': manifest.withheld,
        'regions': manifest.regions_by_kind, 'images_per_s': round(manifest.frames_per_s, 2),
        'problems': dict(result.problems), 'left_out': dict(result.left_out),
        'untouched_people': dict(result.untouched), 'weaknesses': list(result.weaknesses),
    }


def _to_text(result: DatasetResult, target: Path) -> str:
    manifest = result.manifest
    found = ', '.join(f'{count} {kind}' for kind, count in manifest.regions_by_kind.items())
    speed = f'{manifest.frames} images at {manifest.frames_per_s:.1f} images/s'
    lines = [f'{target}: {speed}; hidden: {found or "nothing"}']
    lines += result.weaknesses
    lines += [f'problem: {kind}: {count}' for kind, count in result.problems.items()]
    lines += [f'left out: {reason}: {count}' for reason, count in result.left_out.items()]
    lines += [
        f'shown as they were: {count} people: {reason}'
        for reason, count in result.untouched.items()
    ]
    return '\n'.join([*lines, f'manifest  {result.sidecar / "manifest.json"}'])
