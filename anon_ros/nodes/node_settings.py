# SPDX-License-Identifier: Apache-2.0
"""What the node needs to know beside core.settings: its cameras, and how long it may take."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anon_ros.core.settings import Spec, check_value
from anon_ros.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSPORTS = ('raw', 'compressed', 'video')
VIDEO_TYPES = (
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket', 'foxglove_msgs/msg/CompressedVideo',
    'sensor_msgs/msg/CompressedImage',
)
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')


def _parameter(default: Any, description: str, **spec: Any) -> Any:
    return field(default=default, metadata={'spec': Spec(description, **spec)})


@dataclass(frozen=True)
class NodeSettings:
    """Parameters of the node itself; those that are not live are read when it is configured."""

    cameras: tuple[str, ...] = _parameter(
        ('camera',), 'Names of the cameras; each has parameters NAME.input and so on.',
        is_live=False,
    )
    on_failure: str = _parameter(
        'drop', 'What goes out for a frame that cannot be anonymized: nothing, or a gray one.',
        choices=('drop', 'mask'),
    )
    max_latency_ms: float = _parameter(
        200.0, 'Longest time from arrival to output of a frame in ms; what is later is withheld.',
        minimum=1.0, maximum=60_000.0,
    )
    watchdog_s: float = _parameter(
        2.0, 'A worker busy with one frame for longer, in s, is reported as stalled.',
        minimum=0.1, maximum=600.0,
    )
    hold_s: float = _parameter(
        1.0, 'How long a region that is lost from sight stays hidden, in s.',
        minimum=0.0, maximum=10.0, is_live=False,
    )
    lazy: bool = _parameter(
        True, 'Subscribe to a camera only while someone listens to its output.', is_live=False,
    )

    def __post_init__(self) -> None:
        """Check every value; raise SettingError that names the parameter and its range."""
        for name, spec in specs(type(self)).items():
            check_value(name, getattr(self, name), spec)
        if len(set(self.cameras)) != len(self.cameras):
            raise SettingError(f'cameras: {", ".join(self.cameras)} names a camera twice')
        for camera in self.cameras:
            if not _NAME.fullmatch(camera):
                raise SettingError(
                    f"cameras: '{camera}' is no name: letters, digits and _ only, a letter first"
                )


@dataclass(frozen=True)
class CameraSettings:
    """Parameters of one camera, as NAME.input and so on."""

    input: str = _parameter(
        '', "Topic of the camera's image, without a transport's suffix; '': NAME/image_raw.",
        is_live=False,
    )
    transport: str = _parameter(
        'raw', 'What the camera sends: raw, compressed (at INPUT/compressed) or video.',
        choices=TRANSPORTS, is_live=False,
    )
    video_type: str = _parameter(
        VIDEO_TYPES[0], 'Message type of transport video.', choices=VIDEO_TYPES, is_live=False,
    )
    camera_info: str = _parameter(
        '', "Topic of the camera's calibration; '': camera_info beside the image.", is_live=False,
    )
    output: str = _parameter(
        '', "Namespace of what goes out: OUTPUT/image and so on; '': anonymized/NAME.",
        is_live=False,
    )

    def __post_init__(self) -> None:
        """Check every value; raise SettingError that names the parameter."""
        for name, spec in specs(type(self)).items():
            check_value(name, getattr(self, name), spec)

    @classmethod
    def of(cls, camera: str, values: Mapping[str, Any]) -> CameraSettings:
        """
        Return the settings of a camera with the topics that follow from its name.

        Raises SettingError that names the camera and the parameter.
        """
        try:
            given = cls(**values)
        except SettingError as error:
            raise SettingError(f'{camera}.{error}') from None
        return dataclasses.replace(
            given, input=given.input or f'{camera}/image_raw',
            output=given.output or f'anonymized/{camera}',
        )


def specs(settings: type[NodeSettings | CameraSettings]) -> dict[str, Spec]:
    """Return what is known of each parameter, by name, in the order of declaration."""
    return {item.name: item.metadata['spec'] for item in dataclasses.fields(settings)}


def defaults(settings: type[NodeSettings | CameraSettings]) -> dict[str, Any]:
    """Return the default of each parameter, by name."""
    return {item.name: item.default for item in dataclasses.fields(settings)}
