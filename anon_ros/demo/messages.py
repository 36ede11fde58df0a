# SPDX-License-Identifier: Apache-2.0
"""The messages of the demo's recording, serialized to CDR."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

    from anon_ros.core.regions import UInt8Array

WHEEL_TICKS = 'demo_msgs/msg/WheelTicks'
WHEEL_TICKS_DEFINITION = """\
# Counts of the four wheel encoders.
std_msgs/Header header
int64[4] ticks
float32 wheel_radius_m
string[] wheel_names
"""
WHEEL_NAMES = ('front left', 'front right', 'rear left', 'rear right')
JPEG_QUALITY = 88
DEPTH_SIZE_WH = (320, 240)


class MessageMaker:
    """Makes messages of one recording; all stamps in ns, all results in CDR."""

    def __init__(self) -> None:
        self.typestore: Typestore = get_typestore(Stores.ROS2_HUMBLE)
        self.typestore.register(get_types_from_msg(WHEEL_TICKS_DEFINITION, WHEEL_TICKS))

    def image(self, stamp_ns: int, frame_id: str, image_bgr: UInt8Array) -> memoryview:
        """Return a sensor_msgs/msg/Image of encoding bgr8. image_bgr: (h, w, 3)."""
        height, width = image_bgr.shape[:2]
        return self._pack(
            'sensor_msgs/msg/Image', header=self._header(stamp_ns, frame_id), height=height,
            width=width, encoding='bgr8', is_bigendian=0, step=3 * width,
            data=image_bgr.reshape(-1),
        )

    def jpeg(self, stamp_ns: int, frame_id: str, image_bgr: UInt8Array) -> memoryview:
        """Return a sensor_msgs/msg/CompressedImage of format jpeg. image_bgr: (h, w, 3)."""
        _, data = cv2.imencode('.jpg', image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return self._pack(
            'sensor_msgs/msg/CompressedImage', header=self._header(stamp_ns, frame_id),
            format='bgr8; jpeg compressed bgr8', data=np.asarray(data, np.uint8).reshape(-1),
        )

    def depth(self, stamp_ns: int, frame_id: str, progress: float) -> memoryview:
        """Return a sensor_msgs/msg/Image of encoding 16UC1, in mm: a wall and a road."""
        width, height = DEPTH_SIZE_WH
        rows = np.arange(height, dtype=np.float32)[:, None]
        wall_mm = 4000 + 800 * np.sin(np.arange(width) / 60 + 6 * progress)[None]
        depth_mm = np.minimum(wall_mm, 90_000 / np.maximum(rows - height / 2, 1) + 600)
        return self._pack(
            'sensor_msgs/msg/Image', header=self._header(stamp_ns, frame_id), height=height,
            width=width, encoding='16UC1', is_bigendian=0, step=2 * width,
            data=depth_mm.astype('<u2').view(np.uint8).reshape(-1),
        )

    def camera_info(
        self, stamp_ns: int, frame_id: str, size_wh: tuple[int, int]
    ) -> memoryview:
        """Return a sensor_msgs/msg/CameraInfo of a camera without distortion."""
        width, height = size_wh
        matrix = np.array([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]])
        return self._pack(
            'sensor_msgs/msg/CameraInfo', header=self._header(stamp_ns, frame_id), height=height,
            width=width, distortion_model='plumb_bob', d=np.zeros(5), k=matrix.reshape(-1),
            r=np.eye(3).reshape(-1), p=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1),
            binning_x=0, binning_y=0,
            roi=self._make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0,
                           width=0, do_rectify=False),
        )

    def imu(self, stamp_ns: int, rng: np.random.Generator) -> memoryview:
        """Return a sensor_msgs/msg/Imu at rest, with noise."""
        x, y, z, turn_x, turn_y, turn_z = rng.normal(0, 0.02, 6).tolist()
        return self._pack(
            'sensor_msgs/msg/Imu', header=self._header(stamp_ns, 'imu'),
            orientation=self._turned(0.0), orientation_covariance=np.zeros(9),
            angular_velocity=self._vector(turn_x, turn_y, turn_z),
            angular_velocity_covariance=np.eye(3).reshape(-1) * 1e-4,
            linear_acceleration=self._vector(x, y, 9.81 + z),
            linear_acceleration_covariance=np.eye(3).reshape(-1) * 1e-3,
        )

    def transform(self, stamp_ns: int, progress: float) -> memoryview:
        """Return a tf2_msgs/msg/TFMessage of the car on its way."""
        transform = self._make(
            'geometry_msgs/msg/TransformStamped', header=self._header(stamp_ns, 'map'),
            child_frame_id='base_link',
            transform=self._make(
                'geometry_msgs/msg/Transform', translation=self._vector(40 * progress, 0, 0),
                rotation=self._turned(0.1 * math.sin(6 * progress))),
        )
        return self._pack('tf2_msgs/msg/TFMessage', transforms=[transform])

    def wheel_ticks(self, stamp_ns: int, progress: float) -> memoryview:
        """Return a message of a type that no distribution knows."""
        ticks = np.full(4, int(40_000 * progress), np.int64) + np.arange(4)
        return self._pack(
            WHEEL_TICKS, header=self._header(stamp_ns, 'base_link'), ticks=ticks,
            wheel_radius_m=0.31, wheel_names=list(WHEEL_NAMES),
        )

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        stamp = self._make('builtin_interfaces/msg/Time', sec=seconds, nanosec=nanoseconds)
        return self._make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def _vector(self, x: float, y: float, z: float) -> Any:
        return self._make('geometry_msgs/msg/Vector3', x=x, y=y, z=z)

    def _turned(self, yaw_rad: float) -> Any:
        return self._make(
            'geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=math.sin(yaw_rad / 2),
            w=math.cos(yaw_rad / 2))

    def _make(self, name: str, **fields: Any) -> Any:
        return self.typestore.types[name](**fields)

    def _pack(self, name: str, **fields: Any) -> memoryview:
        return memoryview(self.typestore.serialize_cdr(self._make(name, **fields), name))
