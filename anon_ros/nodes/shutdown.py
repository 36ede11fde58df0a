# SPDX-License-Identifier: Apache-2.0
"""The end of a process that spins: by a signal, or because ROS was shut down."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import rclpy
from rclpy.executors import ExternalShutdownException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rclpy.context import Context


@contextmanager
def until_shutdown(context: Context | None = None) -> Iterator[None]:
    """
    Leave the block quietly when a signal or ROS ends it; every other error passes.

    context: None for that of the process.
    """
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A signal ends the context first: whoever publishes at that moment hears of it this way.
        if rclpy.ok(context=context):
            raise
