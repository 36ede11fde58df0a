# SPDX-License-Identifier: Apache-2.0
"""`anon-ros study run FILE OUT` and `anon-ros study compose OUT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from anon_ros.cli.options import DONE, JsonOption, command
from anon_ros.cli.progress import progress_bar
from anon_ros.study.study_file import FILES

study = typer.Typer(
    no_args_is_help=True, help='Measure what anonymization costs a model.')
SHIPPED = ', '.join(sorted(path.stem for path in FILES.glob('*.yaml')))


def run(
    file: Annotated[str, typer.Argument(
        help=f'A study file, or the name of one that comes along: {SHIPPED}.')],
    out: Annotated[Path, typer.Argument(
        help='A folder that grows; the next run goes on with what is in it.')],
    *,
    data: Annotated[Path, typer.Option(help='The root of the dataset.')],
    annotations: Annotated[Path | None, typer.Option(
        help='A COCO file that lies elsewhere or is named otherwise.')] = None,
    only: Annotated[list[str] | None, typer.Option(
        help='A variant to make and train; the others keep what they have.')] = None,
    seed: Annotated[list[int] | None, typer.Option(
        help="A seed, instead of the study file's.")] = None,
    start: Annotated[str | None, typer.Option(
        help='scratch, imagenet, coco or a checkpoint, instead of what the file says.')] = None,
    device: Annotated[str, typer.Option(help='auto, cpu or cuda:N.')] = 'auto',
    jobs: Annotated[int, typer.Option(min=1, help='Trainings side by side.')] = 1,
    processes: Annotated[int, typer.Option(
        min=1, help='Processes of each training, one for each GPU, started by torchrun.')] = 1,
    threads: Annotated[int, typer.Option(
        min=0, help='Threads of each training; 0 for all cores.')] = 0,
    loaders: Annotated[int, typer.Option(
        min=0, help='Processes of each training that decode images.')] = 0,
    report_only: Annotated[bool, typer.Option(
        '--report-only', help='Make and train nothing; report what is there.')] = False,
    as_json: JsonOption = False,
) -> int:
    """Train on each variant, test on the original, write the table and the report."""
    from dataclasses import replace

    from anon_ros.audit import typed_json
    from anon_ros.study.plan import StudyPlan
    from anon_ros.study.run import run_study
    from anon_ros.study.study_file import load_study
    from anon_ros.study.table import to_csv
    from anon_ros.study.trainings import Crew

    plan_study = load_study(file)
    if seed:
        plan_study = replace(plan_study, seeds=tuple(seed))
    if start is not None:
        plan_study = replace(plan_study, model=replace(plan_study.model, start=start))
    plan = StudyPlan(
        plan_study, data, out, tuple(only or ()), Crew(jobs, processes), device, threads,
        loaders, annotations, not report_only)
    columns = (
        TextColumn('{task.description}'), BarColumn(), TextColumn('{task.fields[count]}'),
        TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as bar:
        stages: dict[str, int] = {}

        def show(stage: str, done: int, total: int) -> None:
            key = stage.split(' ', maxsplit=1)[0]
            if key not in stages:
                stages[key] = len(stages)
                bar.add_task(stage, total=None, count='')
            bar.update(
                bar.task_ids[stages[key]], description=stage, completed=done,
                total=None if total < 0 else total,
                count=f'{done}' if total < 0 else f'{done}/{total}')

        result = run_study(plan, show)
    if as_json:
        print(json.dumps(typed_json.to_plain(result)))
    else:
        print(to_csv(result), end='')
        print(f'report  {out / "report.html"}')
    return DONE


def compose(
    out: Annotated[Path, typer.Argument(help='The COCO dataset to write; never overwritten.')],
    *,
    people: Annotated[Path, typer.Option(
        help='A folder with people.json: pictures with an alpha channel, and their keypoints.')],
    backgrounds: Annotated[Path, typer.Option(
        help='A folder with frames in train and valid.')],
    train: Annotated[int, typer.Option(min=1, help='Training images.')] = 400,
    val: Annotated[int, typer.Option(min=1, help='Validation images.')] = 100,
    width: Annotated[int, typer.Option(min=64, help='Width of the images in px.')] = 320,
    height: Annotated[int, typer.Option(min=64, help='Height of the images in px.')] = 180,
    most_people: Annotated[int, typer.Option(min=1, help='People in an image at most.')] = 5,
    seed: Annotated[int, typer.Option(min=0, help='Seed of all that is drawn.')] = 0,
) -> int:
    """Set people into street frames: a dataset whose masks, keypoints and faces are exact."""
    from anon_ros.study.composites import Composition
    from anon_ros.study.composites import compose as write

    plan = Composition(
        people, backgrounds, (train, val), (width, height), most_people,
        (0.13 * height, 0.85 * height), seed)
    with progress_bar('compose', 'images') as show:
        write(plan, out, lambda done, total: show(done, total, None))
    print(f'{out}: {train} training and {val} validation images')
    return DONE


study.command('run')(command(run))
study.command('compose')(command(compose))
