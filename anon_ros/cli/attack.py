# SPDX-License-Identifier: Apache-2.0
"""`anon-ros attack SRC DST`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from anon_ros.audit.attack_table import ALL_HEIGHTS, AttackRow, AttackTable
from anon_ros.audit.manifest import manifest_path
from anon_ros.cli.options import DONE, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.runs.attack import AttackJob
from anon_ros.runs.attack import attack as attack_result
from anon_ros.runs.attack_sample import Sample


def attack(
    source: Annotated[Path, typer.Argument(help='The bag, the folder of images, or the dataset.')],
    target: Annotated[Path, typer.Argument(help='What was made of it.')],
    *,
    identities: Annotated[
        int, typer.Option(min=2, help='How many to attack, at most, of each kind.')
    ] = 500,
    looks: Annotated[
        int, typer.Option(min=1, help='Looks at each, at most; half of them are the gallery.')
    ] = 12,
    network: Annotated[
        Path | None,
        typer.Option(help='An ONNX file that describes faces: 112x112 RGB in, descriptor out.'),
    ] = None,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """
    Try to find, recognise and read again what was hidden.

    Settings are taken from the result's manifest; options for them count for folders only.
    """
    job = AttackJob(source, target, settings, Sample(identities, looks), network)
    with progress_bar('attack', 'steps') as show:
        table = attack_result(job, progress=lambda _, done, total: show(done, total, None))
    if as_json:
        print(table.to_json(), end='')
    else:
        print_table(table)
        if manifest_path(target).is_file():
            print(f'written beside the manifest: {manifest_path(target).parent}')
    return DONE


def print_table(table: AttackTable) -> None:
    """Print what attackers achieved: by kind, method and height."""
    found = ', '.join(f'{count} {kind}' for kind, count in table.identities.items())
    shown = Table(
        'kind', 'method', 'height px', 'attacker', 'measure', 'share', '95 %', 'chance', 'gray',
        'excess', '95 %', 'n', title=f'attack on {table.result}: {found}',
    )
    for row in table.rows:
        shown.add_row(
            row.kind, row.method, row.height, f'{row.attacker} {row.strength}'.strip(),
            row.measure, *_figures(row), str(row.samples),
            style='' if row.height == ALL_HEIGHTS else 'dim',
        )
    Console(width=160).print(shown)
    for reason, count in table.skipped.items():
        print(f'left out: {count} times: {reason}')


def _figures(row: AttackRow) -> tuple[str, ...]:
    if row.note:
        return row.note, '', f'{row.chance:.3f}', '', '', ''
    excess = ('', '')
    if row.excess is not None and row.excess_low is not None and row.excess_high is not None:
        excess = f'{row.excess:+.3f}', f'{row.excess_low:+.3f}..{row.excess_high:+.3f}'
    return (
        f'{row.value:.3f}', f'{row.low:.3f}..{row.high:.3f}', f'{row.chance:.3f}',
        '' if row.gray is None else f'{row.gray:.3f}', *excess,
    )
