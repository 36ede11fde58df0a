# SPDX-License-Identifier: Apache-2.0
"""`anon-ros video SRC DST`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.audit.manifest import REPORT_NAME
from anon_ros.cli.bag import RegionsFile, print_summary, status_of
from anon_ros.cli.options import JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.runs.video import anonymize_video


def video(
    source: Annotated[Path, typer.Argument(help='A video file.')],
    target: Annotated[Path, typer.Argument(help='The anonymized copy; never overwritten.')],
    *,
    regions: RegionsFile = None,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Anonymize a video file; sound is copied as it is, and a voice is not anonymized."""
    with progress_bar('video', 'pictures') as show:
        result = anonymize_video(
            source, target, settings, regions=regions, command=tuple(sys.argv), progress=show,
        )
    if as_json:
        print(result.manifest.to_json(), end='')
    else:
        print_summary(result.manifest)
        print(f'report    {result.sidecar / REPORT_NAME}')
    return status_of(result.manifest)
