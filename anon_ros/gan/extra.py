# SPDX-License-Identifier: Apache-2.0
"""Packages that only the GAN needs: what to install where one is missing."""

from __future__ import annotations

import importlib.util

from anon_ros.errors import ModelError

EXTRA = 'gan'
PACKAGES = ('torch', 'safetensors')


def require_extra() -> None:
    """Raise ModelError that says which packages of the extra are missing, if any is."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"realistic faces and bodies need {' and '.join(missing)}: "
            f"pip install 'anon_ros[{EXTRA}]' or pip install {' '.join(missing)}"
        )
