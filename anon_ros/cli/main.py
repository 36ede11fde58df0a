# SPDX-License-Identifier: Apache-2.0
"""The command line: `anon-ros COMMAND`."""

from __future__ import annotations

from typing import Annotated

import typer

from anon_ros import __version__
from anon_ros.cli.attack import attack
from anon_ros.cli.bag import bag
from anon_ros.cli.bench import bench
from anon_ros.cli.dataset import dataset
from anon_ros.cli.demo import demo
from anon_ros.cli.export import export
from anon_ros.cli.fleet import fleet
from anon_ros.cli.image import image
from anon_ros.cli.models import models
from anon_ros.cli.node import PASS_ON, node
from anon_ros.cli.options import command
from anon_ros.cli.play import play
from anon_ros.cli.report import report
from anon_ros.cli.review import review
from anon_ros.cli.study import study
from anon_ros.cli.train import train
from anon_ros.cli.verify import verify
from anon_ros.cli.video import video
from anon_ros.media.memory import keep_freed_memory

app = typer.Typer(
    name='anon-ros', no_args_is_help=True, add_completion=False,
    pretty_exceptions_show_locals=False,
    help='Hide faces, people and licence plates in camera data; change nothing else.',
)
for function in (
    bag, verify, image, video, dataset, export, fleet, report, review, attack, demo,
):
    app.command()(command(function))
for starter in (node, play):
    app.command(context_settings=PASS_ON)(command(starter))
app.add_typer(models, name='models')
app.add_typer(bench, name='bench')
app.add_typer(train, name='train')
app.add_typer(study, name='study')


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f'anon-ros {__version__}')
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option('--version', callback=_show_version, help='Print the version.')
    ] = False,
) -> None:
    """Hide faces, people and licence plates in camera data; change nothing else."""
    del version


def run() -> None:
    """Run the command line; the entry point of the installed `anon-ros`."""
    keep_freed_memory()
    app()
