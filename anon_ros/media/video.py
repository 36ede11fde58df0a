# SPDX-License-Identifier: Apache-2.0
"""
H.264 and H.265 packets, as foxglove CompressedVideo and FFMPEGPacket messages carry them.

A video changes by whole groups of pictures: a keyframe and what builds on it. A group with
nothing to hide keeps its packets; another is decoded and encoded as a whole, one packet a
picture, the first a keyframe with its parameter sets, no B-pictures, no delay. Size, codec,
pixel format and colour meaning stay; what else the packets carried (SEI messages such as
captions and time codes) goes with the old encoding.
"""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import TYPE_CHECKING

import av
import av.error

from anon_ros.errors import EncodingError
from anon_ros.media.limits import check_size
from anon_ros.media.nal import codec_of, is_keyframe, parameter_sets, video_size
from anon_ros.media.video_encoder import (
    MOST_CRF,
    USUAL_CRF,
    crf_for,
    encode_pictures,
    video_context,
)
from anon_ros.media.video_frame import VideoPicture, gray_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anon_ros.core.planes import Frame

__all__ = [
    'codec_of', 'crf_for', 'decode_gop', 'encode_gop', 'is_keyframe', 'masked_gop',
    'parameter_sets', 'video_size',
]


def decode_gop(
    packets: Sequence[bytes | memoryview],
    codec: str,
    *,
    parameters: bytes = b'',
    max_pixels: int | None = None,
) -> Iterator[VideoPicture]:
    """
    Yield one picture a packet, in order, decoding as they are asked for.

    packets: a group of pictures in Annex B; the first is a keyframe. codec: 'h264' or 'hevc'.
    parameters: parameter sets that came earlier in the stream, where the group has none.
    Raises EncodingError for a group without keyframe or size, with damaged packets, with
    pictures in another order than their packets, or with more or fewer pictures than packets.
    """
    if not packets or not is_keyframe(packets[0], codec):
        raise EncodingError(f'{codec}: a group of pictures does not begin with a keyframe')
    packets = _complete(packets, codec, parameters)
    size_wh = video_size(packets[:1], codec)
    check_size(size_wh, max_pixels, codec)
    count = 0
    for picture in _decoded(packets, codec):
        _check_picture(picture, count, size_wh, codec)
        count += 1
        yield VideoPicture(picture, codec)
    if count != len(packets):
        raise EncodingError(f'{codec}: {len(packets)} packets hold {count} pictures')


def encode_gop(
    pictures: Iterable[Frame],
    codec: str,
    source: Sequence[bytes | memoryview] = (),
    *,
    crf: float | None = None,
) -> list[bytes]:
    """
    Return one packet a picture, in Annex B; the first is a keyframe with parameter sets.

    pictures: of decode_gop, all of one size and pixel format; they are taken one by one.
    source: the packets they came from; the result is about as large. crf: the constant rate
    factor instead, 0..51, smaller is better.
    Raises EncodingError where the encoder takes no such pictures.
    """
    iterator = iter(pictures)
    first = next(iterator, None)
    if first is None:
        return []
    if crf is None:
        crf = crf_for(sum(map(len, source)), len(source), first.size_wh) if source else USUAL_CRF
    return encode_pictures((_of_video(each) for each in chain([first], iterator)), codec, crf)


def masked_gop(
    packets: Sequence[bytes | memoryview],
    codec: str,
    *,
    parameters: bytes = b'',
    max_pixels: int | None = None,
) -> list[bytes]:
    """
    Return as many packets of the same size that are mid-gray all over.

    Nothing is decoded but the parameter sets.
    Raises EncodingError where they are missing, so that the size is unknown.
    """
    size_wh = _any_size([*packets, parameters], codec)
    check_size(size_wh, max_pixels, codec)
    gray = gray_picture(size_wh)
    return encode_pictures((gray for _ in packets), codec, MOST_CRF)


def _complete(
    packets: Sequence[bytes | memoryview], codec: str, parameters: bytes
) -> Sequence[bytes | memoryview]:
    """Put earlier parameter sets before a group that brings none of its own."""
    if parameters and not parameter_sets(packets[0], codec):
        return [parameters + bytes(packets[0]), *packets[1:]]
    return packets


def _any_size(packets: Sequence[bytes | memoryview], codec: str) -> tuple[int, int]:
    """Return the size that the first readable parameter set promises; skip what is damaged."""
    for packet in packets:
        with contextlib.suppress(EncodingError):
            return video_size([packet], codec)
    raise EncodingError(f'{codec}: the size is unknown, no parameter set can be read')


def _of_video(picture: Frame) -> av.VideoFrame:
    if not isinstance(picture, VideoPicture):
        raise EncodingError(f'{type(picture).__name__} is no picture of a video')
    return picture.to_av()


def _decoded(packets: Sequence[bytes | memoryview], codec: str) -> Iterator[av.VideoFrame]:
    decoder = video_context(codec, 'r')
    decoder.thread_count = 1
    decoder.flags |= av.codec.context.Flags.low_delay
    # Without this FFmpeg paints over what is damaged and says nothing.
    decoder.options = {'err_detect': 'explode'}
    try:
        for index, data in enumerate(packets):
            packet = av.Packet(bytes(data))
            packet.pts = packet.dts = index
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
    except av.error.FFmpegError as error:
        raise EncodingError(f'{codec}: a packet cannot be decoded: {error}') from error


def _check_picture(
    picture: av.VideoFrame, index: int, size_wh: tuple[int, int], codec: str
) -> None:
    if picture.is_corrupt:
        raise EncodingError(f'{codec}: picture {index} is damaged')
    if picture.pts != index:
        raise EncodingError(
            f'{codec}: picture {picture.pts} comes where {index} has to: B-pictures, or a packet '
            'without a picture'
        )
    if (picture.width, picture.height) != size_wh:
        raise EncodingError(f'{codec}: picture {index} is not of the promised {size_wh} px')
