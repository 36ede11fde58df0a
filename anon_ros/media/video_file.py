# SPDX-License-Identifier: Apache-2.0
"""
Video files: pictures in, pictures out, everything else as it was where that is safe.

Sound and subtitles are copied packet by packet (a voice is not anonymized: the caller says so).
Time stamps, rate, pixel format, colour meaning, rotation and the container's texts stay. Further
video streams, cover pictures, data streams and attachments are left out: they hold or may hold
pictures that nobody looked at. H.264 and H.265 stay what they are, other codecs become H.264.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
from av.video.frame import PictureType

from anon_ros.errors import EncodingError, InputError, OutputError, UsageError
from anon_ros.media.limits import check_size
from anon_ros.media.video_encoder import ENCODERS, MOST_CRF, crf_for
from anon_ros.media.video_frame import FORMATS, VideoPicture, gray_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

CONTAINERS = {
    '.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska', '.avi': 'avi',
    '.ts': 'mpegts',
}
"""FFmpeg's container by the end of a file's name."""

_COPIED = ('audio', 'subtitle')
_FALLBACK = 'yuv420p'


def container_of(path: Path) -> str:
    """
    Return FFmpeg's name of the container for a target.

    Raises UsageError for an unknown end of the name.
    """
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise UsageError(f"{path}: '{path.suffix}' is none of {', '.join(CONTAINERS)}")
    return container


class VideoFileReader:
    """Decodes the first video stream of a file; what it copies of other streams queues up."""

    def __init__(self, path: Path, *, max_pixels: int | None = None) -> None:
        """
        Open a file.

        Raises InputError for a file without video that can be read, EncodingError for one of too
        many px.
        """
        self.path = path
        try:
            self._container = av.open(str(path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f'{path}: this is no video that can be read: {error}') from error
        covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
        streams = [s for s in self._container.streams.video if not s.disposition & covers]
        if not streams:
            self._container.close()
            raise InputError(f'{path}: it holds no video')
        self.stream = streams[0]
        self.stream.thread_type = 'AUTO'
        self.copied = [s for s in self._container.streams if s.type in _COPIED]
        # How far a player turns what it shows: known once a picture was decoded.
        self.rotation_degrees = 0
        self._packets: deque[av.Packet[av.stream.Stream]] = deque()
        check_size(self.size_wh, max_pixels, str(path))

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px, as stored: a rotation turns nothing."""
        return self.stream.width, self.stream.height

    @property
    def codec(self) -> str:
        """The codec that a target is written in: 'h264' or 'hevc'."""
        name = self.stream.codec_context.name
        return name if name in ENCODERS else 'h264'

    @property
    def rate(self) -> Fraction:
        """Pictures a second on average."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    @property
    def picture_count(self) -> int | None:
        """How many pictures there are, as far as the file says."""
        return self.stream.frames or None

    @property
    def texts(self) -> dict[str, str]:
        """The container's texts: title, creation time and the like."""
        return dict(self._container.metadata)

    @property
    def crf(self) -> float:
        """The constant rate factor for about the same size; see video_encoder.crf_for."""
        bits = self.stream.bit_rate or self._container.bit_rate
        if not bits or not self.rate:
            return MOST_CRF
        return crf_for(int(bits / 8), max(1, round(self.rate)), self.size_wh)

    def pictures(self) -> Iterator[VideoPicture]:
        """
        Yield the pictures in the order they are shown.

        Pixel formats that have no planes of ours are turned into yuv420p.
        Raises InputError, naming the file, where it is damaged.
        """
        try:
            for packet in self._container.demux([self.stream, *self.copied]):
                if packet.stream.index != self.stream.index:
                    if packet.dts is not None:
                        self._packets.append(packet)
                    continue
                for picture in self.stream.decode(packet):
                    yield self._open(picture)
        except av.error.FFmpegError as error:
            raise InputError(f'{self.path}: its video is damaged: {error}') from error

    def take_packets(self) -> list[av.Packet[av.stream.Stream]]:
        """Return the packets of copied streams that came up since the last call."""
        taken = list(self._packets)
        self._packets.clear()
        return taken

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> VideoFileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, picture: av.VideoFrame) -> VideoPicture:
        if (picture.width, picture.height) != self.size_wh:
            raise InputError(f'{self.path}: the size of its pictures changes midway')
        self.rotation_degrees = picture.rotation
        if picture.format.name not in FORMATS:
            pts, time_base = picture.pts, picture.time_base
            picture = picture.reformat(format=_FALLBACK)
            picture.pts, picture.time_base = pts, time_base
        return VideoPicture(picture, self.codec)


