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
from anon_ros.media.encodings import is_depth

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from anon_ros.bags.storage.interface import Connection, SourceFile

SAMPLES = 8
"""Messages of each topic and file that are looked at before a run."""

SERIALIZATIONS = frozenset({'cdr', 'ros1'})
_IMAGE_NAME = re.compile(r'\b(?:\w*Image|\w*Video|FFMPEGPacket)\b')
_SHAPE = frozenset({'width', 'height'})
_FORMAT = frozenset({'encoding', 'format', 'pixel_format', 'step', 'stride', 'channels'})
_HEADER = 'std_msgs/Header'
_CLOUD = frozenset({'point_step', 'row_step', 'fields'})

_NUMBERS_IN_BYTES = frozenset({'sensor_msgs/PointCloud2', 'nav_msgs/OccupancyGrid'})


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
            Content.OPAQUE, f'carries images as {connection.serialization}, which is not read'
        )
    try:
        check_definition(connection)
    except EncodingError as error:
        return Finding(Content.OPAQUE, f'cannot be read: {error}')
    if canonical(connection.msgtype) in DEPTH_TYPES:
        return Finding(Content.DEPTH, 'carries distances')
    return max(
        (_inspect_message(connection, data) for data in _samples(connection, file)),
        key=lambda finding: finding.content, default=Finding(Content.CAMERA),
    )


def _inspect_message(connection: Connection, data: bytes | memoryview) -> Finding:
    try:
        message = locate(connection, data)
        why = f'carries depth ({message.format})'
        if isinstance(message.payload, EncodedImage) and is_compressed_depth(message.format):
            return Finding(Content.OPAQUE, why)
        # Image transports write the raw image's encoding first: '16UC1; png compressed'.
        if is_depth(message.format.split(';')[0].strip()):
            return Finding(Content.DEPTH, why)
    except EncodingError:
        # No raw encoding is told, or the message is bad and will be withheld: the topic is a
        # camera's all the same.
        return Finding(Content.CAMERA)
    return Finding(Content.CAMERA)


def _why_by_type(connection: Connection) -> str:
    """Return why a type may hold a picture; '' where its definition shows none."""
    if is_image_type(connection.msgtype):
        return 'is an image type that nobody here can take apart'
    if connection.serialization not in SERIALIZATIONS:
        return _why_by_names(connection)
    is_ros1 = connection.serialization == 'ros1'
    types = known_types(connection.msgtype, connection.msgdef, is_ros1=is_ros1)
    inside, missing = closure(connection.msgtype, types)
    images = sorted(name for name in inside if is_image_type(name))
    if images:
        return f'carries images inside its type ({", ".join(images)})'
    if missing:
        return f'may hold images: nobody defines {sorted(missing)[0]}'
    return _why_by_shape(inside, types)


def _why_by_names(connection: Connection) -> str:
    """Return why a definition in another language, or none at all, may mean pictures."""
    match = _IMAGE_NAME.search(connection.msgtype) or _IMAGE_NAME.search(connection.msgdef)
    if match:
        return f'carries images inside its type ({match[0]})'
    if not connection.msgdef:
        return f'may hold images: {connection.serialization} without a readable definition'
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
            return f'may hold images: {name} has a width, a height and bytes'
    return ''


def _why_by_messages(connection: Connection, file: SourceFile) -> str:
    if not has_room(connection):
        return ''
    for data in _samples(connection, file):
        name = looks_like_image(data)
        if name:
            return f'has a payload that looks like {name}'
    return ''


def has_room(connection: Connection) -> bool:
    """
    Return whether a type has bytes or texts that a picture's file fits into.

    Most topics hold numbers and names of frames only: nobody needs to look into those. A type
    that nobody defines may hold anything.
    """
    if connection.serialization not in SERIALIZATIONS:
        return True
    is_ros1 = connection.serialization == 'ros1'
    types = known_types(connection.msgtype, connection.msgdef, is_ros1=is_ros1)
    inside, missing = closure(connection.msgtype, types)
    return bool(missing) or any(
        (field.type_name in {'string', 'wstring'} and not field.name.endswith('frame_id'))
        or (field.type_name in BYTE_TYPES and field.count is not None)
        for name in inside for field in types[name]
    )


def needs_watch(connection: Connection) -> bool:
    """
    Return whether every copied message of a type has to be searched for a picture.

    Not where there is no room for one, nor where the bytes are numbers by the type's own
    definition: of those the samples that the plan was made from are enough.
    """
    return has_room(connection) and canonical(connection.msgtype) not in _NUMBERS_IN_BYTES


def _samples(connection: Connection, file: SourceFile) -> Iterator[bytes | memoryview]:
    return iter(file.sample(connection, SAMPLES))
