# SPDX-License-Identifier: Apache-2.0
"""The face detector that the settings ask for."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.regions import Kind, Regions
from anon_ros.detection.centerface import CenterFace
from anon_ros.detection.pyramid import plan_passes, search
from anon_ros.detection.second_look import look_again
from anon_ros.detection.yunet import YuNet
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.detection.pyramid import CandidateFinder
    from anon_ros.models.store import ModelStore

_log = logging.getLogger(__name__)
_FULL_HD_PIXELS = 1920 * 1080
# Hiding a few px more costs nothing, and a network's box of a tiny face is off by one or two.
LEAST_MARGIN_PX = 2.0
# Faces of fewer px in the finest pass are doubtful: at first sight this part of the threshold is
# asked of them, and then they are looked at again.
_DOUBTFUL_BELOW_PX = 48.0
_FIRST_PART = 0.2
# Even then the smallest are weak.
_SMALL_PX = 16.0
_SMALL_PART = 2 / 3
# A large face is never that weak, and a false one hides a good part of the street.
_LARGE_PX = 160.0
_LARGE_PART = 1.6


@dataclass(frozen=True)
class FaceEffort:
    """
    How hard to search for faces.

    finest: the largest scale for a frame of 1920x1080; others get the scale that costs the same,
    but never less than least_scale (or small faces would be lost in large frames) and never more
    than most_scale (where nothing is left to gain).
    coarser: the other scales, as parts of the finest.
    threshold: the least score of faces from 16 px; the smallest need two thirds of it, those
        above 160 px 1.6 times as much.
    """

    finest: float
    least_scale: float
    most_scale: float
    coarser: tuple[float, ...]
    threshold: float

    def scales(self, size_wh: tuple[int, int]) -> tuple[float, ...]:
        """Return the scales for an image of that size, from the finest to the coarsest."""
        pixels = max(1, size_wh[0] * size_wh[1])
        equal_cost = self.finest * math.sqrt(_FULL_HD_PIXELS / pixels)
        # Few different sizes: each is one more compiled network.
        finest = min(max(round(equal_cost, 2), self.least_scale), self.most_scale)
        return finest, *(finest * part for part in self.coarser)


YUNET_EFFORTS = {
    'fast': FaceEffort(1.0, 0.5, 2.0, (1 / 8,), 0.25),
    'balanced': FaceEffort(1.5, 1.0, 2.5, (1 / 3,), 0.25),
    'thorough': FaceEffort(2.5, 2.0, 3.0, (0.5, 0.3, 0.15), 0.2),
}
CENTERFACE_EFFORTS = {
    'fast': FaceEffort(1.0, 0.5, 2.0, (1 / 4,), 0.2),
    'balanced': FaceEffort(1.5, 1.0, 2.5, (1 / 3,), 0.2),
    'thorough': FaceEffort(2.5, 2.0, 3.0, (1 / 2, 1 / 5), 0.2),
}


@dataclass(frozen=True)
class FaceDetector:
    """
    Finds faces at several scales. Safe to call from several threads at once.

    threshold: as in FaceEffort, or None for the effort's own.
    """

    finder: CandidateFinder
    effort: FaceEffort
    threshold: float | None = None

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """
        Return the faces, boxes in the image's pixels; they may reach over its edges.

        image_bgr: (h, w, 3) uint8 of any size. Raises ModelError when the network cannot run.
        """
        height, width = image_bgr.shape[:2]
        if not height or not width:
            return Regions.empty()
        threshold = self.effort.threshold if self.threshold is None else self.threshold
        scales = self.effort.scales((width, height))
        boxes, scores = search(
            self.finder, image_bgr, plan_passes(scales), threshold * _FIRST_PART)
        scores = look_again(
            self.finder, image_bgr, boxes, scores, _DOUBTFUL_BELOW_PX / scales[0])
        heights = boxes[:, 3] - boxes[:, 1]
        parts = np.where(heights < _SMALL_PX, _SMALL_PART, 1.0)
        parts[heights > _LARGE_PX] = _LARGE_PART
        is_face = scores >= np.minimum(threshold * parts, 1.0)
        return Regions.of(boxes[is_face], Kind.FACE, scores[is_face])

    def with_threshold(self, threshold: float | None) -> FaceDetector:
        """Return the same detector, on the same network, with another least score."""
        return replace(self, threshold=threshold)


def build_face_detector(
    settings: Settings, store: ModelStore, threads: int = 0, streams: int = 0
) -> FaceDetector:
    """
    Return the face detector of the settings.

    threads: cores to use, 0 for all. streams: callers that run side by side, 0 for one per
    thread; 1 is best for a single live camera.
    Raises ModelError: weights are missing or have a wrong hash, or the engine does not start.
    """
    name = settings.face_detector
    if name == 'auto':
        name = _available(store)
    path = store.path(name)
    threshold = settings.threshold(Kind.FACE)
    if name == 'yunet':
        yunet = YuNet.load(path, settings.device, threads, streams)
        return FaceDetector(yunet, YUNET_EFFORTS[settings.effort], threshold)
    centerface = CenterFace.load(path, settings.device, threads, streams)
    return FaceDetector(centerface, CENTERFACE_EFFORTS[settings.effort], threshold)


def _available(store: ModelStore) -> str:
    """Return the better network that can be had; damaged weights are no reason to change."""
    status, = store.verify(['yunet'])
    if status.is_ready or status.problem:
        return 'yunet'
    try:
        store.path('yunet')
    except ModelError:
        _log.warning(
            'YuNet cannot be had, CenterFace takes its place and finds fewer small faces; '
            '`anon-ros models pull yunet` says why'
        )
        return 'centerface'
    return 'yunet'
