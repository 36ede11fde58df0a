# SPDX-License-Identifier: Apache-2.0
"""Who attacks what; a new attacker is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.attacks.clothes import Clothes
from anon_ros.attacks.dlib_faces import DlibFaces
from anon_ros.attacks.own_network import OwnNetwork
from anon_ros.attacks.plate_candidates import PlateCandidates
from anon_ros.attacks.plate_reader import PlateReader
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.reidentification import Reidentification
from anon_ros.core.regions import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anon_ros.attacks.interface import Attacker, Hiding

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


_REPEATING: Mapping[Kind, tuple[Callable[[Hiding, str], Attacker], ...]] = {
    Kind.PLATE: (PlateCandidates,),
}
"""Who has to be able to hide things of his own the same way."""


def build_attackers(
    kind: Kind, method: str, own_network: Path | None = None, hiding: Hiding | None = None
) -> list[Attacker]:
    """
    Return everybody who attacks a kind.

    method: what hid it, for the rows. own_network: an ONNX file that describes faces, or None.
    hiding: hides as the run did, with other keys; None where nobody can.
    Raises ModelError where the extra `attack` is not installed, or the file is no network.
    """
    attackers = [build(method) for build in _ATTACKERS[kind]]
    if hiding is not None:
        attackers += [build(hiding, method) for build in _REPEATING.get(kind, ())]
    if own_network is not None and kind is Kind.FACE:
        attackers.append(Reidentification(OwnNetwork(own_network, kind), method))
    return attackers
