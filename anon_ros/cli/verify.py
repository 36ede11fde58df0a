# SPDX-License-Identifier: Apache-2.0
"""`anon-ros verify SRC DST`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.bags.verify_report import VerifyReport
from anon_ros.cli.options import BAD_INPUT, DONE, WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.runs.verify import verify_bag

SHOWN_RESIDUALS = 5


def verify(
    source: Annotated[Path, typer.Argument(help='The bag that was anonymized.')],
    target: Annotated[Path, typer.Argument(help='What `anon-ros bag` made of it.')],
    *,
    detect_every: Annotated[
        int, typer.Option(min=0, help='Detect again on every such frame; 0 for none.')
    ] = 10,
    as_json: JsonOption = False,
) -> int:
    """Prove that nothing but hidden regions differs, and search the result once more."""
    with progress_bar('verify', 'messages') as show:
        report = verify_bag(
            source, target, search_every=detect_every,
            progress=lambda done: show(done, -1, None),
        )
    print(json.dumps(_to_plain(report)) if as_json else _to_text(report))
    if not report.ok:
        return BAD_INPUT
    total = report.total
    return WITHHELD if total.masked or total.withheld else DONE


def print_verdict(report: VerifyReport) -> None:
    """Print the proof, or what is wrong with it."""
    print(_to_text(report))


def _to_plain(report: VerifyReport) -> dict[str, object]:
    return {
        'ok': report.ok,
        'topics': {name: asdict(verdict) for name, verdict in report.topics.items()},
        'differences': list(report.differences), 'difference_count': report.difference_count,
        'residuals': [asdict(residual) for residual in report.residuals],
        'residual_count': report.residual_count, 'searched': report.searched,
    }


def _to_text(report: VerifyReport) -> str:
    total = report.total
    lines = [f'differs: {line}' for line in report.differences]
    verdict = 'nothing else changed' if report.ok else f'{report.difference_count} differences'
    lines.append(
        f'verified: {verdict}: {total.copied} messages and {total.unchanged} frames to the byte, '
        f'{total.changed} frames outside of what is hidden; {total.masked} masked, '
        f'{total.withheld} withheld, {total.dropped} dropped'
    )
    outside = [each for each in report.residuals if each.is_hidden is not True]
    if report.searched:
        lines.append(
            f'searched again: {report.searched} frames; {report.residual_count} sightings, '
            f'{len(outside)} of them outside of what is hidden'
        )
    lines += [
        f'  still seen: {each.topic} message {each.index}: {each.label} of score '
        f'{each.score:.2f} at {[round(v) for v in each.box_xyxy]}'
        for each in outside[:SHOWN_RESIDUALS]
    ]
    return '\n'.join(lines)
