# SPDX-License-Identifier: Apache-2.0
"""Pictures as the study reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import UInt8Array


def load_image(path: Path) -> UInt8Array:
    """Return (h, w, 3) BGR, turned as EXIF says; raises InputError where it cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f'{path}: is missing, or cannot be decoded')
    return np.asarray(image, np.uint8)
