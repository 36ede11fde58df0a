# SPDX-License-Identifier: Apache-2.0
"""`anon-ros report DST`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.audit.label_page import PAGE_NAME
from anon_ros.audit.labels import FILE_NAME as LABELS_NAME
from anon_ros.audit.manifest import manifest_path, read_manifest
from anon_ros.audit.page import count
from anon_ros.cli.bag import print_summary
from anon_ros.cli.options import DONE, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.errors import UsageError
from anon_ros.runs.results import is_result, sign_results, summary_of, write_any_report
from anon_ros.runs.sample import judge_sample, write_sample

Sample = Annotated[int | None, typer.Option(
    min=1, help='Draw so many frames for people to label, into a folder.')]
Seed = Annotated[int, typer.Option(min=0, help='Another one draws another sample.')]
Out = Annotated[Path | None, typer.Option(help='The folder of the sample; default: DST_sample.')]
LabelsFile = Annotated[Path | None, typer.Option(
    '--labels', help='A labels file that was filled in: compute recall and its bound.')]
Key = Annotated[Path | None, typer.Option(
    '--sign', help='Sign with this Ed25519 private key, PEM (extra `sign`).')]
Signer = Annotated[str | None, typer.Option(help='Who signs.')]


def report(
    target: Annotated[Path, typer.Argument(help='A result, or a folder of many results.')],
    *,
    sample: Sample = None,
    seed: Seed = 0,
    out: Out = None,
    labels: LabelsFile = None,
    sign: Key = None,
    signer: Signer = None,
    as_json: JsonOption = False,
) -> int:
    """Write the HTML report anew and say what was done; sample, judge, sign."""
    if sample is not None:
        return _draw(target, sample, seed, out)
    if labels is not None:
        for sentence in judge_sample(target, labels).sentences:
            print(sentence)
    if sign is not None:
        _sign(target, sign, signer)
    path = write_any_report(target)
    _print(target, path, as_json)
    return DONE


def _draw(target: Path, size: int, seed: int, out: Path | None) -> int:
    folder = out or target.with_name(f'{target.resolve().name}_sample')
    with progress_bar('sample', 'frames') as show:
        drawn = write_sample(
            target, size, folder, seed=seed, progress=lambda done, total: show(done, total, None))
    print(f'{len(drawn.frames)} of {drawn.population} frames, '
          f'{drawn.excluded} withheld ones left out')
    print(f'open      {folder / PAGE_NAME}')
    print(f'or edit   {folder / LABELS_NAME}')
    print(f'then      anon-ros report {target} --labels {folder / LABELS_NAME}')
    return DONE


def _sign(target: Path, key: Path, signer: str | None) -> None:
    if not (signer or '').strip():
        raise UsageError('name who signs: --signer "Given Name Surname"')
    with progress_bar('seal', 'messages') as show:
        signed = sign_results(
            target, key, str(signer).strip(),
            lambda: typer.prompt('Password of the key', hide_input=True),
            lambda done: show(done, -1, None),
        )
    print(f'signed    by {signed.signer}, key {signed.key_id}, root {signed.root}')


def _print(target: Path, path: Path, as_json: bool) -> None:
    if is_result(target):
        manifest = read_manifest(manifest_path(target))
        if as_json:
            print(manifest.to_json(), end='')
            return
        print_summary(manifest)
    else:
        summary = summary_of(target)
        if as_json:
            print(json.dumps({
                'results': {row.name: row.root for row in summary.rows},
                'frames': summary.frames, 'withheld': summary.withheld,
                'regions': summary.regions_by_kind, 'root': summary.seal.root,
                'failed': summary.failed, 'unreadable': summary.unreadable,
            }))
            return
        results = count(len(summary.rows), 'result', 'results')
        print(f'{results}, {summary.frames} frames, {summary.withheld} withheld')
        for name, reason in {**summary.failed, **summary.unreadable}.items():
            print(f'not there: {name}: {reason}')
    print(f'report    {path}')
