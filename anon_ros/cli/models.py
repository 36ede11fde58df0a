# SPDX-License-Identifier: Apache-2.0
"""`anon-ros models list|pull|verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from anon_ros.cli.options import BAD_INPUT, DONE, command
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.models.store import ModelStatus

models = typer.Typer(no_args_is_help=True, help='The networks: list, fetch, check.')
Names = Annotated[list[str] | None, typer.Argument(help='Names of models; all without any.')]


def list_models() -> int:
    """List all networks, their licence and whether they are there."""
    for status in ModelStore().verify():
        state = 'ready' if status.is_ready else 'damaged' if status.problem else 'not here yet'
        card = status.card
        print(f'{card.name:20} {state:13} {card.licence:14} {card.task} [{card.source}]')
    return DONE


def pull(names: Names = None) -> int:
    """Fetch weights, so that later runs need no network."""
    return _show(ModelStore().pull(names))


def verify(names: Names = None) -> int:
    """Check the hashes of the weights that are here."""
    return _show(ModelStore().verify(names))


def _show(statuses: Sequence[ModelStatus]) -> int:
    for status in statuses:
        state = status.path if status.is_ready else status.problem or 'not here yet'
        print(f'{status.card.name}: {state}')
    is_bad = any(status.problem for status in statuses)
    return BAD_INPUT if is_bad else DONE


models.command('list')(command(list_models))
models.command('pull')(command(pull))
models.command('verify')(command(verify))
