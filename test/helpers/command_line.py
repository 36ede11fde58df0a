# SPDX-License-Identifier: Apache-2.0
"""The command line as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = 'import sys; sys.argv[0] = "anon-ros"; from anon_ros.cli.main import run; run()'


def anon_ros(*arguments, models=None, cwd=None):
    """Run a command to its end; models: the folder of weights."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'COLUMNS': '160'}
    if models is not None:
        environment['ANON_ROS_MODELS'] = str(models)
    return subprocess.run(
        [sys.executable, '-c', RUN, *map(str, arguments)], env=environment, cwd=cwd,
        capture_output=True, text=True, check=False,
    )


def fails(result, *parts):
    """Check for bad input: status 2, one message, no traceback."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert 'Traceback' not in result.stderr
    for part in parts:
        assert part in result.stderr
