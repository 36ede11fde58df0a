# SPDX-License-Identifier: Apache-2.0
"""
What happens to one message of a camera: opened, looked into, overwritten, sealed again.

Messages stay serialized. The payload is found in their bytes and another one is put in its
place, so that header, encoding, size and format leave as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from anon_ros.bags import messages
from anon_ros.bags.camera_types import PayloadKind
from anon_ros.bags.storage.interface import Connection
from anon_ros.core.interfaces import Sighting
from anon_ros.errors import EncodingError
from anon_ros.media.compressed import open_compressed
from anon_ros.media.raw import RawImage, open_raw
from anon_ros.media.thumbnail import thumbnail

if TYPE_CHECKING:
    from anon_ros.bags.messages import CameraMessage
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.planes import Frame
    from anon_ros.core.regions import Regions, UInt8Array


class OpenFrame(NamedTuple):
    """A frame that can be looked into. data: the message as it came in."""

    data: bytes
    message: CameraMessage
    frame: Frame
    image_bgr: UInt8Array


class HiddenFrame(NamedTuple):
    """
    A frame whose regions are overwritten, so that it may be sealed; only hide makes one.

    regions: as they were found; with_margins: as they are hidden.
    """

    opened: OpenFrame
    regions: Regions
    with_margins: Regions


@dataclass(frozen=True)
class SafeFrame:
    """
    A message that may leave.

    data: the whole message. regions: what is hidden in it, margins included; None where all is.
    """

    data: bytes
    stamp_ns: int
    frame_id: str
    size_wh: tuple[int, int]
    regions: Regions | None


def topic_connection(topic: str, type_name: str) -> Connection:
    """Return what tells messages.locate how to read a live topic."""
    return Connection(0, topic, type_name, '', 'cdr', -1)


def open_frame(connection: Connection, data: bytes, max_pixels: int) -> OpenFrame:
    """
    Return the frame in a message, decoded.

    Raises FrameError: the message or its picture cannot be read, has an unknown encoding, shows
    distances, or has more than max_pixels px.
    """
    message = messages.locate(connection, data)
    if message.kind is PayloadKind.VIDEO:
        raise EncodingError(f'{message.format}: a video comes in; set transport: video')
    payload = message.payload
    if isinstance(payload, RawImage):
        frame = open_raw(payload, max_pixels=max_pixels)
    else:
        frame = open_compressed(payload.data, max_pixels=max_pixels)
    return OpenFrame(data, message, frame, frame.view_bgr())


def sighting(opened: OpenFrame, regions: Regions) -> Sighting:
    """Return what was seen, for the camera's tracker."""
    return Sighting(
        opened.message.stamp_ns, regions, opened.frame.size_wh, thumbnail(opened.image_bgr)
    )


def hide(opened: OpenFrame, regions: Regions, anonymizer: FrameAnonymizer) -> HiddenFrame:
    """
    Overwrite the regions of a frame, and return it as it may be painted on and sealed.

    regions: all that detector and tracker found in this very frame.
    Raises FrameError where the payload cannot be decoded.
    """
    anonymizer.hide(opened.frame, regions)
    return HiddenFrame(opened, regions, anonymizer.hidden(regions))


def seal(hidden: HiddenFrame) -> SafeFrame:
    """
    Return the message with its regions overwritten.

    Raises FrameError where the picture cannot be encoded again.
    """
    opened = hidden.opened
    message = opened.message
    if message.kind is not PayloadKind.VIDEO and not len(hidden.regions):
        # The one place where what came in goes out again: this frame was decoded and searched,
        # and there is nothing in it to hide.
        data = opened.data
    else:
        # An unchanged picture of a video too: its packet builds on others as they were.
        data = message.replace(opened.frame.encode())
    return SafeFrame(
        data, message.stamp_ns, message.frame_id, opened.frame.size_wh, hidden.with_margins
    )


def mask(connection: Connection, data: bytes) -> SafeFrame:
    """
    Return the message with a picture that is gray all over, of the same size and encoding.

    Raises FrameError where its header or its size cannot be read, so that nothing can be sent.
    """
    masked = messages.mask(connection, data)
    message = messages.locate(connection, masked)
    if not len(message.data):
        raise EncodingError('the size of the picture is unknown')
    return SafeFrame(
        masked, message.stamp_ns, message.frame_id, message.size_wh or (0, 0), None
    )
