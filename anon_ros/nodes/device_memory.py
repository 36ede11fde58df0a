# SPDX-License-Identifier: Apache-2.0
"""How much memory is in use: of this process, and of a GPU."""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

MIB = 2**20


class _Memory(ctypes.Structure):
    """nvmlMemory_t of NVIDIA's management library."""

    _fields_ = (
        ('total', ctypes.c_ulonglong), ('free', ctypes.c_ulonglong), ('used', ctypes.c_ulonglong),
    )


def process_mib() -> float:
    """Return the resident memory of this process in MiB."""
    status = Path('/proc/self/status').read_text(encoding='ascii', errors='replace')
    found = re.search(r'^VmRSS:\s+(\d+) kB', status, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def gpu_mib(index: int = 0) -> tuple[float, float] | None:
    """Return used and total memory of a GPU in MiB, None where there is no NVIDIA driver."""
    library = _library()
    if library is None:
        return None
    device, memory = ctypes.c_void_p(), _Memory()
    failed = library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device))
    if failed or library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)):
        return None
    return memory.used / MIB, memory.total / MIB


@lru_cache(maxsize=1)
def _library() -> Any | None:
    try:
        library = ctypes.CDLL('libnvidia-ml.so.1')
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library
