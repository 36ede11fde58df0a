# SPDX-License-Identifier: Apache-2.0
"""
The launch files with the real node, by launch_testing: `launch_test test/ros/live_launch.py`.

Under plain pytest test_launch_files.py runs this module where launch_ros is installed.
"""

import os
import sys
import unittest
from pathlib import Path

import launch
import launch_testing.actions
import launch_testing.asserts
import launch_testing.markers
from launch.launch_description_sources import PythonLaunchDescriptionSource

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'helpers'))
OUT, IN = '/vehicle/front/safe/image', '/vehicle/front/image_raw'


@launch_testing.markers.keep_alive
def generate_test_description():
    source = PythonLaunchDescriptionSource(str(ROOT / 'launch' / 'multi_camera.launch.py'))
    arguments = {
        'cameras': 'front, rear', 'namespace': 'vehicle', 'output': '{camera}/safe',
        'params_file': os.environ['ANON_ROS_TEST_PARAMS'], 'respawn': 'false',
    }
    return launch.LaunchDescription([
        launch.actions.IncludeLaunchDescription(source, launch_arguments=arguments.items()),
        launch_testing.actions.ReadyToTest(),
    ])


class TestLive(unittest.TestCase):
    """The node is configured and activated by the launch file, and hides what it finds."""

    def test_images_come_out_in_the_namespace(self):
        from bag_builder import picture
        from live import Client, image_message
        from sensor_msgs.msg import Image

        client = Client(int(os.environ.get('ROS_DOMAIN_ID', '0')))
        try:
            client.listen(OUT, Image)
            client.advertise(IN, Image)
            client.wait_connected(IN)
            sent = image_message(picture(size_wh=(320, 240)), 4)
            client.send_until(IN, lambda _: sent, lambda: client.received[OUT], 'an image')
            got = client.received[OUT][0]
            assert got.header == sent.header
            assert (got.encoding, got.width, got.height) == ('bgr8', 320, 240)
        finally:
            client.close()


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """SIGINT ends it cleanly."""

    def test_exit_codes(self, proc_info):
        launch_testing.asserts.assertExitCodes(proc_info)
