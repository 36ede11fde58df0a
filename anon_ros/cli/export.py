# SPDX-License-Identifier: Apache-2.0
"""`anon-ros export BAG OUT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.cli.options import DONE, JsonOption
from anon_ros.cli.progress import progress_bar
from anon_ros.datasets.selection import SPLITS, Rule
from anon_ros.errors import UsageError
from anon_ros.runs.export import ExportJob, ExportResult, export_bag
from anon_ros.runs.export_survey import RideTopics


def export(
    bag: Annotated[Path, typer.Argument(help='An anonymized bag.')],
    target: Annotated[Path, typer.Argument(help='The training set; never overwritten.')],
    *,
    format: Annotated[  # noqa: A002 - the name of the option
        str, typer.Option(help='How it is laid out: cityscapes, bdd100k or coco.')
    ],
    topic: Annotated[
        list[str] | None, typer.Option(help='A camera topic; default: all anonymized ones.')
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help='At most as many frames a second; 0 for no limit.')
    ] = 1.0,
    distance: Annotated[
        float, typer.Option(min=0, help='Metres driven between frames, by odometry or GPS.')
    ] = 0.0,
    change: Annotated[
        float, typer.Option(min=0, max=255, help='How different frames have to look, of 255.')
    ] = 0.0,
    shares: Annotated[
        str, typer.Option(help='Shares of train, val and test, one after the other in time.')
    ] = '0.8,0.1,0.1',
    gap_s: Annotated[
        float, typer.Option(min=0, help='Seconds left out between two splits.')
    ] = 5.0,
    odometry: Annotated[str, typer.Option(help='A nav_msgs/Odometry topic.')] = '',
    imu: Annotated[str, typer.Option(help='A sensor_msgs/Imu topic.')] = '',
    gps: Annotated[str, typer.Option(
        help='A sensor_msgs/NavSatFix topic: writes where every picture was taken.')] = '',
    base_frame: Annotated[
        str, typer.Option(help="The vehicle's frame, for camera positions.")
    ] = 'base_link',
    city: Annotated[
        str, typer.Option(help="The city in names of Cityscapes; default: the bag's name.")
    ] = '',
    weather: Annotated[str, typer.Option(help='Of all frames, e.g. rainy.')] = '',
    timeofday: Annotated[str, typer.Option(help='Of all frames, e.g. night.')] = '',
    scene: Annotated[str, typer.Option(help='Of all frames, e.g. highway.')] = '',
    pseudo_labels: Annotated[bool, typer.Option(
        '--pseudo-labels', help='Annotate what was hidden, marked as found by a network.'
    )] = False,
    allow_original: Annotated[bool, typer.Option(
        '--allow-original', help='Export a bag that no manifest says is anonymized.')] = False,
    as_json: JsonOption = False,
) -> int:
    """Make a training set of an anonymized bag."""
    given = {'weather': weather, 'timeofday': timeofday, 'scene': scene}
    job = ExportJob(
        bag, target, format, tuple(topic or ()), Rule(rate, distance, change),
        _parse_shares(shares), gap_s, RideTopics(odometry, imu, gps, base_frame), city,
        {name: value for name, value in given.items() if value}, pseudo_labels, allow_original,
        tuple(sys.argv),
    )
    if distance and not (odometry or gps):
        raise UsageError('--distance needs --odometry or --gps to measure it')
    with progress_bar('export', 'images') as show:
        result = export_bag(job, progress=lambda done, total: show(done, total, None))
    print(json.dumps(vars(result)) if as_json else _to_text(result, target))
    return DONE


def _parse_shares(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(part) for part in text.split(','))
    except ValueError:
        raise UsageError(f"shares: '{text}' is no train,val,test, e.g. 0.8,0.1,0.1") from None
    return train, val, test


def _to_text(result: ExportResult, target: Path) -> str:
    found = ', '.join(f'{result.images.get(split, 0)} {split}' for split in SPLITS)
    lines = [f'{target}: {found}']
    lines += [f'left out: {reason}: {count}' for reason, count in result.left_out.items()]
    return '\n'.join([*lines, *(f'note: {note}' for note in result.notes)])
