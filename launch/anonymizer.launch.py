# SPDX-License-Identifier: Apache-2.0
"""One camera: `ros2 launch anon_ros anonymizer.launch.py input:=/front/image_raw`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration

from anon_ros.nodes.launching import common_arguments, node_actions
from anon_ros.nodes.node_settings import TRANSPORTS


def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument(
            'input', default_value='camera/image_raw',
            description="Topic of the camera's image, without a transport's suffix.",
        ),
        DeclareLaunchArgument(
            'output', default_value='anonymized/camera/image',
            description='Topic of the anonymized image, without a suffix; camera_info beside it.',
        ),
        DeclareLaunchArgument(
            'transport', default_value='raw', choices=TRANSPORTS,
            description='What the camera sends: raw, compressed (at INPUT/compressed) or video.',
        ),
        *common_arguments(),
        *node_actions(
            {'cameras': ['camera'], 'camera.transport': LaunchConfiguration('transport')},
            remappings=[
                ('camera/image_raw', LaunchConfiguration('input')),
                ('anonymized/camera/image', LaunchConfiguration('output')),
            ],
        ),
    ])
