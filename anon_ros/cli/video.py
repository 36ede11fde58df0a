# SPDX-License-Identifier: Apache-2.0
"""`anon-ros video SRC DST`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.audit.recorder import RunRecorder
from anon_ros.cli.options import DONE, WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.runs.video import anonymize_video, kinds_hidden


def video(
    source: Annotated[Path, typer.Argument(help='A video file.')],
    target: Annotated[Path, typer.Argument(help='The anonymized copy; never overwritten.')],
    *,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Anonymize a video file; sound is copied as it is, and a voice is not anonymized."""
    recorder = RunRecorder()
    with progress_bar('video', 'pictures') as show:
        result = anonymize_video(
            source, target, settings, recorder=recorder,
            progress=lambda done, total: show(done, total, recorder),
        )
    if as_json:
        print(json.dumps(asdict(result)))
    else:
        print(f'{target}: {result.pictures} pictures; hidden: {kinds_hidden(result.regions)}; '
              f'{result.withheld} withheld')
    return WITHHELD if result.withheld else DONE
