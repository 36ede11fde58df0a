# SPDX-License-Identifier: Apache-2.0
"""Message classes by name; packages that are not installed are no error until they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from anon_ros.errors import UsageError


def message_class(type_name: str) -> Any:
    """
    Return the class of a type such as 'sensor_msgs/msg/Image'.

    Raises UsageError where its package is not installed for this Python.
    """
    found = find_message_class(type_name)
    if found is None:
        raise UsageError(f'{type_name}: this message type is not installed for Python here')
    return found


def find_message_class(type_name: str) -> Any | None:
    """Return the class of a type, or None where its package is not installed."""
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name, None)
    except (ModuleNotFoundError, ValueError):
        return None
