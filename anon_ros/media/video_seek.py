# SPDX-License-Identifier: Apache-2.0
"""Any picture of a video file, by its number in the order in which pictures are shown."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np

from anon_ros.errors import EncodingError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anon_ros.core.regions import UInt8Array


class VideoSeeker:
    """
    Finds the pictures of the first video stream of a file; it is opened anew for each look.

    The numbers are those in which video_file.VideoFileReader yields the pictures.
    """

    def __init__(self, path: Path) -> None:
        """Read where all packets lie; raise InputError for what is no video."""
        self._path = path
        try:
            with av.open(str(path)) as container:
                packets = container.demux(self._stream(container))
                stamps = [packet.pts for packet in packets if packet.pts is not None]
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f'{path}: this is no video that can be read: {error}') from error
        self._stamps = sorted(stamps)

    def __len__(self) -> int:
        return len(self._stamps)

    def images_bgr(self, number: int) -> Iterator[tuple[int, UInt8Array]]:
        """
        Yield numbers and (h, w, 3) uint8 pictures, from the key frame before one of that number.

        Raises EncodingError where there is no such picture.
        """
        if not 0 <= number < len(self):
            raise EncodingError(f'{self._path}: there is no picture {number}')
        try:
            with av.open(str(self._path)) as container:
                stream = self._stream(container)
                container.seek(self._stamps[number], stream=stream, backward=True)
                for picture in container.decode(stream):
                    if picture.pts is not None:
                        yield self._number(picture.pts), np.asarray(
                            picture.to_ndarray(format='bgr24'), np.uint8)
        except av.error.FFmpegError as error:
            raise EncodingError(f'{self._path}: its video is damaged: {error}') from error

    def _number(self, stamp: int) -> int:
        return bisect_left(self._stamps, stamp)

    def _stream(self, container: av.container.InputContainer) -> av.VideoStream:
        covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
        for stream in container.streams.video:
            if not stream.disposition & covers:
                stream.thread_type = 'AUTO'
                return stream
        raise InputError(f'{self._path}: it holds no video')
