# SPDX-License-Identifier: Apache-2.0
"""`anon-ros demo FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.cli.bag import print_places, print_summary, status_of
from anon_ros.cli.options import BAD_INPUT
from anon_ros.cli.progress import progress_bar
from anon_ros.cli.verify import print_verdict
from anon_ros.core.settings import Settings
from anon_ros.demo.bag import DEPTH_TOPIC, count_covered, make_demo_bag
from anon_ros.errors import OutputError
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.verify import verify_bag


def demo(
    folder: Annotated[Path, typer.Argument(help='A new folder for both bags.')] = Path('demo'),
    *,
    seconds: Annotated[float, typer.Option(min=1, max=60, help='Length, in s.')] = 10.0,
    settings: Settings,
) -> int:
    """Make a recording, anonymize it, verify the result and show where the report lies."""
    if folder.exists():
        raise OutputError(f'{folder} exists already; name another folder, or remove it')
    folder.mkdir(parents=True)
    source, target = folder / 'recording', folder / 'anonymized'
    print(f'making a recording of {seconds:g} s with known faces in {source}')
    truth = make_demo_bag(source, seconds=seconds)
    job = BagJob(source, target, copied=(DEPTH_TOPIC,), command=tuple(sys.argv))
    with progress_bar('bag', 'messages') as show:
        result = anonymize_bag(
            job, settings, progress=lambda done, recorder: show(done.done, done.total, recorder)
        )
    with progress_bar('verify', 'messages') as show:
        report = verify_bag(source, target, progress=lambda done: show(done, -1, None))
    print_summary(result.manifest)
    print_verdict(report)
    frames = RegionsReader(result.sidecar / REGIONS_NAME)
    covered, total = count_covered(
        truth, ((frame.topic, frame.log_ns, frame.regions) for frame in frames)
    )
    print(f'{covered} of {total} true faces are hidden ({100 * covered / max(total, 1):.1f} %)')
    print_places(target, result)
    return status_of(result.manifest) if report.ok else BAD_INPUT
