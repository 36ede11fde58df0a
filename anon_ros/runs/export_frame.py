# SPDX-License-Identifier: Apache-2.0
"""One frame of a bag on its way into a training set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2

from anon_ros.bags.messages import locate
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.datasets.cityscapes import core_name
from anon_ros.datasets.records import ImageRecord
from anon_ros.errors import EncodingError
from anon_ros.media.compressed import is_compressed_depth, open_compressed
from anon_ros.media.raw import RawImage, open_raw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.bags.messages import CameraMessage
    from anon_ros.bags.storage import Message
    from anon_ros.core.planes import Frame
    from anon_ros.core.regions import Regions
    from anon_ros.datasets.records import Instance

JPEG_QUALITY = 95
_EXIF, _HEAD_BYTES = b'Exif\0\0', 1 << 18


@dataclass(frozen=True)
class Picture:
    """A chosen frame. stamp_ns: of its header. regions: what was hidden in it."""

    topic: str
    split: str
    stamp_ns: int
    log_ns: int
    size_wh: tuple[int, int]
    regions: Regions
    frame: Frame
    data: bytes | None
    camera: Mapping[str, object] | None
    vehicle: Mapping[str, object] | None

    @property
    def outcome(self) -> Outcome:
        """What became of it when the bag was anonymized."""
        return Outcome.ANONYMIZED if len(self.regions) else Outcome.UNCHANGED

    def encoded(self, name: str) -> bytes:
        """
        Return the file for a format: PNG for Cityscapes, else JPEG.

        A JPEG stays as it is, unless it has EXIF, which may tell where it was taken.
        Raises EncodingError where it cannot be decoded.
        """
        data = self.data or b''
        if name != 'cityscapes' and data[:2] == b'\xff\xd8' and _EXIF not in data[:_HEAD_BYTES]:
            return data
        image_bgr = self.frame.view_bgr()
        if name == 'cityscapes':
            return cv2.imencode('.png', image_bgr)[1].tobytes()
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        return cv2.imencode('.jpg', image_bgr, quality)[1].tobytes()


@dataclass
class Naming:
    """Gives frames the names that a format wants; topics count as sequences of a city."""

    format: str
    recording: str
    topics: Sequence[str]
    attributes: Mapping[str, str]
    _counts: dict[str, int] = field(default_factory=dict)

    def record(
        self, picture: Picture, number: int, labels: tuple[Instance, ...] | None
    ) -> ImageRecord:
        """Return a frame's record; labels: None where nobody annotated it."""
        frame = self._counts.get(picture.topic, 0)
        self._counts[picture.topic] = frame + 1
        camera = self.topics.index(picture.topic)
        if self.format == 'cityscapes':
            identity = core_name(self.recording, camera, frame)
        elif self.format == 'coco':
            identity = str(number + 1)
        else:
            identity = f'{self.recording}-{camera}-{frame + 1:07d}'
        split = f'100k/{picture.split}' if self.format == 'bdd100k' else picture.split
        name = f'{number + 1:012d}' if self.format == 'coco' else identity
        return ImageRecord(
            identity, split, f'{split}/{name}.jpg', picture.size_wh, labels or (),
            self.attributes, picture.stamp_ns // 1_000_000, f'{self.recording}-{camera}', frame,
            picture.camera, picture.vehicle, is_labelled=labels is not None)


def open_picture(
    message: Message, split: str, regions: Regions, *,
    camera: Mapping[str, object] | None, vehicle: Mapping[str, object] | None,
) -> Picture:
    """Return a frame, decoded. Raises FrameError where it cannot be."""
    located = locate(message.connection, message.data)
    frame = open_payload(located)
    frame.view_bgr()
    data = None if isinstance(located.payload, RawImage) else bytes(located.payload.data)
    return Picture(
        message.connection.topic, split, located.stamp_ns or message.log_ns, message.log_ns,
        frame.size_wh, regions, frame, data, camera, vehicle)


def open_payload(message: CameraMessage) -> Frame:
    """Return the picture in a message. Raises EncodingError for depth and unknown encodings."""
    payload = message.payload
    if isinstance(payload, RawImage):
        return open_raw(payload)
    if is_compressed_depth(payload.format):
        raise EncodingError('it holds distances')
    return open_compressed(payload.data)
