# SPDX-License-Identifier: Apache-2.0
"""`anon-ros verify SRC DST` and `anon-ros verify DST`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.bags.verify_report import VerifyReport
from anon_ros.cli.options import BAD_INPUT, DONE, WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.errors import InputError, OutputError
from anon_ros.runs.check import SealCheck, check_seal
from anon_ros.runs.results import check_results, is_result
from anon_ros.runs.verify import keep_verification, verify_bag

SHOWN_RESIDUALS = 5


def verify(
    source: Annotated[Path, typer.Argument(
        help='The bag that was anonymized; or, alone, what was made of it.')],
    target: Annotated[Path | None, typer.Argument(
        help='What `anon-ros bag` made of it.')] = None,
    *,
    detect_every: Annotated[
        int, typer.Option(min=0, help='Detect again on every such frame; 0 for none.')
    ] = 10,
    root: Annotated[str | None, typer.Option(
        help='The root as it was noted or signed, or its beginning.')] = None,
    key: Annotated[Path | None, typer.Option(
        help='The public key, PEM, of who has to have signed.')] = None,
    as_json: JsonOption = False,
) -> int:
    """
    Prove that nothing but hidden regions differs, and search the result once more.

    With the result alone, or a folder of results: prove that nothing of it was changed since it
    was made.
    """
    if target is None and not is_result(source):
        return _verify_folder(source, root, key, as_json)
    origin, result = (None, source) if target is None else (source, target)
    report = None
    with progress_bar('seal', 'messages') as show:
        check = check_seal(
            result, origin, root=root, key=key, progress=lambda done: show(done, -1, None))
    if origin is not None:
        with progress_bar('verify', 'messages') as show:
            report = verify_bag(
                origin, result, search_every=detect_every,
                progress=lambda done: show(done, -1, None),
            )
    print(json.dumps(_to_plain(check, report)) if as_json else _to_text(check, report))
    try:
        keep_verification(result, check, report, '' if origin is None else origin.name)
    except (InputError, OutputError) as error:
        # What was found stands above; it may be the very reason.
        print(f'anon-ros: not written down: {error}', file=sys.stderr)
    return _status(check, report)


def print_verdict(report: VerifyReport) -> None:
    """Print the proof, or what is wrong with it."""
    print(_compared(report))


def _verify_folder(folder: Path, root: str | None, key: Path | None, as_json: bool) -> int:
    with progress_bar('seal', 'messages') as show:
        found = list(check_results(
            folder, root=root, key=key, progress=lambda done: show(done, -1, None)))
    if as_json:
        print(json.dumps({name: {'ok': check.ok, **asdict(check)} for name, check in found}))
    else:
        for name, check in found:
            print(f'{name}: {_to_text(check, None)}')
    return DONE if all(check.ok for _, check in found) else BAD_INPUT


def _status(check: SealCheck, report: VerifyReport | None) -> int:
    # Without a seal, as of an older version, a comparison proves what it can.
    is_sealed = check.ok or (report is not None and not check.root)
    if not is_sealed or (report is not None and not report.ok):
        return BAD_INPUT
    if report is not None and (report.total.masked or report.total.withheld):
        return WITHHELD
    return DONE


def _to_plain(check: SealCheck, report: VerifyReport | None) -> dict[str, object]:
    seal = {'ok': check.ok, **asdict(check)}
    if report is None:
        return {'ok': check.ok, 'seal': seal}
    return {
        'ok': report.ok and (check.ok or not check.root), 'seal': seal,
        'topics': {name: asdict(verdict) for name, verdict in report.topics.items()},
        'differences': list(report.differences), 'difference_count': report.difference_count,
        'residuals': [asdict(residual) for residual in report.residuals],
        'residual_count': report.residual_count, 'searched': report.searched,
    }


def _to_text(check: SealCheck, report: VerifyReport | None) -> str:
    lines = [f'{"changed" if check.root else "not sealed"}: {line}' for line in check.changes]
    if check.ok:
        what = 'source and result are' if check.has_source else 'the result is'
        lines.append(
            f'sealed: {what} what the seal says: {check.messages} messages, root {check.root}')
    return '\n'.join(lines if report is None else [*lines, _compared(report)])


def _compared(report: VerifyReport) -> str:
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
