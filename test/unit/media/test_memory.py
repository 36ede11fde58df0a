# SPDX-License-Identifier: Apache-2.0
"""Freed buffers stay with the process, counted in pages that the kernel hands out anew."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
from anon_ros.media.memory import keep_freed_memory
if sys.argv[1] == 'keep':
    assert keep_freed_memory()
def touch():
    buffers = [bytearray(6_000_000) for _ in range(4)]
    for buffer in buffers:
        buffer[::4096] = bytes(len(buffer[::4096]) * [1])
for _ in range(3):
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode):
    done = subprocess.run([sys.executable, '-c', COUNT, mode], capture_output=True, text=True,
                          timeout=60, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc')
def test_freed_buffers_are_used_again():
    assert faults('keep') * 10 < faults('drop')
