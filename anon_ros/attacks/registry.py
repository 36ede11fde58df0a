# SPDX-License-Identifier: Apache-2.0
"""Who attacks what; a new attacker is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.attacks.clothes import Clothes
from anon_ros.attacks.dlib_faces import DlibFaces
from anon_ros.attacks.own_network import OwnNetwork
from anon_ros.attacks.plate_reader import PlateReader
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.reidentification import Reidentification
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anon_ros.attacks.interface import Attacker

_ATTACKERS: Mapping[Kind, tuple[Callable[[str], Attacker], ...]] = {
    Kind.FACE: (
        lambda method: Reidentification(DlibFaces(), method),
        lambda method: Reidentification(RegionPixels(Kind.FACE), method),
    ),
    Kind.PLATE: (
        PlateReader,
        lambda method: Reidentification(RegionPixels(Kind.PLATE), method),
    ),
    Kind.BODY: (
        lambda method: Reidentification(Clothes(), method),
        lambda method: Reidentification(RegionPixels(Kind.BODY), method),
    ),
}


def build_attackers(kind: Kind, method: str, own_network: Path | None = None) -> list[Attacker]:
    """
    Return everybody who attacks a kind.

    method: what hid it, for the rows. own_network: an ONNX file that describes faces, or None.
    Raises ModelError where the extra `attack` is not installed, or the file is no network.
    """
    attackers = [build(method) for build in _ATTACKERS[kind]]
    if own_network is not None and kind is Kind.FACE:
        attackers.append(Reidentification(OwnNetwork(own_network, kind), method))
    return attackers
