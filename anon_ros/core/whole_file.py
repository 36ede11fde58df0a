# SPDX-License-Identifier: Apache-2.0
"""Small files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file in one step, also where the power fails; raise OSError as it comes."""
    beside = path.with_name(f'{path.name}.new')
    try:
        with beside.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        # A disk that is full keeps no half of it.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
