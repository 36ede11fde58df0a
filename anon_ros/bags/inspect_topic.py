# SPDX-License-Identifier: Apache-2.0
"""Find out whether a topic carries pictures: by its type, its definition and its messages."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.bags.camera_types import DEPTH_TYPES, camera_type, is_image_type
from anon_ros.bags.definitions import BYTE_TYPES, Field, canonical, closure, known_types
from anon_ros.bags.messages import EncodedImage, check_definition, locate
from anon_ros.bags.sniff import looks_like_image
from anon_ros.errors import EncodingError
from anon_ros.media.compressed import is_compressed_depth
from anon_ros.media.encodings import find_encoding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from anon_ros.bags.storage.interface import Connection, SourceFile

SAMPLES = 8
"""Messages of each topic and file that are looked at before a run."""

SERIALIZATIONS = frozenset({'cdr', 'ros1'})
_IMAGE_NAME = re.compile(r'\b(?:\w*Image|\w*Video|FFMPEGPacket)\b')
_SHAPE = frozenset({'width', 'height'})
_FORMAT = frozenset({'encoding', 'format', 'pixel_format', 'step', 'stride', 'channels'})
_CLOUD = frozenset({'point_step', 'row_step', 'fields'})


class Content(enum.IntEnum):
    """What a topic carries, the more doubtful the higher."""

    PLAIN = 0
    CAMERA = 1
    DEPTH = 2
    """Distances in an image's form: may be read as brightness, if somebody wants that."""
    OPAQUE = 3
    """Pictures, or maybe pictures, that nobody here can take apart."""


@dataclass(frozen=True)
class Finding:
    """What was found, and the reason that goes into a message to the user."""

    content: Content
    why: str = ''


def inspect_connection(connection: Connection, file: SourceFile) -> Finding:
    """Return what a connection of a file carries; a few of its messages are read."""
    if camera_type(connection.msgtype) is not None:
        return _inspect_camera(connection, file)
    if connection.message_count == 0:
        return Finding(Content.PLAIN)
    why = _why_by_type(connection) or _why_by_messages(connection, file)
    return Finding(Content.OPAQUE, why) if why else Finding(Content.PLAIN)


def _inspect_camera(connection: Connection, file: SourceFile) -> Finding:
    if connection.serialization not in SERIALIZATIONS:
        return Finding(
            Content.OPAQUE, f'images in {connection.serialization} serialization are not read'
        )
    try:
        check_definition(connection)
    except EncodingError as error:
        return Finding(Content.OPAQUE, str(error))
    if canonical(connection.msgtype) in DEPTH_TYPES:
        return Finding(Content.DEPTH, 'carries distances')
    return max(
        (_inspect_message(connection, data) for data in _samples(connection, file)),
        key=lambda finding: finding.content, default=Finding(Content.CAMERA),
    )


def _inspect_message(connection: Connection, data: bytes | memoryview) -> Finding:
    try:
        message = locate(connection, data)
        if isinstance(message.payload, EncodedImage):
            is_depth = is_compressed_depth(message.format)
        else:
            is_depth = find_encoding(message.format).is_depth
    except EncodingError:
        # A bad message is withheld when its turn comes; the topic is a camera's all the same.
        return Finding(Content.CAMERA)
    if not is_depth:
        return Finding(Content.CAMERA)
    content = Content.OPAQUE if isinstance(message.payload, EncodedImage) else Content.DEPTH
    return Finding(content, f'carries depth ({message.format})')


def _why_by_type(connection: Connection) -> str:
    """Return why a type may hold a picture; '' where its definition shows none."""
    if is_image_type(connection.msgtype):
        return 'an image type that nobody here can take apart'
    if connection.serialization not in SERIALIZATIONS:
        return _why_by_names(connection)
    is_ros1 = connection.serialization == 'ros1'
    types = known_types(connection.msgtype, connection.msgdef, is_ros1=is_ros1)
    inside, missing = closure(connection.msgtype, types)
    images = sorted(name for name in inside if is_image_type(name))
    if images:
        return f'carries images inside its type ({", ".join(images)})'
    if missing:
        return f'nobody defines {sorted(missing)[0]}: it may hold images'
    return _why_by_shape(inside, types)


def _why_by_names(connection: Connection) -> str:
    """Return why a definition in another language, or none at all, may mean pictures."""
    match = _IMAGE_NAME.search(connection.msgtype) or _IMAGE_NAME.search(connection.msgdef)
    if match:
        return f'carries images inside its type ({match[0]})'
    if not connection.msgdef:
        return f'{connection.serialization} without a readable definition: it may hold images'
    return ''


def _why_by_shape(inside: Collection[str], types: Mapping[str, tuple[Field, ...]]) -> str:
    """Return which type has the fields of an image: a size, an encoding and bytes."""
    for name in sorted(inside):
        fields = {field.name.lower(): field for field in types[name]}
        has_bytes = any(
            field.type_name in BYTE_TYPES and field.count is not None for field in fields.values()
        )
        if (has_bytes and fields.keys() >= _SHAPE and fields.keys() & _FORMAT
                and not fields.keys() & _CLOUD):
            return f'{name} looks like an image: a width, a height and bytes'
    return ''


def _why_by_messages(connection: Connection, file: SourceFile) -> str:
    for data in _samples(connection, file):
        name = looks_like_image(data)
        if name:
            return f'its payload looks like {name}'
    return ''


def _samples(connection: Connection, file: SourceFile) -> Iterator[bytes | memoryview]:
    return iter(file.sample(connection, SAMPLES))
