# SPDX-License-Identifier: Apache-2.0
"""`anon-ros node`: the ROS node without the ros2 command."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from anon_ros.cli.options import DONE
from anon_ros.errors import UsageError

PASS_ON = {'ignore_unknown_options': True, 'allow_interspersed_args': True}
"""Whatever Typer does not know is for ROS: `--ros-args -p cameras:=[front]`."""


def node(
    ros_arguments: Annotated[
        list[str] | None, typer.Argument(help='For ROS, as: --ros-args --params-file FILE.')
    ] = None,
    *,
    autostart: Annotated[
        bool, typer.Option(help='Configure and activate at once; else a lifecycle manager does.')
    ] = True,
) -> int:
    """Anonymize live camera topics until Ctrl-C."""
    require_ros()
    from anon_ros.nodes.run import run_node

    run_node(['anon-ros', *(ros_arguments or ())], autostart=autostart)
    return DONE


def require_ros() -> None:
    """Raise UsageError that says what to install where rclpy is missing."""
    if importlib.util.find_spec('rclpy') is None:
        raise UsageError(
            "rclpy is not installed: source your ROS 2, or pip install 'anon_ros[ros]'"
        )
