# SPDX-License-Identifier: Apache-2.0
"""Faces and bodies of people who do not exist, in the place of people who do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.gan.extra import require_extra

if TYPE_CHECKING:
    from anon_ros.gan.weights_file import Generator


def build_generator(name: str) -> Generator:
    """
    Return the generator of that name, a torch module in evaluation mode.

    `face` and `body` come with the weights that anon_ros ships; `face_fdf128`, `face_fdf256`,
    `body_fdh_nocse` and `body_triagan` are DeepPrivacy2's networks, their weights random. Its
    forward takes by name img, mask, z or w and, for a TriA-GAN, segmentation, keypoints and
    joint_map; it returns img with the hole of mask filled.

    Raises ModelError: the name is unknown, weights are missing or wrong, or torch is not there.
    """
    require_extra()
    from anon_ros.gan import zoo

    return zoo.build_generator(name)
