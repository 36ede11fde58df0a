# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: their arguments, and the node with whoever configures it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from anon_ros.nodes.dds_profile import NAME, variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SWITCH = ('true', 'false')
_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')


def common_arguments() -> list[Any]:
    """Return the arguments of every launch file here."""
    config = PathJoinSubstitution([FindPackageShare('anon_ros'), 'config'])
    return [
        DeclareLaunchArgument(
            'params_file', default_value=PathJoinSubstitution([config, 'anonymizer.yaml']),
            description='YAML file with parameters; config/anonymizer.yaml lists them all.',
        ),
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node and its topics.'
        ),
        _switch('autostart', 'true', 'Configure and activate the node, after a respawn too.'),
        _switch('respawn', 'true', 'Start the node again when it ends unasked.'),
        _switch('use_sim_time', 'false', 'Take the time from /clock.'),
        DeclareLaunchArgument(
            'log_level', default_value='info', choices=_LEVELS, description='Least log level.'
        ),
        DeclareLaunchArgument(
            'dds_profile', default_value=PathJoinSubstitution([config, NAME]),
            description="Fast DDS profile with room for images; '' for none. The camera's driver "
                        'needs it too.',
        ),
    ]


def node_actions(
    parameters: Mapping[str, Any], remappings: Sequence[tuple[Any, Any]] = ()
) -> list[Any]:
    """
    Return the node, the environment it needs, and the events that start it.

    parameters: beside those of params_file, which they override.
    """
    node = LifecycleNode(
        package='anon_ros', executable='anon-ros', name='anonymizer',
        namespace=LaunchConfiguration('namespace'), output='screen',
        arguments=[
            'node', '--no-autostart',
            '--ros-args', '--log-level', ['anonymizer:=', LaunchConfiguration('log_level')],
        ],
        parameters=[
            LaunchConfiguration('params_file'),
            {'use_sim_time': ParameterValue(
                LaunchConfiguration('use_sim_time'), value_type=bool)},
            dict(parameters),
        ],
        remappings=list(remappings),
        respawn=LaunchConfiguration('respawn'), respawn_delay=2.0,
    )
    profile = LaunchConfiguration('dds_profile')
    environment = SetEnvironmentVariable(
        variable(), profile, condition=IfCondition(PythonExpression(["'", profile, "' != ''"]))
    )
    return [environment, *_autostart(node), node]


def _autostart(node: LifecycleNode) -> list[Any]:
    """Configure whenever the process starts, and activate whenever it is configured."""
    is_wanted = IfCondition(LaunchConfiguration('autostart'))

    def change(transition_id: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(
            lifecycle_node_matcher=matches_action(node), transition_id=transition_id
        ))

    return [
        RegisterEventHandler(OnProcessStart(
            target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)],
        ), condition=is_wanted),
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, start_state='configuring', goal_state='inactive',
            entities=[change(Transition.TRANSITION_ACTIVATE)],
        ), condition=is_wanted),
    ]


def _switch(name: str, default: str, description: str) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(
        name, default_value=default, choices=_SWITCH, description=description
    )
