# SPDX-License-Identifier: Apache-2.0
"""What the paper's methods put into a crop, at the size of its generators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import cv2
import numpy as np

from anon_ros.core.regions import Kind, Regions
from anon_ros.datasets.crops import (
    BODY_SIZE_WH,
    FACE_SIZE_WH,
    nearest,
    shrink_body,
    shrink_face,
)
from anon_ros.errors import FrameError
from anon_ros.gan.crops import make_crop
from anon_ros.gan.latents import identify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anon_ros.core.boxes import Rect
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array
    from anon_ros.gan.inpainter import Hole
    from anon_ros.gan.latents import RunKey
    from anon_ros.gan.synthesizer import Synthesizer

SIGMA, KERNEL = 7.0, 21
MIDDLE = 128.0
"""Zero of -1..1 is 127.5, which the paper's scripts round to even."""
SIZES_WH: Mapping[Kind, tuple[int, int]] = {Kind.FACE: FACE_SIZE_WH, Kind.BODY: BODY_SIZE_WH}


@dataclass(frozen=True)
class PaperCrop:
    """
    A crop around somebody who is to be hidden.

    region: that one, in the image's pixels. source: what tells the image from others.
    rect: of the crop, which may leave the image; seen: the part that does not.
    pixels: (h, w, 3) uint8 BGR, as they are. inside: (h, w), his silhouette.
    size_wh: of the generator; at that size, hidden is what will be overwritten, and visible what
    shows nobody who is hidden.
    """

    region: Regions
    source: str
    rect: Rect
    seen: Rect
    pixels: UInt8Array
    inside: BoolArray
    size_wh: tuple[int, int]
    hidden: BoolArray
    visible: BoolArray

    @property
    def is_body(self) -> bool:
        """Whether all of a person is hidden, and not the face only."""
        return bool(self.region.kinds[0] == int(Kind.BODY))

    def at_size(self, pixels: UInt8Array) -> UInt8Array:
        """Return pixels of the crop's shape at the generator's size."""
        return (shrink_body if self.is_body else shrink_face)(pixels, self.size_wh)

    def without_person(self) -> UInt8Array:
        """Return the pixels with the nearest ones that stay in the place of what is hidden."""
        size_wh = (self.rect.width, self.rect.height)
        unknown = self.inside | nearest(self.hidden, size_wh)
        part = np.s_[self.seen.y_min - self.rect.y_min:self.seen.y_max - self.rect.y_min,
                     self.seen.x_min - self.rect.x_min:self.seen.x_max - self.rect.x_min]
        filled = make_crop(
            self.rect, self.pixels[part].astype(np.float32), ~unknown[part], self.seen)
        result = np.zeros_like(self.pixels)
        result[part] = np.rint(filled.pixels[part])
        return result


class Filler(Protocol):
    """
    Makes what comes into crops. Safe from several threads.

    hides_all: whether every pixel of a silhouette is overwritten; the paper's masks lose the edge
    of what is larger than the generator's size.
    """

    hides_all: ClassVar[bool]

    @property
    def size_wh(self) -> tuple[int, int]:
        """The size of crops that it takes and gives."""

    def fill(self, crops: Sequence[PaperCrop]) -> list[Float32Array]:
        """Return (h, w, 3) float32 BGR in 0..255 for each, of its size."""


@dataclass(frozen=True)
class MaskOutFiller:
    """One gray for all."""

    hides_all: ClassVar[bool] = False
    size_wh: tuple[int, int]

    def fill(self, crops: Sequence[PaperCrop]) -> list[Float32Array]:
        """Return gray crops."""
        return [np.full((*self.size_wh[::-1], 3), MIDDLE, np.float32) for _ in crops]


@dataclass(frozen=True)
class BlurFiller:
    """The crop itself, blurred: it reads what it hides."""

    hides_all: ClassVar[bool] = False
    size_wh: tuple[int, int]

    def fill(self, crops: Sequence[PaperCrop]) -> list[Float32Array]:
        """Return blurred crops."""
        return [self._blurred(crop.at_size(crop.pixels)) for crop in crops]

    def _blurred(self, image: UInt8Array) -> Float32Array:
        kernel = min(KERNEL, self.size_wh[0])
        return np.asarray(cv2.GaussianBlur(
            image.astype(np.float32), (kernel, kernel), SIGMA, borderType=cv2.BORDER_REFLECT_101,
        ), np.float32)


@dataclass(frozen=True)
class RealisticFiller:
    """
    Somebody who does not exist.

    takes_tones: from the person who is replaced, as the paper's histograms do: it passes on the
    colours of clothes and skin.
    """

    hides_all: ClassVar[bool] = True
    synthesizer: Synthesizer
    key: RunKey
    takes_tones: bool = False

    @property
    def size_wh(self) -> tuple[int, int]:
        """The generator's size."""
        height, width = self.synthesizer.size_hw
        return width, height

    def fill(self, crops: Sequence[PaperCrop]) -> list[Float32Array]:
        """
        Return crops with the hidden pixels generated.

        Raises FrameError where no memory is left for one of them.
        """
        identities = [
            identify(self.key, crop.region, 0, source=crop.source, stamp_ns=0) for crop in crops]
        filled = self.synthesizer.fill([self._hole(crop) for crop in crops], identities)
        images = [image for image in filled if image is not None]
        if len(images) < len(crops):
            raise FrameError('no memory is left for its realistic people')
        return images

    def _hole(self, crop: PaperCrop) -> Hole:
        from anon_ros.gan.conditions import keypoints_in_crops
        from anon_ros.gan.inpainter import Hole

        person = crop.at_size(crop.pixels) if self.takes_tones else None
        image = crop.at_size(crop.without_person())
        if not crop.is_body:
            return Hole(image, crop.hidden, crop.visible, person_bgr=person)
        keypoints = crop.region.keypoints
        if keypoints is None:
            keypoints = np.full((1, 17, 3), np.nan, np.float32)
        return Hole(
            image, crop.hidden, crop.visible, nearest(crop.inside, crop.size_wh),
            keypoints_in_crops(keypoints, np.array([crop.rect], np.float32))[0], person)


def traditional(method: str, kind: Kind) -> Filler:
    """Return the filler of a traditional method, blur or mask-out."""
    size_wh = SIZES_WH[kind]
    return BlurFiller(size_wh) if method == 'blur' else MaskOutFiller(size_wh)