class VideoFileWriter:
    """Encodes pictures into a new file beside what is copied of the source's other streams."""

    def __init__(self, path: Path, source: VideoFileReader, container: str) -> None:
        """
        Take a target; it is opened with the first picture.

        path: what to write, to be renamed by the caller once all went well. container: see
            container_of.
        """
        self._path = path
        self._source = source
        self._format = container
        self._container: av.container.OutputContainer | None = None
        self._streams: dict[int, av.stream.Stream] = {}
        self._last_pts: int | None = None

    def write(self, picture: VideoPicture) -> None:
        """
        Write the next picture.

        Raises OutputError where the target cannot be written, EncodingError where the encoder
        takes no such picture.
        """
        self._encode(picture.to_av(), picture)

    def write_masked(self, picture: VideoPicture | None = None) -> None:
        """Write a mid-gray picture in the place of one; None for one that could not be read."""
        size_wh = self._source.size_wh if picture is None else picture.size_wh
        gray = gray_picture(size_wh, _FALLBACK if picture is None else picture.pixel_format)
        if picture is not None:
            shown = picture.to_av()
            gray.pts, gray.time_base = shown.pts, shown.time_base
        self._encode(gray, VideoPicture(gray, self._source.codec))

    def close(self) -> None:
        """
        Write what is left and end the file.

        Raises OutputError where that fails.
        """
        if self._container is None:
            return
        try:
            self._container.mux(self._video.encode(None))
            self._copy_packets()
        except (av.error.FFmpegError, OSError) as error:
            raise OutputError(f'{self._path}: cannot be written: {error}') from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the file as it is; the caller removes it."""
        if self._container is not None:
            container, self._container = self._container, None
            container.close()

    def __enter__(self) -> VideoFileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    @property
    def _video(self) -> av.VideoStream:
        stream = self._streams[self._source.stream.index]
        if not isinstance(stream, av.VideoStream):
            raise OutputError(f'{self._path}: the target has no video stream')
        return stream

    def _encode(self, frame: av.VideoFrame, picture: VideoPicture) -> None:
        try:
            if self._container is None:
                self._container = self._open(frame, picture)
            self._stamp(frame)
            self._container.mux(self._video.encode(frame))
            self._copy_packets()
        except (av.error.FFmpegError, OSError) as error:
            raise OutputError(f'{self._path}: cannot be written: {error}') from error
        except ValueError as error:
            raise EncodingError(f'{self._path}: cannot encode a picture: {error}') from error

    def _stamp(self, frame: av.VideoFrame) -> None:
        """Keep the source's time stamp; make one up where it has none or goes back."""
        time_base = self._source.stream.time_base or 1 / self._source.rate
        step = max(1, round(1 / (self._source.rate * time_base)))
        if frame.pts is None or (self._last_pts is not None and frame.pts <= self._last_pts):
            frame.pts = 0 if self._last_pts is None else self._last_pts + step
        self._last_pts = frame.pts
        frame.time_base, frame.pict_type = time_base, PictureType.NONE

    def _open(
        self, frame: av.VideoFrame, picture: VideoPicture
    ) -> av.container.OutputContainer:
        container = av.open(str(self._path), 'w', format=self._format)
        source = self._source
        video = container.add_stream(ENCODERS[source.codec], rate=source.rate)
        if not isinstance(video, av.VideoStream):
            raise OutputError(f'{self._path}: the target takes no video')
        video.width, video.height = picture.size_wh
        video.pix_fmt = picture.pixel_format
        video.time_base = source.stream.time_base
        video.codec_context.time_base = source.stream.time_base or 1 / source.rate
        for name in ('color_range', 'colorspace', 'color_primaries', 'color_trc'):
            setattr(video.codec_context, name, getattr(frame, name))
        options = {'preset': 'veryfast', 'crf': f'{source.crf:.1f}'}
        if source.codec == 'hevc':
            options['x265-params'] = 'log-level=none'
        video.codec_context.options = options
        if source.rotation_degrees:
            video.set_display_rotation(source.rotation_degrees)
        self._streams[source.stream.index] = video
        container.metadata.update(source.texts)
        for stream in source.copied:
            self._streams[stream.index] = container.add_stream_from_template(stream)
        return container

    def _copy_packets(self) -> None:
        for packet in self._source.take_packets():
            packet.stream = self._streams[packet.stream.index]
            if self._container is not None:
                self._container.mux(packet)
