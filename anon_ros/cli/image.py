# SPDX-License-Identifier: Apache-2.0
"""`anon-ros image SRC DST`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.cli.options import DONE, WITHHELD, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import Settings
from anon_ros.runs.images import ImagesResult, anonymize_images


def image(
    source: Annotated[Path, typer.Argument(help='An image, or a folder of images.')],
    target: Annotated[Path, typer.Argument(help='The anonymized copy; never overwritten.')],
    *,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Anonymize image files (JPEG, PNG)."""
    with progress_bar('image', 'files') as show:
        result = anonymize_images(
            source, target, settings, progress=lambda done, total: show(done, total, None)
        )
    print(json.dumps(_to_plain(result)) if as_json else _to_text(result, target))
    return WITHHELD if result.withheld else DONE


def _to_plain(result: ImagesResult) -> dict[str, object]:
    return {
        'images': len(result.images),
        'regions': result.regions_by_kind(),
        'withheld': {i.name: i.reason for i in result.images if i.reason is not None},
        'skipped': list(result.skipped),
    }


def _to_text(result: ImagesResult, target: Path) -> str:
    found = ', '.join(f'{count} {kind}' for kind, count in result.regions_by_kind().items())
    lines = [f'{target}: {len(result.images)} images; hidden: {found}']
    lines += [f'withheld: {i.name}: {i.reason}' for i in result.images if i.reason is not None]
    lines += [f'skipped, no JPEG or PNG: {name}' for name in result.skipped]
    return '\n'.join(lines)
