# SPDX-License-Identifier: Apache-2.0
"""
What a generator sees of a region: a crop around it whose hidden pixels are unknown.

Whatever stands at an unknown pixel is replaced by the nearest known colour before anything else
happens to the crop, so that no change of its size lets a hidden pixel run into a known one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

FACE_SCALE = 1.7
"""Side of a face's crop by the longer side of the face, as in DeepPrivacy2."""
LEAST_RING = 1.25
"""The crop is at least that much larger than what is hidden, however large its margin is."""
_MIDDLE = 127.5


@dataclass(frozen=True)
class Crop:
    """
    A part of an image, ready for a generator.

    rect: in image pixels; it may leave the image. pixels: (h, w, 3) float32 BGR, 0..255, the
    nearest known colour where unknown. is_shown: (h, w), True where a generator may look: at
    known pixels, and beyond the image, where the edge goes on. distance_px: (h, w) float32, how
    far the nearest known pixel is; 0 at known ones, infinite where there is none.
    """

    rect: Rect
    pixels: Float32Array
    is_shown: BoolArray
    distance_px: Float32Array

    @property
    def known_share(self) -> float:
        """Which share of the crop is known."""
        return float((self.distance_px == 0).mean())


def face_crop(face_xyxy: Float32Array, hidden_xyxy: Float32Array) -> Rect:
    """
    Return the square around a face, (4,), that a generator sees; it may leave the image.

    hidden_xyxy: (4,), the face with its margin.
    """
    face, hidden = (box[2:] - box[:2] for box in (face_xyxy, hidden_xyxy))
    half = int(np.ceil(max(FACE_SCALE * face.max(), LEAST_RING * hidden.max()) / 2))
    x, y = np.rint((face_xyxy[:2] + face_xyxy[2:]) / 2).astype(int)
    return Rect(int(x) - half, int(y) - half, int(x) + half, int(y) + half)


def make_crop(rect: Rect, seen_bgr: Float32Array, is_known: BoolArray, seen: Rect) -> Crop:
    """
    Return a crop from the part of it that lies in the image.

    seen_bgr, is_known: (h, w, 3) and (h, w) of that part, the rectangle seen; it is not empty.
    """
    shape = (rect.height, rect.width)
    pixels, known = np.full((*shape, 3), _MIDDLE, np.float32), np.zeros(shape, bool)
    is_shown = np.ones(shape, bool)
    part = np.s_[seen.y_min - rect.y_min:seen.y_max - rect.y_min,
                 seen.x_min - rect.x_min:seen.x_max - rect.x_min]
    pixels[part], known[part], is_shown[part] = seen_bgr, is_known, is_known
    if not known.any():
        pixels[...] = _MIDDLE
        return Crop(rect, pixels, is_shown, np.full(shape, np.inf, np.float32))
    pixels, distance_px = _spread(pixels, known)
    return Crop(rect, pixels, is_shown, distance_px)


def at_size(crop: Crop, size_hw: tuple[int, int]) -> tuple[UInt8Array, BoolArray]:
    """
    Return a crop at a generator's size: (h, w, 3) BGR and (h, w), True where it may look.

    Shrunk by area, enlarged by cubic splines. A pixel is shown where at least half of it is.
    """
    pixels = np.clip(np.rint(resize(crop.pixels, size_hw)), 0, 255).astype(np.uint8)
    return pixels, majority(crop.is_shown, size_hw)


def majority(inside: BoolArray, size_hw: tuple[int, int]) -> BoolArray:
    """Return (h, w) of another size: True where at least half of a pixel is inside."""
    share = resize(inside.astype(np.float32)[..., None], size_hw, is_smooth=False)
    return np.asarray(share[..., 0] >= 0.5)


def resize(
    image: Float32Array, size_hw: tuple[int, int], *, is_smooth: bool = True
) -> Float32Array:
    """Return (h, w, c) of another size; is_smooth: enlarge by cubic splines, else linearly."""
    enlarging = cv2.INTER_CUBIC if is_smooth else cv2.INTER_LINEAR
    is_smaller = size_hw[0] < image.shape[0] or size_hw[1] < image.shape[1]
    how = cv2.INTER_AREA if is_smaller else enlarging
    resized = cv2.resize(np.ascontiguousarray(image), size_hw[::-1], interpolation=how)
    return np.asarray(resized, np.float32).reshape(*size_hw, image.shape[2])


def _spread(pixels: Float32Array, known: BoolArray) -> tuple[Float32Array, Float32Array]:
    """Return pixels with the nearest known one at each, and how far that is."""
    distance_px, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    colours[nearest[known]] = pixels[known]
    return colours[nearest], np.asarray(distance_px, np.float32)
