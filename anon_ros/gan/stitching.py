# SPDX-License-Identifier: Apache-2.0
"""
How a generated crop comes into the image.

The seam is feathered inward: from the border of the hole on, what is known goes on into it and
passes over into what was generated. So no pixel outside the hole changes, and none inside it shows
what was there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.gan.crops import resize

if TYPE_CHECKING:
    from anon_ros.core.regions import Float32Array
    from anon_ros.gan.crops import Crop

FEATHER = 0.05
"""Width of the seam, by the shorter side of the crop."""


def stitch(generated_bgr: Float32Array, crop: Crop) -> Float32Array:
    """
    Return (h, w, 3) float32 BGR of the crop's size, to be put in the place of its hidden pixels.

    generated_bgr: (h, w, 3) in 0..255, of the generator's size.
    """
    height, width = crop.distance_px.shape
    large = np.clip(resize(generated_bgr, (height, width)), 0, 255)
    seam_px = max(1.0, FEATHER * min(height, width))
    share = np.clip(crop.distance_px / seam_px, 0, 1)
    share = (share * share * (3 - 2 * share))[..., None]
    return np.asarray(share * large + (1 - share) * crop.pixels, np.float32)
