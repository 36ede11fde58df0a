# SPDX-License-Identifier: Apache-2.0
"""Small messages of a bag (calibration, odometry, transforms) as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.bags.cdr import open_message
from anon_ros.bags.definitions import PRIMITIVE_SIZES, canonical, known_types
from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anon_ros.bags.cdr import Cursor
    from anon_ros.bags.definitions import Field
    from anon_ros.bags.storage import Connection

_MOST_ELEMENTS = 100_000
_NUMPY = {
    'bool': '?', 'byte': 'u1', 'char': 'u1', 'octet': 'u1', 'int8': 'i1', 'uint8': 'u1',
    'int16': 'i2', 'uint16': 'u2', 'int32': 'i4', 'uint32': 'u4', 'int64': 'i8', 'uint64': 'u8',
    'float32': 'f4', 'float64': 'f8',
}


def to_plain(connection: Connection, data: bytes | memoryview) -> dict[str, Any]:
    """
    Return a message as dicts, lists, numbers and texts.

    Raises EncodingError where its type is unknown or it is damaged.
    """
    types = known_types(
        canonical(connection.msgtype), connection.msgdef,
        is_ros1=connection.serialization == 'ros1')
    cursor = open_message(data, connection.serialization)
    return _message(cursor, canonical(connection.msgtype), types, 0)


def _message(
    cursor: Cursor, name: str, types: Mapping[str, tuple[Field, ...]], depth: int
) -> dict[str, Any]:
    if name not in types or depth > 16:
        raise EncodingError(f'nobody defines {name}')
    found: dict[str, Any] = {}
    for field in types[name]:
        # ROS 1's time comes as two fields, 'stamp.sec' and 'stamp.nanosec'.
        *outer, last = field.name.split('.')
        inner = found
        for each in outer:
            inner = inner.setdefault(each, {})
        inner[last] = _field(cursor, field, types, depth)
    return found


def _field(
    cursor: Cursor, field: Field, types: Mapping[str, tuple[Field, ...]], depth: int
) -> Any:
    is_number = field.type_name in PRIMITIVE_SIZES
    if field.count is None:
        if is_number or '/' not in field.type_name:
            return cursor.read(field.type_name, None)
        return _message(cursor, field.type_name, types, depth + 1)
    if is_number:
        raw = cursor.sequence(field.type_name, field.count)
        return np.frombuffer(raw, cursor.order + _NUMPY[field.type_name]).tolist()
    count = field.count or int(cursor.number('uint32'))
    if count > _MOST_ELEMENTS:
        raise EncodingError(f'{field.name} announces {count} elements')
    if '/' not in field.type_name:
        return [cursor.read(field.type_name, None) for _ in range(count)]
    return [_message(cursor, field.type_name, types, depth + 1) for _ in range(count)]
