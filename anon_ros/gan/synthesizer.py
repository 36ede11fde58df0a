# SPDX-License-Identifier: Apache-2.0
"""
A generator for whatever comes: any number of holes, and a device that may run out of memory.

Crops are independent of each other. How many share a batch can change the last bit of a result
all the same, because a device adds up in another order; what differs is less than one level.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch

from anon_ros.errors import ModelError
from anon_ros.gan.inpainter import Hole
from anon_ros.gan.latents import KEY_BYTES, Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.regions import Float32Array
    from anon_ros.gan.inpainter import Inpainter

_LOG = logging.getLogger(__name__)
_CPU_ALLOCATION = 'DefaultCPUAllocator'
"""In the text of the plain RuntimeError that PyTorch raises where the CPU has no memory left."""


class Synthesizer:
    """Fills holes as an inpainter does, as far as memory goes. Safe from several threads."""

    def __init__(self, inpainter: Inpainter) -> None:
        """Take what fills holes while there is memory."""
        self._inpainter = inpainter
        self._has_warned = False

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the crops."""
        return self._inpainter.size_wh[::-1]

    @property
    def needs_pose(self) -> bool:
        """Whether holes need silhouettes and keypoints."""
        return self._inpainter.needs_pose

    def try_out(self) -> None:
        """Fill one hole in nothing; raise ModelError where that fails, before anybody needs it."""
        shape = self.size_hw
        hidden = np.zeros(shape, bool)
        hidden[shape[0] // 4:-(shape[0] // 4), shape[1] // 4:-(shape[1] // 4)] = True
        nothing = np.zeros((*shape, 3), np.uint8)
        hole = Hole(
            nothing, hidden, ~hidden, hidden, np.zeros((17, 3), np.float32), person_bgr=nothing)
        filled, = self.fill([hole], [Identity(bytes(KEY_BYTES))])
        if filled is None:
            raise ModelError('the device has not even the memory for one person')

    def fill(
        self, holes: Sequence[Hole], identities: Sequence[Identity]
    ) -> list[Float32Array | None]:
        """
        Return (h, w, 3) float32 BGR in 0..255 for each hole, None where memory does not suffice.

        Raises ModelError where the network fails otherwise, or gives what is no number.
        """
        if not holes:
            return []
        filled = self._try_to_fill(holes, identities)
        if filled is not None:
            return filled
        if len(holes) == 1:
            self._warn()
            return [None]
        half = len(holes) // 2
        first = self.fill(holes[:half], identities[:half])
        return first + self.fill(holes[half:], identities[half:])

    def _try_to_fill(
        self, holes: Sequence[Hole], identities: Sequence[Identity]
    ) -> list[Float32Array | None] | None:
        try:
            images = self._inpainter.fill(holes, identities)
        except (torch.OutOfMemoryError, MemoryError):
            return None
        except RuntimeError as error:
            if _CPU_ALLOCATION in str(error):
                return None
            raise ModelError(f'a generator does not run: {error}') from error
        if not all(np.isfinite(image).all() for image in images):
            raise ModelError('a generator gave what is no number: its weights are of no use')
        return list(images)

    def _warn(self) -> None:
        """Say once what the manifest counts."""
        if not self._has_warned:
            self._has_warned = True
            _LOG.warning('no memory is left for a generator: classic methods stay instead')
