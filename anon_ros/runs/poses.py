# SPDX-License-Identifier: Apache-2.0
"""Keypoints of annotated people: those that somebody placed, and found ones for the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.detection.movenet import MoveNet

if TYPE_CHECKING:
    from anon_ros.core.regions import Regions, UInt8Array
    from anon_ros.models.store import ModelStore


@dataclass(frozen=True)
class Poses:
    """
    Completes keypoints. Safe from several threads.

    network: finds them; None where nobody is to be searched.
    """

    network: MoveNet | None = None

    @classmethod
    def load(cls, store: ModelStore, threads: int) -> Poses:
        """Return one that finds keypoints; raises ModelError where the network is not there."""
        return cls(MoveNet.load(store.path('movenet'), threads))

    def complete(self, people: Regions, image_bgr: UInt8Array) -> Regions:
        """Return people with keypoints for those too for whom nobody placed any."""
        if self.network is None or people.keypoints is None:
            return people
        unknown = np.isnan(people.keypoints).all(axis=(1, 2))
        keypoints = people.keypoints.copy()
        keypoints[unknown] = self.network.keypoints(image_bgr, people.boxes_xyxy[unknown])
        return replace(people, keypoints=keypoints)
