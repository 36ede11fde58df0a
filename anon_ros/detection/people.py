# SPDX-License-Identifier: Apache-2.0
"""People with their silhouettes, riders among them: which networks look, and at what sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core import masks
from anon_ros.core.regions import Kind, Regions
from anon_ros.detection import people_evidence
from anon_ros.detection.deeplab import DeepLab
from anon_ros.detection.movenet import MoveNet
from anon_ros.detection.yolox import Yolox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.models.store import ModelStore

WORKING_PX = 960
"""Silhouettes are put together in an image whose longer side is at most this."""


@dataclass(frozen=True)
class PeopleEffort:
    """
    How hard people are searched for.

    boxes_px, silhouettes_px: the longer side of the image in each pass of the two networks.
    threshold: the evidence, in logits, from which on a pixel is a person's.
    """

    boxes_px: tuple[int, ...]
    silhouettes_px: tuple[int, ...]
    threshold: float


# Each threshold keeps the price on street frames where it was agreed: about 3 % of the pixels
# that show nobody for the first two, 5 % for the last.
EFFORTS: Mapping[str, PeopleEffort] = {
    'fast': PeopleEffort((512,), (689,), 0.5),
    'balanced': PeopleEffort((768,), (689, 1361), -0.15),
    'thorough': PeopleEffort((512, 768, 960), (689, 961, 1361), -1.8),
}


class PeopleDetector:
    """Finds people by boxes and silhouettes. Safe to call from several threads at once."""

    def __init__(
        self,
        box_network: Yolox,
        silhouette_network: DeepLab,
        effort: PeopleEffort,
        *,
        keypoint_network: MoveNet | None = None,
        least_score: float = 0.0,
    ) -> None:
        """
        Use these networks; keypoints are looked for where there is a network for them.

        least_score: people of a lower score are left out, 0..1.
        """
        self._boxes = box_network
        self._silhouettes = silhouette_network
        self._keypoints = keypoint_network
        self._effort = effort
        self._least_score = least_score

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return the people in an image, (h, w, 3) uint8, each with a mask; see RegionDetector."""
        size_wh = (image_bgr.shape[1], image_bgr.shape[0])
        scale = min(1.0, WORKING_PX / max(size_wh))
        working_wh = (max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale)))
        boxes_xyxy, scores = self._find_boxes(image_bgr)
        to_working = np.array([*working_wh, *working_wh]) / np.array([*size_wh, *size_wh])
        people = people_evidence.gather(
            self._find_lead(image_bgr, working_wh), (boxes_xyxy * to_working).astype(np.float32),
            scores, self._effort.threshold)
        people = [person for person in people if person.score >= self._least_score]
        return self._to_regions(image_bgr, people, working_wh)

    def _find_boxes(self, image_bgr: UInt8Array) -> tuple[Float32Array, Float32Array]:
        least = max(people_evidence.LEAST_SCORE, self._least_score)
        found = [
            self._boxes.candidates(image_bgr, least, side) for side in self._effort.boxes_px
        ]
        return np.concatenate([b for b, _ in found]), np.concatenate([s for _, s in found])

    def _find_lead(self, image_bgr: UInt8Array, working_wh: tuple[int, int]) -> Float32Array:
        sides = self._effort.silhouettes_px
        leads = [self._silhouettes.lead(image_bgr, side, working_wh) for side in sides]
        return np.asarray(np.mean(leads, axis=0), np.float32)

    def _to_regions(
        self,
        image_bgr: UInt8Array,
        people: list[people_evidence.Silhouette],
        working_wh: tuple[int, int],
    ) -> Regions:
        size_wh = (image_bgr.shape[1], image_bgr.shape[0])
        found = [masks.rescale(person.mask, working_wh, size_wh) for person in people]
        boxes_xyxy = np.array([masks.mask_to_box(mask) for mask in found], np.float32)
        boxes_xyxy = boxes_xyxy.reshape(-1, 4)
        keypoints = None
        if self._keypoints is not None:
            keypoints = self._keypoints.keypoints(image_bgr, boxes_xyxy)
        return Regions.of(
            boxes_xyxy, Kind.BODY, [person.score for person in people], masks=found,
            keypoints=keypoints)


def build_people_detector(
    settings: Settings, store: ModelStore, threads: int, *, with_keypoints: bool = False
) -> RegionDetector:
    """
    Return the detector that the settings ask for: body_detector, effort, device, body_threshold.

    threads: cores to use in all; 0 for every core. with_keypoints: look for 17 keypoints too.
    Raises ModelError when weights are missing or damaged, or an engine does not start.
    """
    if settings.body_detector == 'maskrcnn':
        from anon_ros.detection.maskrcnn import build_maskrcnn_detector

        return build_maskrcnn_detector(settings, store, with_keypoints=with_keypoints)
    least_score = settings.threshold(Kind.BODY)
    return PeopleDetector(
        Yolox.load(store.path('yolox-nano'), settings.device, threads),
        DeepLab.load(store.path('deeplab-cityscapes'), threads),
        EFFORTS[settings.effort],
        keypoint_network=MoveNet.load(store.path('movenet'), threads) if with_keypoints else None,
        least_score=0.0 if least_score is None else least_score,
    )
