# SPDX-License-Identifier: Apache-2.0
"""
Keep freed image buffers with the process instead of handing each back to the kernel.

A 1920x1080 frame is 6 MB, and glibc asks the kernel for every block of that size anew: the
kernel then clears 1,500 pages, which takes as long as a third of decoding a JPEG.
Source: mallopt(3).
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 256 * 2**20
# The largest that glibc takes on 64-bit machines.
_LARGEST_KEPT_BYTES = 32 * 2**20


def keep_freed_memory() -> bool:
    """
    Let the allocator reuse blocks of up to 32 MB, and keep up to 256 MB of free ones.

    It holds for the whole process, so only a program's entry calls it, once. Return whether the
    C library took it: other ones than glibc do not know it, and nothing is lost.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    return all([
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES), mallopt(_TRIM_THRESHOLD, _KEPT_BYTES),
    ])
