# SPDX-License-Identifier: Apache-2.0
"""`anon-ros review DST`."""

from __future__ import annotations

import getpass
import importlib.util
import json
import secrets
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anon_ros.cli.options import DONE, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from anon_ros.review.apply import ApplyJob

LEAST_TOKEN = 16


def review(
    target: Annotated[Path, typer.Argument(help='What anon-ros has written.')],
    *,
    source: Annotated[
        Path | None,
        typer.Option(help='What it was made from: to compare, and to strike regions.'),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help='0 for any that is free.')] = 0,
    token: Annotated[
        str | None,
        typer.Option(
            envvar='ANON_ROS_REVIEW_TOKEN',
            help='What the page has to show; without it one is drawn and printed.',
        ),
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(help='Who reviews; without it, the user of this machine.')
    ] = None,
    apply: Annotated[
        bool, typer.Option('--apply', help='Render what was corrected, and serve no page.')
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help='With --apply: where it goes; without it, to the place of DST.'),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """
    Look at a result in the browser and correct it: on this machine only, with a token.

    Corrections are saved beside the manifest as they are made; --apply renders the frames that
    they touch and leaves everything else as it is.
    """
    reviewer = reviewer or getpass.getuser()
    if apply:
        from anon_ros.review.apply import ApplyJob

        return _apply(ApplyJob(target, source, out, reviewer), as_json=as_json)
    if out is not None:
        raise UsageError('--out says where --apply writes to: name both')
    _require_web()
    token = secrets.token_urlsafe(24) if token is None else token
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable():
        raise UsageError(f'a token has at least {LEAST_TOKEN} characters of plain ASCII')
    _serve(target, source, reviewer, token=token, port=port)
    return DONE


def _serve(target: Path, source: Path | None, reviewer: str, *, token: str, port: int) -> None:
    from anon_ros.review.journal import JOURNAL_NAME, Journal
    from anon_ros.review.opening import open_material
    from anon_ros.review.serving import serve
    from anon_ros.review.session import Session
    from anon_ros.review.swap import finish_swap

    finish_swap(target)
    with ExitStack() as stack:
        with progress_bar('read', 'messages') as show:
            material = stack.enter_context(open_material(
                target, source, lambda _, done, total: show(done, total, None)))
        result = material.result
        journal = stack.enter_context(Journal(
            result.sidecar / JOURNAL_NAME, result.index.reader.header.source))
        session = Session(material, journal, reviewer)
        # What the last review had no time for.
        session.follow_all()
        # The server ends in good order and then lets the signal through.
        with suppress(KeyboardInterrupt):
            serve(session, token=token, port=port, started=_tell)


def _tell(address: str) -> None:
    print(f'open {address}', flush=True)
    print('Ctrl-C ends the review; what was done is saved', flush=True)


def _apply(job: ApplyJob, *, as_json: bool) -> int:
    from anon_ros.review.apply import apply_review

    with progress_bar('apply', 'frames') as show:
        done = apply_review(job, lambda count, total: show(count, total, None))
    if as_json:
        corrections = [asdict(each) for each in done.corrections]
        print(json.dumps({
            'frames': done.frames, 'corrections': corrections, 'doubts': done.doubts}))
        return DONE
    for each in done.corrections:
        print(f'{each.action}: {each.kind} on {each.topic}, in {each.frames} frames, by {each.by}')
    print(f'{done.frames} frames rendered anew; all else kept its bytes: {done.path}')
    if done.doubts:
        print(f'in {done.doubts} frames it is doubtful whether a drawn region is where it was '
              f'drawn, and nobody has accepted them: look at the result: anon-ros review '
              f'{done.path}')
    return DONE


def _require_web() -> None:
    if not all(importlib.util.find_spec(name) for name in ('starlette', 'uvicorn')):
        raise UsageError("the review page is not installed: pip install 'anon_ros[review]'")
