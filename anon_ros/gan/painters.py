# SPDX-License-Identifier: Apache-2.0
"""
Who can be painted, and what a generator is told of him: for faces, and for bodies.

A region that a generator could only guess at keeps its classic method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import masks
from anon_ros.core.crops import body_crop
from anon_ros.core.frame_anonymizer import without_margin
from anon_ros.core.regions import Mask
from anon_ros.gan.conditions import keypoints_in_crops
from anon_ros.gan.crops import Crop, at_size, face_crop, majority
from anon_ros.gan.inpainter import Hole
from anon_ros.gan.latents import Identity, RunKey, identify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.boxes import Rect
    from anon_ros.core.regions import Float32Array
    from anon_ros.gan.canvas import Canvas
    from anon_ros.gan.synthesizer import Synthesizer

LEAST_KNOWN = 0.1
"""Share of a crop that has to be known: below it nothing tells what the place looks like."""
MOST_BY_IMAGE = 3.0
"""Area of the largest crop, by that of the image: what is larger is no person in it."""


@dataclass(frozen=True)
class Sitter:
    """
    A region that can be painted: on which canvas, which one, and who comes into its place.

    crop: what a generator may see. hole: that at the generator's size.
    """

    canvas: Canvas
    index: int
    crop: Crop
    hole: Hole
    identity: Identity


@dataclass(frozen=True)
class View:
    """What of an image a generator looks at; mask, joints: silhouette and keypoints of a body."""

    rect: Rect
    mask: Mask | None = None
    joints: Float32Array | None = None


class Painter(ABC):
    """Paints regions of one kind. Safe from several threads."""

    def __init__(
        self, synthesizer: Synthesizer, key: RunKey, *, margin: float, least_px: int
    ) -> None:
        """
        Take a generator and the secret key of the identities.

        margin: of the hidden regions, as in the settings. least_px: the longer side of the
        smallest region that is painted.
        """
        self._synthesizer = synthesizer
        self._key = key
        self._margin = margin
        self._least_px = least_px

    def seat(self, canvas: Canvas, index: int) -> Sitter | str:
        """Return a region ready to be painted, or why it cannot be."""
        view = self._look(canvas, index)
        if isinstance(view, str):
            return view
        width, height = canvas.size_wh
        if view.rect.width * view.rect.height > MOST_BY_IMAGE * width * height:
            return 'larger than the image'
        crop = canvas.crop(view.rect)
        if crop.known_share < LEAST_KNOWN:
            return 'nothing around it is known'
        identity = identify(
            self._key, canvas.regions, index, source=canvas.source, stamp_ns=0)
        return Sitter(canvas, index, crop, self._hole(crop, view), identity)

    def draw(self, sitters: Sequence[Sitter]) -> list[Float32Array | None]:
        """Return (h, w, 3) BGR in 0..255 for each, None where memory does not suffice."""
        return self._synthesizer.fill(
            [sitter.hole for sitter in sitters], [sitter.identity for sitter in sitters])

    @abstractmethod
    def _look(self, canvas: Canvas, index: int) -> View | str:
        """Return what has to be seen of a region, or why nobody can paint it."""

    def _hole(self, crop: Crop, view: View) -> Hole:
        size_hw = self._synthesizer.size_hw
        pixels, is_shown = at_size(crop, size_hw)
        silhouette = None if view.mask is None else majority(
            masks.paste([_moved(view.mask, view.rect)], (view.rect.width, view.rect.height)),
            size_hw)
        return Hole(pixels, ~is_shown, is_shown, silhouette, view.joints)

    def _is_small(self, size_px: float) -> str:
        """Return why that size is too small, '' where it is not."""
        return f'smaller than {self._least_px} px' if size_px < self._least_px else ''


class FacePainter(Painter):
    """Paints faces: a generator sees the square around one, 1.7 times as large."""

    def _look(self, canvas: Canvas, index: int) -> View | str:
        region = canvas.regions.select([index])
        seen_xyxy = without_margin(region, self._margin).boxes_xyxy[0]
        side_px = float(max(seen_xyxy[2:] - seen_xyxy[:2]))
        return self._is_small(side_px) or View(face_crop(seen_xyxy, region.boxes_xyxy[0]))


class BodyPainter(Painter):
    """Paints bodies: enough background around them, led by silhouette and keypoints."""

    def _look(self, canvas: Canvas, index: int) -> View | str:
        mask, keypoints = canvas.regions.masks[index], canvas.regions.keypoints
        if mask is None or not mask.inside.any():
            return 'no silhouette'
        mask = masks.trim(mask)
        height, width = self._synthesizer.size_hw
        rect = body_crop(mask, canvas.size_wh, height / width)
        joints = None if keypoints is None else keypoints_in_crops(
            keypoints[[index]], np.array([rect], np.float32))[0]
        if self._synthesizer.needs_pose and (joints is None or not joints[:, 2].any()):
            return 'no keypoints'
        return self._is_small(max(mask.inside.shape)) or View(rect, mask, joints)


def _moved(mask: Mask, rect: Rect) -> Mask:
    """Return a mask as it lies in a rectangle of the image."""
    return Mask(mask.inside, mask.x - rect.x_min, mask.y - rect.y_min)
