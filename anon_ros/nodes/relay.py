# SPDX-License-Identifier: Apache-2.0
"""
A node that passes images on as they are, as the measure of what transport alone costs.

`python -m anon_ros.nodes.relay INPUT OUTPUT`. For measurements on synthetic images only: nothing
else starts it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rclpy
from sensor_msgs.msg import Image

from anon_ros.nodes import qos
from anon_ros.nodes.shutdown import until_shutdown

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Relay until SIGINT."""
    source, target = arguments
    rclpy.init()
    try:
        with until_shutdown():
            node = rclpy.create_node('relay')
            publisher = node.create_publisher(Image, target, qos.image_output())
            node.create_subscription(Image, source, publisher.publish, qos.image_input(), raw=True)
            rclpy.spin(node)
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main(sys.argv[1:])
