# SPDX-License-Identifier: Apache-2.0
"""Run the node in this process until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from anon_ros.errors import SettingError, UsageError
from anon_ros.nodes.anonymizer_node import AnonymizerNode
from anon_ros.nodes.dds_profile import use_profile
from anon_ros.nodes.shutdown import until_shutdown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings


def run_node(
    arguments: Sequence[str] = (),
    *,
    autostart: bool = False,
    build_detector: Callable[[Settings], RegionDetector] | None = None,
) -> None:
    """
    Run the anonymizer until SIGINT, SIGTERM or a shutdown of ROS.

    arguments: with --ros-args and so on. autostart: configure and activate at once; else a
    lifecycle manager or a launch file does. build_detector: see AnonymizerNode.
    Raises SettingError for bad parameters, UsageError where autostart fails.
    """
    init_ros(arguments)
    try:
        node = _create(build_detector)
        try:
            if autostart:
                _start(node)
            _spin(node)
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def init_ros(arguments: Sequence[str]) -> None:
    """Start ROS in this process; raise UsageError where it refuses the arguments."""
    use_profile()
    try:
        rclpy.init(args=list(arguments))
    except RuntimeError as error:
        # rclpy's errors of bad arguments have had several names; all are RuntimeErrors.
        raise UsageError(f'ROS does not take these arguments: {error}') from error


def _create(build_detector: Callable[[Settings], RegionDetector] | None) -> AnonymizerNode:
    try:
        return AnonymizerNode(build_detector=build_detector)
    except ParameterException as error:
        raise SettingError(' '.join(str(error).split())) from error


def _start(node: AnonymizerNode) -> None:
    for trigger in (node.trigger_configure, node.trigger_activate):
        if trigger() != TransitionCallbackReturn.SUCCESS:
            raise UsageError('the node cannot start; the line above says why')


def _spin(node: AnonymizerNode) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with until_shutdown():
            executor.spin()
    finally:
        executor.shutdown()
