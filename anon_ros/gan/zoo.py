# SPDX-License-Identifier: Apache-2.0
"""Every generator by its name: those of DeepPrivacy2, and ours with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.errors import ModelError
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape
from anon_ros.gan.triagan import TriaGan, TriaGanShape
from anon_ros.gan.weights_file import load_weights
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from anon_ros.gan.weights_file import Generator

SHIPPED = {'face': 'face-gan', 'body': 'body-gan'}
"""The model card of the weights, by the generator's name."""
SHAPES: dict[str, UNetShape | TriaGanShape] = {
    'face_fdf128': UNetShape((128, 128), (128, 256, 512, 512, 512, 512)),
    'face_fdf256': UNetShape((256, 256), (64, 128, 256, 512, 512, 512, 512)),
    'body_fdh_nocse': UNetShape(
        (288, 160), (64, 128, 256, 512, 512, 512, 512), has_linear_skips=False),
    'body_triagan': TriaGanShape((288, 160), 128, (1, 2, 4, 4, 4, 4)),
}
"""The networks of DeepPrivacy2, whose weights a user may bring."""


def build_generator(name: str, store: ModelStore | None = None) -> Generator:
    """
    Return the generator of that name in evaluation mode; see anon_ros.gan.build_generator.

    store: finds the weights that are shipped; by default that of the environment.
    """
    if name in SHIPPED:
        return load_weights((store or ModelStore()).path(SHIPPED[name]))
    if name not in SHAPES:
        known = ', '.join((*SHIPPED, *SHAPES))
        raise ModelError(f"generator '{name}' is unknown; there are {known}")
    return build(SHAPES[name])


def build(shape: UNetShape | TriaGanShape) -> Generator:
    """Return a generator of that shape, its weights random, in evaluation mode."""
    network = TriaGan(shape) if isinstance(shape, TriaGanShape) else StyleGanUNet(shape)
    return network.eval()
