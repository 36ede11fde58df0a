# SPDX-License-Identifier: Apache-2.0
"""
A camera's message: the payload in it, and the same message around another payload.

The definition in the bag is walked, so that nothing depends on the order of the fields; nothing
is deserialized and serialized again, so every other byte stays what it was.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from anon_ros.bags.camera_types import PayloadKind, camera_type
from anon_ros.bags.cdr import Cursor, Value, open_message
from anon_ros.bags.definitions import BYTE_TYPES, Field, flatten, known_types
from anon_ros.errors import EncodingError, FrameError
from anon_ros.media.compressed import open_compressed
from anon_ros.media.raw import RawImage, open_raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anon_ros.bags.storage.interface import Connection

_VIDEO_FORMATS = (
    'h264', 'h265', 'h.26', 'hevc', 'avc', 'x264', 'x265', 'libx26', 'av1', 'vp8', 'vp9',
)
_PADDING = 4
_MOST_FIELDS = 1000
_LARGEST_MASK_PIXELS = 64 * 2**20


class EncodedImage(NamedTuple):
    """A compressed image or a video packet. format: as the message spells it."""

    format: str
    data: memoryview


class _Piece(NamedTuple):
    """Bytes after the payload that keep their alignment when it changes its length."""

    alignment: int
    start: int
    stop: int


@dataclass(frozen=True)
class CameraMessage:
    """
    One message of a camera, located but not copied.

    stamp_ns: the time in its header; 0 is allowed. frame_id: as in its header.
    format: the encoding of a raw image, the format of a compressed one, the codec of a video.
    fields: every other number and text, by path: 'width', 'flags', 'pts'.
    data: the payload's bytes.
    """

    kind: PayloadKind
    stamp_ns: int
    frame_id: str
    format: str
    fields: Mapping[str, Value]
    data: memoryview
    _cursor: Cursor
    _start: int
    _pieces: tuple[_Piece, ...]

    @property
    def payload(self) -> RawImage | EncodedImage:
        """The picture, for the media room."""
        if self.kind is not PayloadKind.RAW:
            return EncodedImage(self.format, self.data)
        return RawImage(
            width=self._number('width'), height=self._number('height'), encoding=self.format,
            is_bigendian=bool(self._number('is_bigendian')), step=self._number('step'),
            data=self.data,
        )

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height that the message tells beside its payload, in px; None if none."""
        size = self._number('width'), self._number('height')
        return size if min(size) > 0 else None

    def replace(self, payload: bytes | memoryview) -> bytes:
        """
        Return the whole message with another payload; no other field changes.

        Raises EncodingError for a raw image of another length.
        """
        view, message = memoryview(payload).cast('B'), self._cursor.data
        if len(view) == len(self.data):
            return b''.join([message[:self._start], view, message[self._start + len(view):]])
        if self.kind is PayloadKind.RAW:
            raise EncodingError(
                f'a raw image of {len(self.data)} bytes cannot take {len(view)} bytes'
            )
        # Only the payload's own length, right before it, and paddings after it change.
        length = struct.pack(self._cursor.order + 'I', len(view))
        parts: list[bytes | memoryview] = [message[:self._start - len(length)], length, view]
        self._append_tail(parts, self._start + len(view))
        return b''.join(parts)

    def _append_tail(self, parts: list[bytes | memoryview], position: int) -> None:
        """Append the fields after the payload, each where its alignment wants it."""
        for piece in self._pieces:
            start = self._cursor.align(position, piece.alignment)
            parts += [bytes(start - position), self._cursor.data[piece.start:piece.stop]]
            position = start + piece.stop - piece.start
        if self._cursor.remaining:
            parts.append(bytes(self._cursor.align(position, _PADDING) - position))

    def _number(self, name: str) -> int:
        value = self.fields.get(name, 0)
        return value if isinstance(value, int) else 0


def locate(connection: Connection, data: bytes | memoryview) -> CameraMessage:
    """
    Return where a message keeps its stamp and its picture.

    Raises EncodingError where the type is no camera's, the message is truncated, goes on after
    its last field, or announces more than it holds.
    """
    layout = _layout(connection.msgtype, connection.msgdef, connection.serialization)
    cursor = open_message(data, connection.serialization)
    values: dict[str, Value] = {}
    start = 0
    for field in layout.fields:
        values[field.name] = cursor.read(field.type_name, field.count)
        if field.name == layout.data:
            start = cursor.position - len(_bytes(values[field.name]))
            cursor.pieces.clear()
    _check_end(cursor)
    text = str(values.pop(layout.format_field))
    return CameraMessage(
        kind=_kind(layout.kind, text),
        stamp_ns=_stamp_ns(layout, values),
        frame_id=str(values.get(layout.frame_id, '')),
        format=text,
        data=_bytes(values.pop(layout.data)),
        fields={name.removeprefix(layout.prefix): value for name, value in values.items()},
        _cursor=cursor,
        _start=start,
        _pieces=tuple(_Piece(*piece) for piece in cursor.pieces),
    )


