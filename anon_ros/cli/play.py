# SPDX-License-Identifier: Apache-2.0
"""`anon-ros play BAG`: a bag's messages on ROS topics, without the ros2 command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anon_ros.cli.node import require_ros
from anon_ros.cli.options import DONE


def play(
    bag: Annotated[Path, typer.Argument(help='A bag: a folder, .db3 or .mcap.')],
    ros_arguments: Annotated[
        list[str] | None, typer.Argument(help='For ROS, as: --ros-args -r /old:=/new.')
    ] = None,
    *,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help='2 is twice as fast.')] = 1.0,
    loop: Annotated[bool, typer.Option('--loop', help='Begin again at the end.')] = False,
    topic: Annotated[
        list[str] | None, typer.Option('--topic', help='A topic or a pattern; default: all.')
    ] = None,
    paused: Annotated[
        bool, typer.Option('--paused', help='Wait for the service /player/pause to go on.')
    ] = False,
    delay_s: Annotated[
        float, typer.Option(min=0, help='Wait before the first message, in s.')
    ] = 1.0,
    clock: Annotated[
        bool, typer.Option('--clock', help='Publish /clock, for use_sim_time.')
    ] = False,
) -> int:
    """Publish a bag on ROS topics, with its QoS and timing."""
    require_ros()
    from anon_ros.nodes.player import PlayOptions, play_bag

    options = PlayOptions(rate, loop, tuple(topic or ()), paused, delay_s, clock)
    result = play_bag(bag, options, ['anon-ros', *(ros_arguments or ())])
    for name, reason in result.skipped.items():
        print(f'anon-ros: not played: {name}: {reason}', file=sys.stderr)
    print(f'{result.messages} messages played')
    return DONE
