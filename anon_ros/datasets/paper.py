# SPDX-License-Identifier: Apache-2.0
"""
The traditional methods of arXiv 2306.05135, exactly: what its tables compare with.

The blur reads what it hides, so it is a baseline for the study and no protection: people are
recognised behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.core.boxes import Rect, to_rects
from anon_ros.datasets.crops import (
    BODY_SIZE_WH,
    FACE_SIZE_WH,
    bicubic,
    body_crop,
    cut,
    dilate_disk,
    face_crop,
    nearest,
    shrink_body,
    shrink_face,
)
from anon_ros.datasets.files import encode_jpeg
from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, Mask, Regions, UInt8Array

LEAST_AREA_PX = 8 * 8
"""Of the crop: smaller people stay as they are."""
DILATION_PX = int(np.sqrt(BODY_SIZE_WH[0] * BODY_SIZE_WH[1]) * 0.02)
SIGMA, KERNEL = 7.0, 21
MIDDLE = 128.0
"""Zero of -1..1 is 127.5, which the paper's scripts round to even."""
_LUMA_RGB = np.array([19595, 38470, 7471])


def hide_bodies(image: UInt8Array, bodies: Regions, method: str) -> int:
    """
    Hide people in an image (h, w, 3), in place, from the smallest to the largest.

    Returns how many were too small to be touched. Later crops see what earlier ones left.
    """
    size_wh = (image.shape[1], image.shape[0])
    trimmed = [masks.trim(mask) for mask in bodies.masks if mask is not None]
    trimmed = [mask for mask in trimmed if mask.inside.size]
    skipped = len(bodies) - len(trimmed)
    for mask in sorted(trimmed, key=lambda each: int(each.inside.sum())):
        crop = body_crop(mask, size_wh)
        if crop.width * crop.height < LEAST_AREA_PX:
            skipped += 1
            continue
        inside = nearest(_placed(mask, crop), BODY_SIZE_WH)
        known = nearest(cut(np.ones(image.shape[:2], bool), crop), BODY_SIZE_WH)
        grown = dilate_disk(inside, DILATION_PX) & known
        _paste(image, crop, _generate(shrink_body(cut(image, crop)), method), grown)
    return skipped


def hide_faces(image: UInt8Array, faces: Regions, method: str) -> int:
    """Hide faces in an image (h, w, 3), in place, from the smallest to the largest."""
    size_wh = (image.shape[1], image.shape[0])
    rects = [rect for rect in to_rects(faces.boxes_xyxy, size_wh) if not rect.is_empty]
    for face in sorted(rects, key=lambda each: each.width * each.height):
        crop = face_crop(face, size_wh)
        inside = np.zeros((crop.height, crop.width), bool)
        inside[face.y_min - crop.y_min:face.y_max - crop.y_min,
               face.x_min - crop.x_min:face.x_max - crop.x_min] = True
        small = shrink_face(cut(image, crop))
        _paste(image, crop, _generate(small, method), nearest(inside, FACE_SIZE_WH))
    return len(faces) - len(rects)


def decode(data: bytes) -> UInt8Array:
    """
    Return (h, w, 3) BGR, turned as EXIF says.

    Raises EncodingError where it cannot be decoded.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise EncodingError('the image cannot be decoded')
    return np.asarray(image, np.uint8)


def encode(image: UInt8Array, data: bytes) -> bytes:
    """
    Return an image in the format of the file it came from; gray stays gray.

    data: that file. A JPEG gets quality 100 and no chroma subsampling.
    """
    original = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    pixels = _to_gray(image) if original is not None and original.ndim == 2 else image
    if data.startswith(b'\x89PNG'):
        return cv2.imencode('.png', pixels)[1].tobytes()
    return encode_jpeg(pixels)


def _generate(crop: UInt8Array, method: str) -> Float32Array:
    """Return what is put in the place of a resized crop, (h, w, 3) in 0..255."""
    if method == 'mask-out':
        return np.full(crop.shape, MIDDLE, np.float32)
    kernel = min(KERNEL, crop.shape[1])
    return np.asarray(cv2.GaussianBlur(
        crop.astype(np.float32), (kernel, kernel), SIGMA, borderType=cv2.BORDER_REFLECT_101,
    ), np.float32)


def _paste(image: UInt8Array, crop: Rect, generated: Float32Array, inside: BoolArray) -> None:
    """Put a generated crop into the image where its silhouette is, without feathering."""
    size_wh = (crop.width, crop.height)
    pixels = np.clip(np.rint(bicubic(generated, size_wh)), 0, 255).astype(np.uint8)
    hidden = nearest(inside, size_wh)
    seen = crop.intersect(Rect(0, 0, image.shape[1], image.shape[0]))
    rows = slice(seen.y_min - crop.y_min, seen.y_max - crop.y_min)
    columns = slice(seen.x_min - crop.x_min, seen.x_max - crop.x_min)
    target = image[seen.y_min:seen.y_max, seen.x_min:seen.x_max]
    target[hidden[rows, columns]] = pixels[rows, columns][hidden[rows, columns]]


def _placed(mask: Mask, crop: Rect) -> BoolArray:
    """Return a silhouette in the pixels of a crop."""
    inside = np.zeros((crop.height, crop.width), bool)
    x, y = mask.x - crop.x_min, mask.y - crop.y_min
    rows, columns = mask.inside.shape
    inside[y:y + rows, x:x + columns] = mask.inside
    return inside


def _to_gray(image: NDArray[np.uint8]) -> UInt8Array:
    """Return (h, w) by the integer weights of ITU-R BT.601 that Pillow uses."""
    return np.asarray((image[..., ::-1] @ _LUMA_RGB + 0x8000) >> 16, np.uint8)
