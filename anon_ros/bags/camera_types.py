# SPDX-License-Identifier: Apache-2.0
"""The message types that hold a picture: those that are anonymized, and the others."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from anon_ros.bags.definitions import canonical


class PayloadKind(enum.Enum):
    """What a camera message carries."""

    RAW = 'raw'
    COMPRESSED = 'compressed'
    VIDEO = 'video'


@dataclass(frozen=True)
class CameraType:
    """
    How a message type holds its picture.

    kind: what the payload is. format_field: the field that names its encoding.
    definition: what its package defines, for bags that carry no definition; '' where ROS itself
        defines it.
    prefix: the path to the message that holds the picture, 'image.', where it is an inner one.
    """

    kind: PayloadKind
    format_field: str
    definition: str = ''
    prefix: str = ''


_STAMP = 'builtin_interfaces/Time timestamp\nstring frame_id\n'
_VIDEO = CameraType(PayloadKind.VIDEO, 'format', _STAMP + 'uint8[] data\nstring format')
_COMPRESSED = CameraType(PayloadKind.COMPRESSED, 'format', _VIDEO.definition)
_RAW = CameraType(
    PayloadKind.RAW, 'encoding',
    _STAMP + 'uint32 width\nuint32 height\nstring encoding\nuint32 step\nuint8[] data',
)
_PACKET = CameraType(
    PayloadKind.VIDEO, 'encoding',
    'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
    'uint8 flags\nbool is_bigendian\nuint8[] data',
)

CAMERA_TYPES = {
    'sensor_msgs/Image': CameraType(PayloadKind.RAW, 'encoding'),
    'sensor_msgs/CompressedImage': CameraType(PayloadKind.COMPRESSED, 'format'),
    'foxglove_msgs/RawImage': _RAW,
    'foxglove_msgs/CompressedImage': _COMPRESSED,
    'foxglove_msgs/CompressedVideo': _VIDEO,
    'ros_foxglove_msgs/RawImage': _RAW,
    'ros_foxglove_msgs/CompressedImage': _COMPRESSED,
    'ros_foxglove_msgs/CompressedVideo': _VIDEO,
    'ffmpeg_image_transport_msgs/FFMPEGPacket': _PACKET,
    'stereo_msgs/DisparityImage': CameraType(PayloadKind.RAW, 'encoding', prefix='image.'),
}
"""Types that are anonymized in CDR and ROS 1 serialization, by canonical name."""

OTHER_IMAGE_TYPES = frozenset({
    'foxglove/RawImage',
    'foxglove/CompressedImage',
    'foxglove/CompressedVideo',
    'theora_image_transport/Packet',
    'depthai_ros_msgs/FFMPEGPacket',
    'h264_msgs/Packet',
})
"""Types that hold pictures which nobody here takes apart: copied or dropped by name only."""

DEPTH_TYPES = frozenset({'stereo_msgs/DisparityImage'})
"""Types that hold distances, not brightness."""


def camera_type(type_name: str) -> CameraType | None:
    """Return how messages of a type hold their picture; None for a type that is no camera's."""
    return CAMERA_TYPES.get(canonical(type_name))


def is_image_type(type_name: str) -> bool:
    """Return whether a type is known to hold a picture, whoever can read it."""
    name = canonical(type_name)
    return name in CAMERA_TYPES or name in OTHER_IMAGE_TYPES
