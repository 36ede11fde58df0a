# SPDX-License-Identifier: Apache-2.0
"""Make the room's makers of test data importable: the suite imports tests by path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
