# SPDX-License-Identifier: Apache-2.0
"""`anon-ros bag SRC DST`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from anon_ros.audit.manifest import MANIFEST_NAME, REPORT_NAME, Manifest
from anon_ros.cli.options import DONE, WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, BagResult, anonymize_bag

Topics = Annotated[
    list[str] | None,
    typer.Option('--topic', help='A camera topic to anonymize, or a pattern; default: all.'),
]
CopiedTopics = Annotated[
    list[str] | None,
    typer.Option('--copy-topic', help='A topic to pass on as it is, though it may show people.'),
]
DroppedTopics = Annotated[
    list[str] | None, typer.Option('--drop-topic', help='A topic to leave out.'),
]
RegionsFile = Annotated[
    Path | None,
    typer.Option('--regions', help='Render from a regions file instead of detecting.'),
]
CorrectionsFile = Annotated[
    Path | None,
    typer.Option('--corrections', help='Corrections by hand of that regions file.'),
]
Resume = Annotated[
    bool, typer.Option('--resume', help='Go on where a run that was killed stopped.')
]


def bag(
    source: Annotated[Path, typer.Argument(help='A bag: a folder, .db3, .mcap or .bag.')],
    target: Annotated[Path, typer.Argument(help='The anonymized copy; never overwritten.')],
    *,
    topic: Topics = None,
    copy_topic: CopiedTopics = None,
    drop_topic: DroppedTopics = None,
    regions: RegionsFile = None,
    corrections: CorrectionsFile = None,
    resume: Resume = False,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Anonymize a bag; everything but the people and plates in its pictures stays as it is."""
    job = BagJob(
        source, target, tuple(topic or ()), tuple(copy_topic or ()), tuple(drop_topic or ()),
        regions, corrections, resume, tuple(sys.argv),
    )
    with progress_bar('bag', 'messages') as show:
        result = anonymize_bag(
            job, settings, progress=lambda done, recorder: show(done.done, done.total, recorder)
        )
    if as_json:
        print(result.manifest.to_json(), end='')
    else:
        print_summary(result.manifest)
        print_places(target, result)
    return status_of(result.manifest)


def status_of(manifest: Manifest) -> int:
    """Return the exit status that a run's manifest stands for."""
    is_short = manifest.withheld or any(topic.dropped for topic in manifest.topics)
    return WITHHELD if is_short else DONE


def print_summary(manifest: Manifest) -> None:
    """Print what became of every topic."""
    table = Table('topic', 'action', 'messages', 'changed', 'withheld', 'hidden')
    for topic in manifest.topics:
        camera = topic.camera
        hidden = '' if camera is None else ', '.join(
            f'{count} {kind}' for kind, count in camera.regions_by_kind.items() if count
        )
        changed = '' if camera is None else str(camera.anonymized)
        withheld = sum(topic.dropped.values()) + (0 if camera is None else camera.withheld)
        table.add_row(
            topic.name, topic.action, str(topic.messages), changed, str(withheld or ''), hidden
        )
    Console().print(table)
    for topic in manifest.topics:
        reasons = {**topic.dropped, **(topic.camera.withheld_by_reason if topic.camera else {})}
        for reason, count in reasons.items():
            print(f'withheld: {topic.name}: {count} times: {reason}')
        for reason, count in (topic.camera.classic_instead if topic.camera else {}).items():
            print(f'not realistic: {topic.name}: {count} times: {reason}')


def print_places(target: Path, result: BagResult) -> None:
    """Print where the result, its report and its manifest lie."""
    print(f'bag       {target}')
    print(f'report    {result.sidecar / REPORT_NAME}')
    print(f'manifest  {result.sidecar / MANIFEST_NAME}')
    print(f'{result.manifest.frames} frames at {result.manifest.frames_per_s:.1f} frames/s')
