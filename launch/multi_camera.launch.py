# SPDX-License-Identifier: Apache-2.0
"""Several cameras: `ros2 launch anon_ros multi_camera.launch.py cameras:=front,rear`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from anon_ros.nodes.launching import common_arguments, node_actions
from anon_ros.nodes.node_settings import TRANSPORTS


def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument(
            'cameras', default_value='front,rear',
            description='Names of the cameras, separated by commas.',
        ),
        DeclareLaunchArgument(
            'input', default_value='{camera}/image_raw',
            description="Topic of each camera's image; {camera} stands for its name.",
        ),
        DeclareLaunchArgument(
            'output', default_value='anonymized/{camera}',
            description='Namespace of what goes out; {camera} stands for the name.',
        ),
        DeclareLaunchArgument(
            'transport', default_value='raw', choices=TRANSPORTS,
            description='What the cameras send; where they differ, use a params_file.',
        ),
        *common_arguments(),
        OpaqueFunction(function=_start),
    ])


def _start(context):
    chosen = {
        name: LaunchConfiguration(name).perform(context)
        for name in ('cameras', 'input', 'output', 'transport')
    }
    cameras = [name.strip() for name in chosen['cameras'].split(',')]
    parameters = {'cameras': cameras}
    for camera in cameras:
        parameters[f'{camera}.input'] = chosen['input'].replace('{camera}', camera)
        parameters[f'{camera}.output'] = chosen['output'].replace('{camera}', camera)
        parameters[f'{camera}.transport'] = chosen['transport']
    return node_actions(parameters)
