# SPDX-License-Identifier: Apache-2.0
"""Progress of a long job on stderr: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anon_ros.audit.recorder import RunRecorder

REFRESH_S = 0.2


@contextmanager
def progress_bar(
    label: str, unit: str
) -> Iterator[Callable[[int, int, RunRecorder | None], None]]:
    """
    Show a bar while the block runs.

    Yields a function of the number done, the number in all (-1 unknown) and the run's recorder,
    from which frames/s and what was found and withheld are shown.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
        TimeRemainingColumn(), TextColumn('{task.fields[found]}'),
    )
    start_s, last_s = time.perf_counter(), 0.0
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=None, found='')

        def show(done: int, total: int, recorder: RunRecorder | None) -> None:
            nonlocal last_s
            now_s = time.perf_counter()
            if now_s - last_s < REFRESH_S and done != total:
                return
            last_s = now_s
            found = '' if recorder is None else _found(recorder, now_s - start_s)
            bar.update(task, completed=done, total=None if total < 0 else total, found=found)

        yield show


def _found(recorder: RunRecorder, elapsed_s: float) -> str:
    totals = recorder.totals()
    found = ', '.join(f'{count} {kind}' for kind, count in totals.regions.items() if count)
    return (
        f'{totals.frames / max(elapsed_s, 1e-9):.1f} frames/s; {found or "nothing found"}; '
        f'{totals.withheld} withheld'
    )
