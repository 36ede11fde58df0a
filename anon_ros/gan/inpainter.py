# SPDX-License-Identifier: Apache-2.0
"""A generator from crops to crops, of any kind and with any way to fit the tones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from anon_ros.gan import histograms
from anon_ros.gan.conditions import limb_map, pose_maps
from anon_ros.gan.device import Device
from anon_ros.gan.histogram_optimization import (
    PAPER_SEARCH,
    Search,
    search_styles,
    tone_histograms,
)
from anon_ros.gan.histograms import EQUALIZE, MATCH, OPTIMIZE_PAPER, Tones
from anon_ros.gan.triagan import TriaGan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array
    from anon_ros.gan.latents import Identity
    from anon_ros.gan.styles import StyleSampler
    from anon_ros.gan.weights_file import Generator

_Part = TypeVar('_Part')
MOST_AT_ONCE = 16
_MIDDLE = 127.5


@dataclass(frozen=True)
class Hole:
    """
    What a generator is asked to fill, at its size.

    image_bgr: (h, w, 3) uint8, without the person. hidden: (h, w), what is unknown of it.
    visible: (h, w), whose tones may be looked at. silhouette: (h, w), the person; keypoints:
    (17, 3) as keypoints_in_crops returns them; both for bodies only.
    person_bgr: (h, w, 3), the original; None unless the tones shall come from the person.
    """

    image_bgr: UInt8Array
    hidden: BoolArray
    visible: BoolArray
    silhouette: BoolArray | None = None
    keypoints: Float32Array | None = None
    person_bgr: UInt8Array | None = None


class Inpainter:
    """Fills holes with people who do not exist. Safe from several threads."""

    def __init__(
        self, generator: Generator, sampler: StyleSampler, tones: Tones | None = None,
        search: Search | None = None, device: Device | None = None,
    ) -> None:
        """
        Take a generator, its sampler, and how tones are made to fit.

        search: where styles are searched; None for the one that the tones name.
        device: how the generator, which is there already, runs; None for float32.
        """
        self._generator = generator.requires_grad_(False)
        self._sampler, self._tones = sampler, tones or Tones()
        usual = PAPER_SEARCH if self._tones.histogram == OPTIMIZE_PAPER else Search()
        self._search = search or usual
        self._device = device or Device(
            generator.style_net.w_avg.device, torch.float32, torch.contiguous_format)

    @property
    def size_wh(self) -> tuple[int, int]:
        """The size of the holes' crops."""
        height, width = self._generator.shape.size_hw
        return width, height

    @property
    def needs_pose(self) -> bool:
        """Whether it has to be told silhouettes and keypoints."""
        return needs_pose(self._generator)

    def fill(self, holes: Sequence[Hole], identities: Sequence[Identity]) -> list[Float32Array]:
        """Return (h, w, 3) float32 BGR in 0..255 for each hole; what was known stays."""
        results: list[Float32Array] = []
        for start in range(0, len(holes), MOST_AT_ONCE):
            part = slice(start, start + MOST_AT_ONCE)
            results += self._fill_batch(holes[part], identities[part])
        return results

    def _fill_batch(
        self, holes: Sequence[Hole], identities: Sequence[Identity]
    ) -> list[Float32Array]:
        inputs = self._inputs(holes)

        def generate(styles: Tensor) -> Tensor:
            return self._generator(**inputs, w=styles).float()

        with torch.no_grad():
            styles = self._sampler.sample(identities)
            if self._tones.is_searched:
                styles = self._searched(generate, styles, holes)
            images = generate(styles).cpu().numpy()
        return [self._toned(_to_bgr(image), hole) for image, hole in zip(
            images, holes, strict=True)]

    def _inputs(self, holes: Sequence[Hole]) -> dict[str, Any]:
        known = self._stack([~hole.hidden for hole in holes])[:, None]
        images = self._images([hole.image_bgr for hole in holes])
        inputs = {
            'img': images.to(dtype=self._device.dtype, memory_format=self._device.memory_format),
            'mask': known.to(self._device.dtype)}
        if not self.needs_pose:
            return inputs
        silhouettes = self._stack([hole.silhouette for hole in holes])[:, None]
        keypoints = np.stack(_given([hole.keypoints for hole in holes]))
        limbs = limb_map(keypoints, self._generator.shape.size_hw)[:, None]
        pose = {
            'segmentation': silhouettes, 'keypoints': self._tensor(keypoints),
            'joint_map': self._tensor(limbs)}
        if isinstance(self._generator, TriaGan):
            return {**inputs, **pose}
        return {**inputs, 'maps': pose_maps(**pose).to(self._device.dtype)}

    def _searched(
        self, generate: Callable[[Tensor], Tensor], styles: Tensor, holes: Sequence[Hole]
    ) -> Tensor:
        """Return styles whose people have the tones that are asked for."""
        bandwidth = self._search.bandwidth
        if self._tones.takes_from_person:
            everywhere = self._stack([np.ones_like(hole.hidden) for hole in holes])
            wanted = tone_histograms(
                self._images([hole.person_bgr for hole in holes]), everywhere, bandwidth)
            weights = everywhere
        else:
            wanted = tone_histograms(
                self._images([hole.image_bgr for hole in holes]),
                self._stack([hole.visible & ~hole.hidden for hole in holes]), bandwidth)
            weights = self._stack([hole.hidden for hole in holes])
        found, _ = search_styles(generate, styles, wanted, weights, self._search)
        return found

    def _toned(self, image_bgr: Float32Array, hole: Hole) -> Float32Array:
        if self._tones.histogram not in {EQUALIZE, MATCH}:
            return image_bgr
        generated = np.rint(image_bgr).astype(np.uint8)
        if self._tones.histogram == EQUALIZE:
            changed = histograms.equalize(generated)
        else:
            original = hole.image_bgr if hole.person_bgr is None else hole.person_bgr
            changed = histograms.match(
                generated, original, hole.hidden, hole.visible, self._tones.reference)
        person = hole.hidden if hole.silhouette is None else hole.silhouette
        return histograms.blend(changed, generated, person).astype(np.float32)

    def _images(self, images_bgr: Sequence[UInt8Array | None]) -> Tensor:
        """Return (n, 3, h, w) RGB in -1..1."""
        stacked = np.stack(_given(images_bgr))[..., ::-1].transpose(0, 3, 1, 2)
        return self._tensor(np.ascontiguousarray(stacked)) / _MIDDLE - 1

    def _stack(self, masks: Sequence[BoolArray | None]) -> Tensor:
        return self._tensor(np.stack(_given(masks)))

    def _tensor(self, values: Any) -> Tensor:
        return torch.from_numpy(values).to(self._device.place, torch.float32)


def needs_pose(generator: Generator) -> bool:
    """Return whether a generator has to be told silhouettes and keypoints."""
    return isinstance(generator, TriaGan) or generator.shape.condition_channels > 0


def _given(parts: Sequence[_Part | None]) -> list[_Part]:
    """Return the parts; raises ValueError where a hole lacks one that its generator needs."""
    given = [part for part in parts if part is not None]
    if len(given) < len(parts):
        raise ValueError('a hole lacks its silhouette, its keypoints or the person')
    return given


def _to_bgr(image: Float32Array) -> Float32Array:
    """Return (h, w, 3) BGR in 0..255 of (3, h, w) RGB in -1..1."""
    return np.clip((image[::-1].transpose(1, 2, 0) + 1) * _MIDDLE, 0, 255)
