# SPDX-License-Identifier: Apache-2.0
"""What attackers get to see, and the protocols they speak: a new one is one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.regions import BoolArray, Float32Array, Kind, UInt8Array

View: TypeAlias = Literal['clear', 'hidden', 'rekeyed', 'gray']
GRAY = 128


class Picture(NamedTuple):
    """
    What a network gets to see of somebody.

    image_bgr: (h, w, 3) uint8. box_xyxy: (4,) px, what was found. hole: (h, w) what was hidden.
    """

    image_bgr: UInt8Array
    box_xyxy: Float32Array
    hole: BoolArray


@dataclass(frozen=True, eq=False)
class Look:
    """
    One look at somebody before and after: the same part of a frame, with what surrounds him.

    clear_bgr, hidden_bgr: (h, w, 3) uint8. box_xyxy: (4,) what was found, in px of the part.
    hole: (h, w), True where pixels were hidden, the margin included.
    rekeyed_bgr: the clear one anonymized the same way with another key; None where nobody can.
    scale: px of the part per px of the frame.
    """

    clear_bgr: UInt8Array
    hidden_bgr: UInt8Array
    box_xyxy: Float32Array
    hole: BoolArray
    rekeyed_bgr: UInt8Array | None = None
    scale: float = 1.0

    @property
    def height_px(self) -> float:
        """Height of what was found, in px of the frame."""
        return float(self.box_xyxy[3] - self.box_xyxy[1]) / self.scale

    def picture(self, view: View) -> Picture:
        """Return one view of it; where nobody could take another key, the result itself."""
        images = {
            'clear': self.clear_bgr, 'hidden': self.hidden_bgr,
            'rekeyed': self.hidden_bgr if self.rekeyed_bgr is None else self.rekeyed_bgr,
        }
        image_bgr = self._gray() if view == 'gray' else images[view]
        return Picture(image_bgr, self.box_xyxy, self.hole)

    def _gray(self) -> UInt8Array:
        """Return the yardstick: the same frame, with nothing at all in the hole."""
        return np.where(self.hole[..., None], np.uint8(GRAY), self.clear_bgr)


@dataclass(frozen=True, eq=False)
class Identity:
    """
    Somebody who was seen at least once.

    name: where he was found, for messages. looks: in the order of time.
    """

    name: str
    kind: Kind
    looks: tuple[Look, ...]

    @property
    def gallery(self) -> tuple[Look, ...]:
        """The looks that an attacker knows him by: the first half, or the only one."""
        return self.looks[:max(1, len(self.looks) // 2)]

    @property
    def queries(self) -> tuple[Look, ...]:
        """The looks that an attacker tries to assign: the second half, or the only one."""
        return self.looks[len(self.looks) // 2:]

    @property
    def height_px(self) -> float:
        """Height in the frame, the median over the queries."""
        return float(np.median([look.height_px for look in self.queries]))


class Hiding(Protocol):
    """Hides one box of an image: how an informed attacker repeats what a run did."""

    def __call__(
        self, image_bgr: UInt8Array, box_xyxy: Float32Array, key: int
    ) -> tuple[UInt8Array, BoolArray]:
        """
        Return the image with the box hidden, and (h, w) where it was hidden.

        image_bgr: (h, w, 3). box_xyxy: (4,) px, without any margin. key: of the pattern.
        """


class Descriptor(Protocol):
    """Turns pictures into points: the nearer, the more likely the same. Tells what it is for."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def kind(self) -> Kind:
        """What it describes."""

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        """
        Return (N, D) points, compared by Euclidean distance.

        Raises ModelError where the network cannot run.
        """


class Attacker(Protocol):
    """Tries one thing on everybody of its kind."""

    @property
    def kind(self) -> Kind:
        """Whom it attacks."""

    def attack(self, identities: Sequence[Identity]) -> list[AttackRow]:
        """
        Return what came of it: rows for all heights together and for each that occurs.

        identities: all of its kind. Where they are too few to say anything, the rows say so.
        Raises ModelError where a network cannot run.
        """