def check_definition(connection: Connection) -> None:
    """Raise EncodingError where a connection's messages can never be located, and say why."""
    _layout(connection.msgtype, connection.msgdef, connection.serialization)


def mask(
    connection: Connection,
    data: bytes | memoryview,
    fallback_wh: tuple[int, int] | None = None,
) -> bytes:
    """
    Return the whole message with a picture that is gray all over, of the same size and type.

    fallback_wh: width and height in px of a compressed image that does not tell its own. A
    compressed image of unknown size, and a video packet, become empty.
    Raises EncodingError where not even the fields around the picture can be read.
    """
    message = locate(connection, data)
    payload = message.payload
    if isinstance(payload, RawImage):
        return message.replace(_masked_raw(payload))
    if message.kind is PayloadKind.VIDEO:
        return message.replace(b'')
    return message.replace(_masked_compressed(payload, fallback_wh))


def _masked_raw(image: RawImage) -> bytes | memoryview:
    try:
        return open_raw(image, allow_depth=True).encode_masked()
    except FrameError:
        # Nobody knows what the bytes mean: each becomes the middle of its range.
        return b'\x80' * len(image.data)


def _masked_compressed(
    image: EncodedImage, fallback_wh: tuple[int, int] | None
) -> bytes | memoryview:
    try:
        return open_compressed(image.data, max_pixels=_LARGEST_MASK_PIXELS).encode_masked()
    except FrameError:
        if fallback_wh is None:
            return b''
    width, height = fallback_wh
    extension = '.png' if 'png' in image.format.lower() else '.jpg'
    _, encoded = cv2.imencode(extension, np.full((height, width, 3), 128, np.uint8))
    return encoded.tobytes()


@dataclass(frozen=True)
class _Layout:
    """How to walk a type: its leaves, and which of them are what."""

    kind: PayloadKind
    fields: tuple[Field, ...]
    stamp: tuple[str, ...]
    frame_id: str
    format_field: str
    data: str
    prefix: str


@lru_cache(maxsize=256)
def _layout(type_name: str, definition: str, serialization: str) -> _Layout:
    camera = camera_type(type_name)
    if camera is None:
        raise EncodingError(f'{type_name} is no camera type that can be anonymized')
    is_ros1 = serialization == 'ros1'
    types = known_types(type_name, definition or camera.definition, is_ros1=is_ros1)
    try:
        fields = tuple(itertools.islice(flatten(type_name, types), _MOST_FIELDS + 1))
    except KeyError as error:
        raise EncodingError(f'the definition of {type_name} cannot be used: {error}') from None
    if len(fields) > _MOST_FIELDS:
        raise EncodingError(f'{type_name} has more than {_MOST_FIELDS} fields')
    names = {field.name: field for field in fields}
    layout = _Layout(
        kind=camera.kind, fields=fields, prefix=camera.prefix, data=camera.prefix + 'data',
        format_field=camera.prefix + camera.format_field,
        stamp=tuple(name for name in names if 'stamp.' in name)[:2],
        frame_id=next((name for name in names if name.endswith('frame_id')), ''),
    )
    data, text = names.get(layout.data), names.get(layout.format_field)
    if data is None or data.type_name not in BYTE_TYPES or data.count != 0:
        raise EncodingError(f'the definition of {type_name} has no byte sequence {layout.data}')
    if text is None or text.type_name != 'string' or text.count is not None:
        raise EncodingError(f'the definition of {type_name} has no string {layout.format_field}')
    return layout


def _stamp_ns(layout: _Layout, values: Mapping[str, Value]) -> int:
    seconds, nanoseconds = ([values[name] for name in layout.stamp] + [0, 0])[:2]
    if not isinstance(seconds, int) or not isinstance(nanoseconds, int):
        return 0
    return seconds * 1_000_000_000 + nanoseconds


def _kind(kind: PayloadKind, text: str) -> PayloadKind:
    """Tell video by its format: some drivers put its packets into CompressedImage."""
    if kind is PayloadKind.COMPRESSED and text.lower().startswith(_VIDEO_FORMATS):
        return PayloadKind.VIDEO
    return kind


def _bytes(value: Value) -> memoryview:
    return value if isinstance(value, memoryview) else memoryview(b'')


def _check_end(cursor: Cursor) -> None:
    allowed = _PADDING - 1 if cursor.is_aligned else 0
    if cursor.remaining > allowed:
        raise EncodingError(
            f'the message goes on for {cursor.remaining} bytes after its last field'
        )
