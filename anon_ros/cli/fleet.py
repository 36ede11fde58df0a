# SPDX-License-Identifier: Apache-2.0
"""`anon-ros fleet SRC DST`: many bags, on the cores of this machine or on a Ray cluster."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from anon_ros.audit import typed_json
from anon_ros.cli.bag import CopiedTopics, DroppedTopics, Topics
from anon_ros.cli.options import BAD_INPUT, DONE, WITHHELD, JsonOption
from anon_ros.core.settings import Settings
from anon_ros.errors import UsageError
from anon_ros.fleet import state
from anon_ros.fleet.estimate import Estimate, estimate
from anon_ros.fleet.ray_engine import RayOptions
from anon_ros.fleet.result import FleetProgress, FleetResult
from anon_ros.fleet.run import FleetJob, Pace, Workers, run_fleet

ENGINES = ('local', 'ray')
MIB = 2**20


def fleet(
    source: Annotated[str, typer.Argument(help='A folder of bags, or s3://, gs://, ...')],
    target: Annotated[str, typer.Argument(help='Where the anonymized ones go, likewise.')],
    *,
    engine: Annotated[str, typer.Option(help='local or ray.')] = 'local',
    address: Annotated[
        str, typer.Option(help="Of the Ray cluster: auto, HOST:PORT, or 'local' for a new one.")
    ] = 'auto',
    workers: Annotated[
        int, typer.Option(min=0, help='Bags at once; 0 for as many as fit.')] = 0,
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help='With Ray: 0.5 lets two workers share a GPU.')] = 0.0,
    retries: Annotated[
        int, typer.Option(min=0, help='How often what may pass is tried again.')] = 2,
    part_mib: Annotated[
        int | None,
        typer.Option(min=0, help='Larger bags are looked into in parts of this; 0 for never.'),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option('--only', help='A bag to do, by its name in SRC.')] = None,
    topic: Topics = None,
    copy_topic: CopiedTopics = None,
    drop_topic: DroppedTopics = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help='The secret of the patterns; drawn where there is no such file.'),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help='A folder here for downloads and the secret.')] = None,
    replace: Annotated[
        bool, typer.Option('--replace', help='Do again what has other settings or sources.')
    ] = False,
    dry_run: Annotated[
        bool, typer.Option('--dry-run', help='Tell how long it would take, from a sample.')
    ] = False,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """
    Anonymize all bags below a folder or URL; run it again to go on, or to repeat what failed.

    A bag is there whole or not at all. Ends with 0, with 3 where frames were withheld, and with
    2 where bags failed: they are listed, each with the command that repeats it.
    """
    if engine not in ENGINES:
        raise UsageError(f"--engine: '{engine}' is none of {', '.join(ENGINES)}")
    job = FleetJob(
        source, target,
        state.Topics(tuple(topic or ()), tuple(copy_topic or ()), tuple(drop_topic or ())),
        tuple(only or ()), None if part_mib is None else part_mib * MIB, key_file, work,
        replace, tuple(sys.argv),
    )
    ray = RayOptions(address, gpus=gpus_per_worker) if engine == 'ray' else None
    staff = Workers(workers, ray)
    if dry_run:
        return _tell_estimate(estimate(job, settings, staff), as_json=as_json)
    signal.signal(signal.SIGTERM, _interrupt)
    with _progress() as show:
        result = run_fleet(job, settings, staff, Pace(retries), progress=show)
    if as_json:
        print(json.dumps(result.to_plain()))
    else:
        _tell_result(result)
    _tell_failures(result)
    return status_of(result)


def status_of(result: FleetResult) -> int:
    """Return the exit status that a result stands for."""
    if result.failed:
        return BAD_INPUT
    return WITHHELD if result.withheld else DONE


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell_estimate(found: Estimate, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(typed_json.to_plain(found)))
    else:
        print(
            f'{found.bags} bags to do ({found.size_bytes / 1e9:.1f} GB, about {found.frames} '
            f'frames), {found.done} done before')
        print(
            f'one worker of {found.threads} threads on this machine: '
            f'{found.frames_per_s:.1f} frames/s, measured on {found.sampled_frames} frames')
        print(f'{found.workers} workers: about {found.hours:.2f} hours')
    for problem in found.problems:
        print(f'anon-ros: {problem}', file=sys.stderr)
    return BAD_INPUT if found.problems else DONE


def _tell_result(result: FleetResult) -> None:
    counts = {fate: sum(bag.fate == fate for bag in result.bags)
              for fate in ('done', 'skipped', 'failed')}
    hidden = ', '.join(f'{count} {kind}' for kind, count in result.regions.items() if count)
    print(
        f'{counts["done"]} bags done, {counts["skipped"]} done before, {counts["failed"]} failed')
    print(
        f'{result.frames} frames at {result.frames / max(result.wall_s, 1e-9):.1f} frames/s; '
        f'{hidden or "nothing found"}; {result.withheld} withheld')
    if result.other_files:
        print(f'{result.other_files} files of the source belong to no bag and are not copied')


def _tell_failures(result: FleetResult) -> None:
    if not result.failed:
        return
    table = Table('bag', 'tries', 'cause', title='failed')
    for bag in result.failed:
        table.add_row(bag.name, str(bag.tries), bag.cause)
    Console(stderr=True).print(table)
    for bag in result.failed:
        # Apart from the table, so that a line can be taken over as it is.
        print(f'repeat: {bag.repeat}', file=sys.stderr)


@contextmanager
def _progress() -> Iterator[Callable[[FleetProgress], None]]:
    """Show a bar over the bytes of all bags while the block runs; nothing in a pipe."""
    columns = (
        TextColumn('fleet'), BarColumn(), TextColumn('{task.percentage:>3.0f}%'),
        TextColumn('{task.fields[bags]}'), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn('{task.fields[found]}'),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task('fleet', total=None, bags='', found='')

        def show(progress: FleetProgress) -> None:
            elapsed_s = bar.tasks[0].elapsed or 1e-9
            hidden = ', '.join(f'{count} {kind}' for kind, count in progress.regions.items()
                               if count)
            bar.update(
                task, completed=progress.done_bytes, total=progress.size_bytes,
                bags=_bags(progress),
                found=f'{progress.frames / elapsed_s:.1f} frames/s; '
                      f'{hidden or "nothing found"}; {progress.withheld} withheld',
            )

        yield show


def _bags(progress: FleetProgress) -> str:
    text = f'{progress.settled}/{progress.bags} bags'
    if progress.failed:
        text += f', {progress.failed} failed'
    if progress.elsewhere:
        text += f', {progress.elsewhere} elsewhere'
    return text
