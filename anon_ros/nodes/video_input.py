# SPDX-License-Identifier: Apache-2.0
"""
A camera that sends video: its packets decoded in order, one picture at a time.

Every picture goes out as a keyframe of its own. That takes more bytes than the video had, but a
picture that is withheld then never damages the next one, and nothing that goes out builds on a
packet as it came in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import av.error

from anon_ros.bags import messages
from anon_ros.errors import EncodingError
from anon_ros.media.limits import check_size
from anon_ros.media.video import codec_of, is_keyframe, parameter_sets, video_size
from anon_ros.media.video_encoder import video_context
from anon_ros.media.video_frame import VideoPicture
from anon_ros.nodes.frame_job import OpenFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.bags.messages import CameraMessage
    from anon_ros.bags.storage.interface import Connection


class VideoInput:
    """The decoder of one camera. After damage it waits for the next keyframe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._decoder: av.VideoCodecContext | None = None
        self._parameters = b''

    def open_frame(self, data: bytes, backlog: Sequence[bytes], max_pixels: int) -> OpenFrame:
        """
        Return the picture of a message.

        backlog: the messages before it that were not decoded.
        Raises FrameError: a packet is damaged, or there has been no keyframe yet.
        """
        try:
            for passed_over in backlog:
                self._decode(messages.locate(self._connection, passed_over), max_pixels)
            message = messages.locate(self._connection, data)
            picture = self._decode(message, max_pixels)
        except BaseException:
            self._decoder = None
            raise
        if picture is None:
            raise EncodingError(f'{message.format}: no keyframe has come yet')
        frame = VideoPicture(picture, codec_of(message.format))
        return OpenFrame(data, message, frame, frame.view_bgr())

    def _decode(self, message: CameraMessage, max_pixels: int) -> av.VideoFrame | None:
        """Return the picture of a packet; None before the first keyframe."""
        codec, packet = codec_of(message.format), bytes(message.data)
        self._parameters = parameter_sets(packet, codec) or self._parameters
        if is_keyframe(packet, codec):
            check_size(video_size([self._parameters, packet], codec), max_pixels, codec)
            self._decoder = _open_decoder(codec)
            packet = self._parameters + packet
        if self._decoder is None:
            return None
        try:
            pictures = self._decoder.decode(av.Packet(packet))
        except av.error.FFmpegError as error:
            raise EncodingError(f'{codec}: a packet cannot be decoded: {error}') from error
        if len(pictures) != 1 or pictures[0].is_corrupt:
            raise EncodingError(f'{codec}: a packet holds {len(pictures)} sound pictures, not 1')
        return pictures[0]


def _open_decoder(codec: str) -> av.VideoCodecContext:
    decoder = video_context(codec, 'r')
    decoder.thread_count = 1
    decoder.flags |= av.codec.context.Flags.low_delay
    # Without this FFmpeg paints over what is damaged and says nothing.
    decoder.options = {'err_detect': 'explode'}
    return decoder
