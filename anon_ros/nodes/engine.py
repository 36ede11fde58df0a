# SPDX-License-Identifier: Apache-2.0
"""The networks and fillers that a set of settings asks for, built before they are needed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros import factory
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import REALISTIC, Settings, method_by_kind, target_kinds
from anon_ros.errors import ModelError
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import UInt8Array

WARM_UP_WH = (1280, 720)


@dataclass(frozen=True)
class Engine:
    """All that frames need at one time; a change of parameters puts another in its place."""

    settings: Settings
    detectors: tuple[RegionDetector, ...]
    anonymizer: FrameAnonymizer

    @property
    def max_pixels(self) -> int:
        """The largest image that is decoded, in px."""
        return int(self.settings.max_megapixels * 1e6)

    @property
    def is_batching(self) -> bool:
        """Whether frames of several cameras are better taken together."""
        return self.is_painting or all(
            hasattr(detector, 'detect_batch') for detector in self.detectors)

    @property
    def is_painting(self) -> bool:
        """Whether a generator paints over what is hidden."""
        return self.anonymizer.is_painting

    def detect(self, images_bgr: Sequence[UInt8Array]) -> list[Regions]:
        """
        Return what is to be hidden in each image; (h, w, 3) uint8, sizes may differ.

        Raises ModelError when a network cannot run.
        """
        found = [_detect(detector, images_bgr) for detector in self.detectors]
        return [Regions.concatenate(parts) for parts in zip(*found, strict=True)]


class EngineBuilder:
    """Builds engines; a network that serves the new settings too is kept."""

    def __init__(self, build: Callable[[Settings], RegionDetector] | None = None) -> None:
        """Take what builds the detector of settings with one target; default: the factory."""
        self._build = build or _build_detector
        self._detectors: dict[Kind, tuple[Settings, RegionDetector]] = {}

    def build(self, settings: Settings) -> Engine:
        """
        Return the engine for the settings, its new networks warmed up.

        Raises ModelError: weights are missing or damaged, or an engine does not start.
        """
        detectors = {kind: self._detector(kind, settings) for kind in target_kinds(settings)}
        self._detectors = detectors
        return Engine(
            settings, tuple(detector for _, detector in detectors.values()),
            factory.build_anonymizer(settings, streams=1),
        )

    def forget(self) -> None:
        """Let go of all networks, and so of the device's memory."""
        self._detectors = {}

    def _detector(self, kind: Kind, settings: Settings) -> tuple[Settings, RegionDetector]:
        wanted = _what_matters(kind, settings)
        known = self._detectors.get(kind)
        if known is not None and known[0] == wanted:
            return known
        detector = self._build(wanted)
        _detect(detector, [np.zeros((*WARM_UP_WH[::-1], 3), np.uint8)])
        return wanted, detector


def _build_detector(settings: Settings) -> RegionDetector:
    # One frame at a time on all cores: a live camera wants latency, not throughput.
    return factory.build_detector(settings, ModelStore(), streams=1)


def _what_matters(kind: Kind, settings: Settings) -> Settings:
    """Return the settings as far as they matter to the detector of one kind."""
    threshold = f'{kind.label}_threshold'
    kept: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (threshold, 'effort', 'device', 'face_detector', 'body_detector', 'threads')
    }
    if kind is Kind.BODY and method_by_kind(settings)[kind] == REALISTIC:
        # Its generator needs keypoints, which are not looked for otherwise.
        kept['method'] = (f'{kind.label}={REALISTIC}',)
    return dataclasses.replace(Settings(), target=(kind.label,), **kept)


def _detect(detector: RegionDetector, images_bgr: Sequence[UInt8Array]) -> list[Regions]:
    batched = getattr(detector, 'detect_batch', None)
    if batched is None:
        return [detector.detect(image) for image in images_bgr]
    found = list(batched(images_bgr))
    if len(found) != len(images_bgr):
        raise ModelError(f'a detector gave {len(found)} results for {len(images_bgr)} images')
    return found
