# SPDX-License-Identifier: Apache-2.0
"""
Pictures to H.264 and H.265 packets: one group of pictures, one packet a picture, no delay.

The first packet is a keyframe with its parameter sets; there are no B-pictures.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Literal

import av
import av.error
from av.video.frame import PictureType

from anon_ros.errors import EncodingError
from anon_ros.media.nal import is_keyframe

if TYPE_CHECKING:
    from collections.abc import Iterable

ENCODERS = {'h264': 'libx264', 'hevc': 'libx265'}
_ONE_GROUP = 'scenecut=0:bframes=0:repeat-headers=1:annexb=1'
_OPTIONS = {
    'h264': {'preset': 'veryfast', 'x264-params': f'keyint=infinite:{_ONE_GROUP}'},
    'hevc': {
        'preset': 'superfast',
        'x265-params': f'keyint=-1:open-gop=0:{_ONE_GROUP}:info=0:log-level=none:'
                       'pools=none:frame-threads=1',
    },
}
_LEAST_CRF, USUAL_CRF, MOST_CRF = 16.0, 23.0, 30.0
_USUAL_BITS_PER_PIXEL = 0.12
_RATE = 30


def crf_for(size_bytes: int, pictures: int, size_wh: tuple[int, int]) -> float:
    """
    Return the constant rate factor that gives a video of about the same size, 16..30.

    x264 and x265 halve the bits every 6 steps; 23 gives a camera's picture about 0.12 bits a
    pixel. The limits keep a poor source from getting poorer and a rich one from growing.
    """
    pixels = max(1, size_wh[0] * size_wh[1] * pictures)
    ratio = max(1, 8 * size_bytes) / pixels / _USUAL_BITS_PER_PIXEL
    return min(max(USUAL_CRF - 6 * math.log2(ratio), _LEAST_CRF), MOST_CRF)


def encode_pictures(pictures: Iterable[av.VideoFrame], codec: str, crf: float) -> list[bytes]:
    """
    Return one packet a picture, in Annex B.

    pictures: all of one size and pixel format; their time stamps are set here. crf: see crf_for.
    Raises EncodingError where the encoder takes no such pictures.
    """
    iterator = iter(pictures)
    first = next(iterator, None)
    if first is None:
        return []
    packets: list[bytes] = []
    count = 0
    try:
        encoder = _encoder(first, codec, crf)
        for count, picture in enumerate(chain([first], iterator), 1):
            picture.pts, picture.pict_type = count - 1, PictureType.NONE
            packets += [bytes(packet) for packet in encoder.encode(picture)]
        packets += [bytes(packet) for packet in encoder.encode(None)]
    except (av.error.FFmpegError, ValueError) as error:
        size = f'{first.width} x {first.height} px of {first.format.name}'
        raise EncodingError(f'{codec}: cannot encode {size}: {error}') from error
    if len(packets) != count or not is_keyframe(packets[0], codec):
        raise EncodingError(f'{codec}: {count} pictures became {len(packets)} packets')
    return packets


def video_context(name: str, mode: Literal['r', 'w']) -> av.VideoCodecContext:
    """
    Return a decoder ('r') or encoder ('w') of that name.

    Raises EncodingError where this build of FFmpeg has none.
    """
    try:
        context = av.CodecContext.create(name, mode)
    except (av.error.FFmpegError, ValueError) as error:
        raise EncodingError(f'this FFmpeg has no codec {name!r}: {error}') from error
    if not isinstance(context, av.VideoCodecContext):
        raise EncodingError(f'{name!r} is no video codec')
    return context


def _encoder(picture: av.VideoFrame, codec: str, crf: float) -> av.VideoCodecContext:
    encoder = video_context(ENCODERS[codec], 'w')
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = picture.format.name
    encoder.framerate, encoder.time_base = Fraction(_RATE), Fraction(1, _RATE)
    encoder.thread_count = 1
    encoder.color_range = picture.color_range
    encoder.colorspace = picture.colorspace
    encoder.color_primaries = picture.color_primaries
    encoder.color_trc = picture.color_trc
    encoder.options = {**_OPTIONS[codec], 'tune': 'zerolatency', 'crf': f'{crf:.1f}'}
    return encoder
