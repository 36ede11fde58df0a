# SPDX-License-Identifier: Apache-2.0
"""The pictures of a result, or of its source, for eyes: any frame as a JPEG."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from anon_ros.errors import EncodingError, FrameError, InputError
from anon_ros.media.compressed import open_compressed
from anon_ros.media.video_seek import VideoSeeker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anon_ros.core.regions import UInt8Array
    from anon_ros.review.result import Stream

HELD_BYTES = 192 << 20
"""Encoded pictures that are kept: a reviewer goes back and forth."""
MOST_AHEAD = 64
"""Pictures of a video that are kept beyond the one that was asked for."""
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 93]
_THUMBNAIL_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 80]


class Reader(Protocol):
    """Decodes frames. Called by one thread at a time."""

    def read(self, stream: Stream, number: int) -> Iterator[tuple[int, UInt8Array]]:
        """
        Yield numbers and (h, w, 3) uint8 BGR pictures, that frame and perhaps its neighbours.

        Raises FrameError where the frame cannot be shown.
        """


class Pictures:
    """Frames as JPEG, the last ones kept. Safe from several threads at once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._held_bytes = 0

    def jpeg(self, stream: Stream, number: int) -> bytes:
        """Return a frame; raise FrameError, with the reason, where there is nothing to show."""
        key = stream.number, number
        with self._lock:
            if key not in self._held:
                self._hold(key, _encoded(self._read(stream, number), _JPEG))
            self._held.move_to_end(key)
            return self._held[key]

    def image_bgr(self, stream: Stream, number: int) -> UInt8Array:
        """Return (h, w, 3) uint8; raise FrameError, with the reason, where there is nothing."""
        with self._lock:
            data = self._held.get((stream.number, number))
            if data is None:
                return self._read(stream, number)
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)

    def thumbnail(self, stream: Stream, number: int, width: int) -> bytes:
        """Return a frame as a JPEG of that width in px, or of its own where that is less."""
        image = self.image_bgr(stream, number)
        scale = min(1.0, width / image.shape[1])
        size_wh = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        return _encoded(np.asarray(small, np.uint8), _THUMBNAIL_JPEG)

    def _read(self, stream: Stream, number: int) -> UInt8Array:
        """Return a frame; neighbours that had to be decoded with it are kept."""
        wanted = None
        for found, image in self._reader.read(stream, number):
            if found == number:
                wanted = image
            else:
                self._hold((stream.number, found), _encoded(image, _JPEG))
            if found >= number + MOST_AHEAD:
                break
        if wanted is None:
            raise EncodingError('the frame is not there')
        return wanted

    def _hold(self, key: tuple[int, int], data: bytes) -> None:
        self._held_bytes += len(data) - len(self._held.pop(key, b''))
        self._held[key] = data
        while self._held_bytes > HELD_BYTES and len(self._held) > 1:
            self._held_bytes -= len(self._held.popitem(last=False)[1])


class ImageReader:
    """Reads the pictures of a folder, or a lone one."""

    def __init__(self, path: Path, max_pixels: int) -> None:
        self._path = path
        self._max_pixels = max_pixels

    def read(self, stream: Stream, number: int) -> Iterator[tuple[int, UInt8Array]]:
        """Yield the picture of that number."""
        path = picture_path(self._path, stream.key(number)[0])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise EncodingError(f'{path.name}: {error.strerror}') from error
        yield number, open_compressed(data, max_pixels=self._max_pixels).view_bgr()


class VideoReader:
    """Reads the pictures of a video file."""

    def __init__(self, path: Path) -> None:
        self._seeker = VideoSeeker(path)

    def read(self, stream: Stream, number: int) -> Iterator[tuple[int, UInt8Array]]:
        """Yield pictures from the key frame before that number on."""
        by_index = stream.indices[number]
        for index, image in self._seeker.images_bgr(by_index):
            found = stream.find(index)
            if found is not None:
                yield found, image


def picture_path(root: Path, name: str) -> Path:
    """
    Return where a picture of a folder lies; root: the folder, or a lone picture.

    Raises InputError for a name that leads out of the folder.
    """
    if not root.is_dir():
        return root
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise InputError(f'{root}: its regions file names a picture outside of it')
    return path


def _encoded(image_bgr: UInt8Array, options: list[int]) -> bytes:
    done, data = cv2.imencode('.jpg', image_bgr, options)
    if not done:
        raise FrameError('the frame cannot be shown')
    return data.tobytes()
