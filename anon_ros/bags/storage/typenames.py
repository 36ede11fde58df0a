# SPDX-License-Identifier: Apache-2.0
"""Type names as old and new bags write them."""

from __future__ import annotations


def normalise(msgtype: str, serialization: str) -> str:
    """Return 'sensor_msgs/msg/Image' for 'sensor_msgs/Image'; other encodings' names as is."""
    package, slash, name = msgtype.partition('/')
    if serialization in {'cdr', 'ros1'} and slash and '/' not in name:
        return f'{package}/msg/{name}'
    return msgtype
