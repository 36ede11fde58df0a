# SPDX-License-Identifier: Apache-2.0
"""
The methods of arXiv 2306.05135, exactly: what its tables compare with.

The blur reads what it hides, so it is a baseline for the study and no protection: people are
recognised behind it. The realistic methods differ from the paper in two things: before a crop
changes its size, the nearest known colours stand in the place of the person, so that nothing of
him runs into the pixels around him, which the generator sees; and no pixel at the edge of his
silhouette stays that the mask has lost at the generator's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.core.boxes import Rect, to_rects
from anon_ros.core.crops import body_crop
from anon_ros.core.regions import Mask
from anon_ros.datasets.crops import (
    LARGE_FACE_PX,
    bicubic,
    cut,
    dilate_disk,
    face_crop,
    large_face_crop,
    nearest,
)
from anon_ros.datasets.files import encode_jpeg
from anon_ros.datasets.fillers import Filler, PaperCrop
from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, Regions, UInt8Array

LEAST_SIDE_PX = 8
"""Root of the least area of a body's crop: smaller people stay as they are."""
DILATION = 0.02
"""Of a body's silhouette, by the geometric mean of the generator's sides."""
_LUMA_RGB = np.array([19595, 38470, 7471])


@dataclass(frozen=True)
class _Part:
    """Somebody to hide: which region, his silhouette, the crop around it, how far it grows."""

    index: int
    mask: Mask
    rect: Rect
    growth_px: int = 0


def hide_bodies(
    image: UInt8Array, bodies: Regions, filler: Filler, *, source: str = '',
    least_side_px: int = LEAST_SIDE_PX,
) -> int:
    """
    Hide people in an image (h, w, 3), in place, from the smallest to the largest.

    source: what tells the image from others. Returns how many were too small to be touched.
    Later crops see what earlier ones left.
    """
    width, height = filler.size_wh
    growth_px = int(np.sqrt(width * height) * DILATION)
    trimmed = [(i, masks.trim(mask)) for i, mask in enumerate(bodies.masks) if mask is not None]
    size_wh = (image.shape[1], image.shape[0])
    parts = [
        _Part(i, mask, body_crop(mask, size_wh, height / width), growth_px)
        for i, mask in trimmed if mask.inside.size]
    parts = [part for part in parts if part.rect.width * part.rect.height >= least_side_px ** 2]
    _hide(image, bodies, parts, filler, source)
    return len(bodies) - len(parts)


def hide_faces(
    image: UInt8Array, faces: Regions, filler: Filler, *, source: str = '',
) -> int:
    """Hide faces in an image (h, w, 3), in place, from the smallest to the largest."""
    size_wh = (image.shape[1], image.shape[0])
    is_large = min(filler.size_wh) >= LARGE_FACE_PX
    parts = [
        _Part(i, Mask(np.ones((face.height, face.width), bool), face.x_min, face.y_min),
              large_face_crop(face) if is_large else face_crop(face, size_wh))
        for i, face in enumerate(to_rects(faces.boxes_xyxy, size_wh)) if not face.is_empty]
    _hide(image, faces, parts, filler, source)
    return len(faces) - len(parts)


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


def _hide(
    image: UInt8Array, regions: Regions, parts: Sequence[_Part], filler: Filler, source: str
) -> None:
    size_wh = (image.shape[1], image.shape[0])
    visible = ~masks.paste([part.mask for part in parts], size_wh)
    ordered = sorted(parts, key=lambda each: int(each.mask.inside.sum()))
    for batch in _batches(ordered):
        crops = [_crop(image, visible, regions, part, filler.size_wh, source) for part in batch]
        for crop, generated in zip(crops, filler.fill(crops), strict=True):
            hidden = nearest(crop.hidden, (crop.rect.width, crop.rect.height))
            if filler.hides_all:
                hidden |= crop.inside
            _paste(image, crop.rect, generated, hidden)


def _batches(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """
    Yield parts whose crops lie apart, so that their order does not matter.

    Of two that overlap the earlier one comes in an earlier batch.
    """
    steps: list[int] = []
    for i, part in enumerate(parts):
        before = [
            steps[j] for j in range(i) if not parts[j].rect.intersect(part.rect).is_empty]
        steps.append(1 + max(before, default=-1))
    for step in range(1 + max(steps, default=-1)):
        yield [part for part, own in zip(parts, steps, strict=True) if own == step]


def _crop(
    image: UInt8Array, visible: BoolArray, regions: Regions, part: _Part,
    size_wh: tuple[int, int], source: str,
) -> PaperCrop:
    seen = part.rect.intersect(Rect(0, 0, image.shape[1], image.shape[0]))
    inside = _placed(part.mask, part.rect)
    in_image = np.zeros_like(inside)
    in_image[seen.y_min - part.rect.y_min:seen.y_max - part.rect.y_min,
             seen.x_min - part.rect.x_min:seen.x_max - part.rect.x_min] = True
    hidden = dilate_disk(nearest(inside, size_wh), part.growth_px) & nearest(in_image, size_wh)
    return PaperCrop(
        regions.select([part.index]), source, part.rect, seen, cut(image, part.rect), inside,
        size_wh, hidden, nearest(cut(visible, part.rect), size_wh) & ~hidden)


def _paste(image: UInt8Array, crop: Rect, generated: Float32Array, hidden: BoolArray) -> None:
    """Put a generated crop into the image where it is hidden, without feathering."""
    size_wh = (crop.width, crop.height)
    pixels = np.clip(np.rint(bicubic(generated, size_wh)), 0, 255).astype(np.uint8)
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
