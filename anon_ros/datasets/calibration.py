# SPDX-License-Identifier: Apache-2.0
"""
Camera and vehicle JSON of Cityscapes from ROS messages.

Lengths in m, angles in rad, speed in m/s, yaw rate in rad/s, positions in degrees. Axes are
ROS's: x forward, y left, z up. Source: REP 103 and 105; csCalibration.pdf of Cityscapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Float64Array = NDArray[np.float64]

OPTICAL = 'optical'
_OPTICAL_TO_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
_MOST_FRAMES = 64
_METRES_PER_DEGREE = 111_320.0


@dataclass
class Transforms:
    """Where frames are in their parents; static ones stay, others are as they were last."""

    _parents: dict[str, tuple[str, Float64Array]] = field(default_factory=dict)

    def put(self, message: Mapping[str, Any]) -> None:
        """Take a tf2_msgs/TFMessage."""
        for each in message.get('transforms', ()):
            child, parent = each['child_frame_id'], each['header']['frame_id']
            self._parents[child.lstrip('/')] = (parent.lstrip('/'), _matrix(each['transform']))

    def find(self, frame: str, base: str) -> Float64Array | None:
        """Return (4, 4) from a frame to one above it; None where no way leads there."""
        frame, base = frame.lstrip('/'), base.lstrip('/')
        total = np.eye(4)
        for _ in range(_MOST_FRAMES):
            if frame == base:
                return total
            if frame not in self._parents:
                return None
            frame, step = self._parents[frame]
            total = step @ total
        return None


def camera_json(info: Mapping[str, Any], to_base: Float64Array | None) -> dict[str, object]:
    """
    Return a camera JSON from a sensor_msgs/CameraInfo; without extrinsic where to_base is None.

    to_base: (4, 4) from the camera's frame; an optical frame (z forward) is turned to x forward.
    """
    matrix = info.get('k') or info.get('K') or [0.0] * 9
    projection = info.get('p') or info.get('P') or [0.0] * 12
    focal = float(projection[0])
    result: dict[str, object] = {'intrinsic': {
        'fx': float(matrix[0]), 'fy': float(matrix[4]), 'u0': float(matrix[2]),
        'v0': float(matrix[5])}}
    if to_base is not None:
        rotation = to_base[:3, :3]
        if OPTICAL in info['header']['frame_id']:
            rotation = rotation @ _OPTICAL_TO_BODY
        yaw, pitch, roll = _angles(rotation)
        x, y, z = (float(value) for value in to_base[:3, 3])
        result['extrinsic'] = {
            'baseline': abs(float(projection[3]) / focal) if focal else 0.0,
            'x': x, 'y': y, 'z': z, 'yaw': yaw, 'pitch': pitch, 'roll': roll}
    return result


@dataclass
class Vehicle:
    """What was last known of the vehicle; distance_m grows with every odometry or GPS message."""

    speed_mps: float | None = None
    yaw_rate: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    distance_m: float = 0.0
    _last_xyz: tuple[float, ...] | None = None

    def put_odometry(self, message: Mapping[str, Any]) -> None:
        """Take a nav_msgs/Odometry."""
        twist, position = message['twist']['twist'], message['pose']['pose']['position']
        self.speed_mps = float(np.hypot(twist['linear']['x'], twist['linear']['y']))
        self.yaw_rate = float(twist['angular']['z'])
        self._move((position['x'], position['y'], position['z']))

    def put_imu(self, message: Mapping[str, Any]) -> None:
        """Take a sensor_msgs/Imu."""
        self.yaw_rate = float(message['angular_velocity']['z'])

    def put_gps(self, message: Mapping[str, Any], *, moves: bool) -> None:
        """
        Take a sensor_msgs/NavSatFix; one without a fix is passed over.

        moves: whether distances are measured by it, since there is no odometry.
        """
        if message['status']['status'] < 0 or not np.isfinite(message['latitude']):
            return
        self.latitude, self.longitude = float(message['latitude']), float(message['longitude'])
        if moves:
            narrowing = float(np.cos(np.radians(self.latitude)))
            self._move((
                self.latitude * _METRES_PER_DEGREE,
                self.longitude * _METRES_PER_DEGREE * narrowing, 0.0))

    def to_json(self) -> dict[str, object]:
        """Return a vehicle JSON with what is known."""
        values = {
            'speed': self.speed_mps, 'yawRate': self.yaw_rate, 'gpsLatitude': self.latitude,
            'gpsLongitude': self.longitude}
        return {key: value for key, value in values.items() if value is not None}

    def _move(self, xyz: tuple[float, ...]) -> None:
        if self._last_xyz is not None:
            self.distance_m += float(np.linalg.norm(np.subtract(xyz, self._last_xyz)))
        self._last_xyz = xyz


def _matrix(transform: Mapping[str, Any]) -> Float64Array:
    rotation, place = transform['rotation'], transform['translation']
    x, y, z, w = (float(rotation[key]) for key in 'xyzw')
    norm = np.sqrt(x * x + y * y + z * z + w * w) or 1.0
    x, y, z, w = x / norm, y / norm, z / norm, w / norm
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = [float(place[key]) for key in 'xyz']
    return matrix


def _angles(rotation: Float64Array) -> tuple[float, float, float]:
    """Return yaw, pitch and roll: turns about z, then y, then x."""
    pitch = float(np.arcsin(np.clip(-rotation[2, 0], -1, 1)))
    yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
    roll = float(np.arctan2(rotation[2, 1], rotation[2, 2]))
    return yaw, pitch, roll
