# SPDX-License-Identifier: Apache-2.0
"""
Give what was generated the tones of what surrounds it: the naive ways, without a network.

A generator sees a crop and not the scene, so its people may be too bright or too dull for it.
The histograms are joint over the channels, as those of arXiv 2306.05135: one curve for all
colours. Nothing of the person is read: the wanted tones come from the visible surroundings. The
paper takes them from the person who is replaced, too; that passes on the colours of clothes and
skin, and is done only where `reference` says 'person'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core.settings import HISTOGRAMS
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

NONE, EQUALIZE, MATCH, OPTIMIZE, OPTIMIZE_PAPER = HISTOGRAMS
SURROUNDINGS, PERSON = REFERENCES = ('surroundings', 'person')
LEVELS = 256
BLEND_KERNEL_PX, BLEND_SIGMA_PX = 19, 10.0


@dataclass(frozen=True)
class Tones:
    """
    How the tones of a generated crop are made to fit.

    histogram: 'none'; 'equalize' for a flat one; 'match' for the reference's by a curve;
        'optimize' for the reference's by a search through the generator's styles,
        'optimize-paper' by the paper's own search.
    reference: 'surroundings', or 'person' for the whole original crop as in the paper, which
        passes on the person's colours.
    Raises UsageError for any other word, and for a reference that nobody looks at.
    """

    histogram: str = NONE
    reference: str = SURROUNDINGS

    def __post_init__(self) -> None:
        """Check the words."""
        for name, value, known in (
            ('histogram', self.histogram, HISTOGRAMS), ('reference', self.reference, REFERENCES),
        ):
            if value not in known:
                raise UsageError(f"{name}: '{value}' is none of {', '.join(known)}")
        if self.takes_from_person and self.histogram in {NONE, EQUALIZE}:
            raise UsageError(
                f"reference: '{PERSON}' needs histogram {MATCH}, {OPTIMIZE} or {OPTIMIZE_PAPER}; "
                f"'{self.histogram}' has no reference")

    @property
    def is_searched(self) -> bool:
        """Whether the generator's styles are searched."""
        return self.histogram in {OPTIMIZE, OPTIMIZE_PAPER}

    @property
    def takes_from_person(self) -> bool:
        """Whether colours of the person reach the result."""
        return self.reference == PERSON


def joint_histogram(image: UInt8Array, among: BoolArray | None = None) -> NDArray[np.int64]:
    """
    Return (256,) counts of the samples of all channels together.

    image: (h, w, c). among: (h, w), the pixels that count; None for all.
    """
    samples = image if among is None else image[among]
    return np.bincount(samples.ravel(), minlength=LEVELS)


def equalize(image: UInt8Array) -> UInt8Array:
    """Return an image (h, w, c) whose joint histogram is as flat as one curve can make it."""
    flat = np.ones(LEVELS, np.int64)
    return _apply(image, tone_curve(joint_histogram(image), flat))


def match(
    generated: UInt8Array, original: UInt8Array, hidden: BoolArray, visible: BoolArray,
    reference: str = SURROUNDINGS,
) -> UInt8Array:
    """
    Return a generated crop (h, w, c) with the tones of the original one.

    hidden: (h, w), where the person was. visible: (h, w), what may be looked at around him.
    By the surroundings, the person that was generated gets their tones; by 'person', the whole
    crop gets those of the whole original.
    """
    if reference == PERSON:
        curve = tone_curve(joint_histogram(generated), joint_histogram(original))
    else:
        curve = tone_curve(
            joint_histogram(generated, hidden), joint_histogram(original, visible & ~hidden))
    return _apply(generated, curve)


def tone_curve(
    counts: NDArray[np.int64], wanted: NDArray[np.int64]
) -> Float32Array:
    """
    Return (256,): for each level the one at the same quantile of the wanted histogram.

    Levels between two wanted ones are interpolated. Where either histogram is empty each level
    stays. Source: histogram specification, as in Gonzalez and Woods, Digital Image Processing.
    """
    if not counts.sum() or not wanted.sum():
        return np.arange(LEVELS, dtype=np.float32)
    levels = np.flatnonzero(wanted)
    quantiles = np.cumsum(counts) / counts.sum()
    wanted_quantiles = np.cumsum(wanted[levels]) / wanted.sum()
    return np.interp(quantiles, wanted_quantiles, levels).astype(np.float32)


def blend(changed: UInt8Array, generated: UInt8Array, hidden: BoolArray) -> UInt8Array:
    """
    Return a crop that is the changed one within the silhouette and the generated one far off.

    hidden: (h, w). Source: arXiv 2306.05135: a Gaussian of 19x19 px, sigma 10, over the
    silhouette, scaled to a largest weight of 1.
    """
    kernel = (BLEND_KERNEL_PX, BLEND_KERNEL_PX)
    near = cv2.GaussianBlur(hidden.astype(np.float32), kernel, BLEND_SIGMA_PX)
    weights = (near / max(float(near.max()), 1e-6))[..., None]
    mixed = weights * changed + (1 - weights) * generated
    return np.clip(np.rint(mixed), 0, LEVELS - 1).astype(np.uint8)


def _apply(image: UInt8Array, curve: Float32Array) -> UInt8Array:
    return np.clip(np.rint(curve), 0, LEVELS - 1).astype(np.uint8)[image]
