# SPDX-License-Identifier: Apache-2.0
"""`anon-ros image SRC DST`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.audit.manifest import REPORT_NAME
from anon_ros.cli.bag import RegionsFile, print_summary, status_of
from anon_ros.cli.options import WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.runs.images import anonymize_images


def image(
    source: Annotated[Path, typer.Argument(help='An image, or a folder of images.')],
    target: Annotated[Path, typer.Argument(help='The anonymized copy; never overwritten.')],
    *,
    regions: RegionsFile = None,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Anonymize image files (JPEG, PNG); other files of a folder are not copied."""
    with progress_bar('image', 'files') as show:
        result = anonymize_images(
            source, target, settings, regions=regions, command=tuple(sys.argv),
            progress=lambda done, total: show(done, total, None),
        )
    if as_json:
        print(result.manifest.to_json(), end='')
    else:
        print_summary(result.manifest)
        for name in result.unwritten:
            print(f'not written, its size is unknown: {name}')
        for name in result.skipped:
            print(f'skipped, no JPEG or PNG: {name}')
        print(f'report    {result.sidecar / REPORT_NAME}')
    return WITHHELD if result.unwritten else status_of(result.manifest)
