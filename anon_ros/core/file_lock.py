# SPDX-License-Identifier: Apache-2.0
"""A file that one process at a time holds; the lock goes with the process, also by a kill."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_locked(path: Path, more_flags: int = 0) -> int:
    """
    Open a file for reading and writing, made where it is missing, and lock it.

    Return the descriptor; closing it lets go. Raises BlockingIOError where another process holds
    it, OSError as it comes where it cannot be opened. On a file system without locks there is
    nothing to hold on to: the file is opened, and that is all.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | more_flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # a file system without locks
        return descriptor
    return descriptor
