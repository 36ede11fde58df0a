# SPDX-License-Identifier: Apache-2.0
"""
Cameras for measurements: `python -m anon_ros.nodes.synthetic_camera IMAGES.npy COUNT HZ`.

Camera i of COUNT publishes /camera_i/image_raw and camera_info. Its frames can be told from those
of every other camera by three marks: the frame_id, the stamp modulo 16 ns, and the first row's
gray level.
"""

from __future__ import annotations

import itertools
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import rclpy
from sensor_msgs.msg import CameraInfo, Image

from anon_ros.nodes import qos
from anon_ros.nodes.shutdown import until_shutdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.regions import UInt8Array

MARKS = 16


def mark(camera: int) -> int:
    """Return the gray level of a camera's first row."""
    return 8 + 15 * camera


def camera_name(camera: int) -> str:
    """Return the name, and frame_id, of a camera."""
    return f'camera_{camera}'


def build_message(image_bgr: UInt8Array, camera: int) -> Image:
    """Return an Image without a stamp; image_bgr: (h, w, 3) uint8."""
    marked = image_bgr.copy()
    marked[0] = mark(camera)
    height, width = marked.shape[:2]
    message = Image(height=height, width=width, encoding='bgr8', step=3 * width)
    message.header.frame_id = camera_name(camera)
    message.data.frombytes(marked.data.cast('B'))
    return message


class SyntheticCameras:
    """Publishes the same few images over and over, with the time of now."""

    def __init__(self, node: Any, images_bgr: Sequence[UInt8Array], count: int) -> None:
        """Take (h, w, 3) uint8 images and the number of cameras, 1..16."""
        self._cameras = [
            (
                node.create_publisher(
                    Image, f'/{camera_name(camera)}/image_raw', qos.image_output()
                ),
                node.create_publisher(
                    CameraInfo, f'/{camera_name(camera)}/camera_info', qos.image_output()
                ),
                [build_message(image, camera) for image in images_bgr],
            )
            for camera in range(count)
        ]

    def send(self, turn: int) -> None:
        """Publish one frame of every camera."""
        for camera, (images, infos, messages) in enumerate(self._cameras):
            message = messages[turn % len(messages)]
            stamp_ns = time.time_ns() // MARKS * MARKS + camera
            stamp = message.header.stamp
            stamp.sec, stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
            infos.publish(CameraInfo(
                header=message.header, height=message.height, width=message.width
            ))
            images.publish(message)


def main(arguments: Sequence[str]) -> None:
    """Publish until SIGINT."""
    images_bgr = np.load(arguments[0])
    count, rate_hz = int(arguments[1]), float(arguments[2])
    rclpy.init()
    try:
        with until_shutdown():
            node = rclpy.create_node('synthetic_camera')
            cameras = SyntheticCameras(node, images_bgr, count)
            next_s = time.monotonic()
            for turn in itertools.count():
                cameras.send(turn)
                next_s = max(next_s + 1 / rate_hz, time.monotonic() - 1 / rate_hz)
                time.sleep(max(0.0, next_s - time.monotonic()))
                rclpy.spin_once(node, timeout_sec=0)
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main(sys.argv[1:])
