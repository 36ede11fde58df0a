# SPDX-License-Identifier: Apache-2.0
"""`anon-ros report DST`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anon_ros.audit.manifest import REPORT_NAME, manifest_path, read_manifest, sidecar_path
from anon_ros.cli.bag import print_summary
from anon_ros.cli.options import DONE, JsonOption


def report(
    target: Annotated[Path, typer.Argument(help='What `anon-ros bag` has written.')],
    *,
    as_json: JsonOption = False,
) -> int:
    """Print what a run did, and where its HTML report lies."""
    manifest = read_manifest(manifest_path(target))
    if as_json:
        print(manifest.to_json(), end='')
    else:
        print_summary(manifest)
        print(f'report    {sidecar_path(target) / REPORT_NAME}')
    return DONE
