# SPDX-License-Identifier: Apache-2.0
"""Settings become objects here; whatever is heavy is imported when it is asked for."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from anon_ros.anonymization.blur import Blur
from anon_ros.anonymization.by_kind import ByKind
from anon_ros.anonymization.mask_out import MaskOut
from anon_ros.anonymization.pixelate import Pixelate
from anon_ros.core.frame_anonymizer import FrameAnonymizer
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import (
    CLASSIC_METHODS,
    REALISTIC,
    SYNTHESIZED_KINDS,
    method_by_kind,
    target_kinds,
)
from anon_ros.gan.extra import require_extra
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anon_ros.core.interfaces import (
        RegionAnonymizer,
        RegionDetector,
        RegionSynthesizer,
        RegionTracker,
    )
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.detection.plate_context import PlateContext
    from anon_ros.gan.histograms import Tones
    from anon_ros.gan.inpainter import Inpainter

SECRET_BITS = 128
"""Of a seed that is drawn: too many to try them all on a pattern that is seen."""

ANONYMIZERS: Mapping[str, Callable[[Settings, int], RegionAnonymizer]] = {
    'pixelate': lambda settings, seed: Pixelate(cells=settings.cells, seed=seed),
    'blur': lambda _, seed: Blur(seed=seed),
    'mask-out': lambda *_: MaskOut(),
}
"""By method: what makes it from the settings and the seed of its patterns."""


class AllDetectors:
    """Several detectors as one: all that any of them finds."""

    def __init__(self, detectors: Sequence[RegionDetector]) -> None:
        """Take the detectors in the order in which their regions shall come."""
        self._detectors = tuple(detectors)

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return what all of them see; image_bgr: (h, w, 3) uint8."""
        return Regions.concatenate([each.detect(image_bgr) for each in self._detectors])


def thread_count(settings: Settings) -> int:
    """Return the number of workers: as set, or one for each core this process may use."""
    return settings.threads or len(os.sched_getaffinity(0))


def build_anonymizer(
    settings: Settings, store: ModelStore | None = None, *, secret: int = 0, streams: int = 0
) -> FrameAnonymizer:
    """
    Return what overwrites the regions of a frame.

    store: finds weights, and knows which were used; by default that of the environment.
    secret: the seed where the settings name none; 0 draws one and tells it to nobody: who knows
    the patterns could subtract them, and would find the colour of the surroundings.
    streams: frames handled side by side, 0 for one per thread; 1 is best for live cameras.
    Raises ModelError where a realistic method lacks its network.
    """
    seed = settings.seed or secret or secrets.randbits(SECRET_BITS)
    methods = method_by_kind(settings)
    by_kind = ByKind({
        kind: ANONYMIZERS[_classic(method)](settings, seed) for kind, method in methods.items()
    })
    asked = [kind for kind in target_kinds(settings) if methods[kind] == REALISTIC]
    synthesizer = None
    if asked:
        synthesizer = _build_synthesizer(settings, asked, seed, store or ModelStore(), streams)
    return FrameAnonymizer(by_kind, margin=settings.margin, synthesizer=synthesizer)


def build_gray_anonymizer(settings: Settings) -> FrameAnonymizer:
    """Return what knows what is hidden of a region, for who only looks: it loads no network."""
    return FrameAnonymizer(MaskOut(), margin=settings.margin)


def _classic(method: str) -> str:
    """Return the method that hides a region before anything is painted over it."""
    return CLASSIC_METHODS[0] if method == REALISTIC else method


def _build_synthesizer(
    settings: Settings, kinds: Sequence[Kind], seed: int, store: ModelStore, streams: int
) -> RegionSynthesizer:
    """Return what paints over the regions of these kinds; of others only, nothing is loaded."""
    from anon_ros.gan.realistic import Realistic

    painters = {}
    drawn = [kind for kind in kinds if kind in SYNTHESIZED_KINDS]
    if drawn:
        require_extra()
        from anon_ros.gan.assembly import load_painters

        # Frames side by side share the cores already: more threads would wait for each other.
        threads = max(1, thread_count(settings) // streams) if streams else 1
        painters = load_painters(settings, drawn, seed, store, threads=threads)
    asked = [kind for kind, method in method_by_kind(settings).items() if method == REALISTIC]
    return Realistic(asked, painters)


def build_inpainter(
    settings: Settings, kind: Kind, tones: Tones, store: ModelStore
) -> Inpainter:
    """
    Return the generator of a kind, exact, for who has crops of his own and many threads.

    Raises ModelError where its network is not to be had.
    """
    require_extra()
    from anon_ros.gan.assembly import load_inpainter

    return load_inpainter(settings, kind, tones, store, threads=1, is_exact=True)


@dataclass(frozen=True)
class Networks:
    """
    Networks that are loaded once for many runs, and the store that knows which they are.

    context: tells plates on no vehicle, for the report; None where nobody does.
    """

    detector: RegionDetector
    context: PlateContext | None
    store: ModelStore


def load_networks(settings: Settings, store: ModelStore) -> Networks:
    """Return all networks that a run needs; raise ModelError where one does not start."""
    return Networks(
        build_detector(settings, store), build_plate_context(settings, store), store
    )


def build_detector(
    settings: Settings, store: ModelStore, *, streams: int = 0
) -> RegionDetector:
    """
    Return the detectors for all targets as one.

    streams: callers that run side by side, 0 for one per thread; 1 is best for live cameras.
    Raises ModelError where weights are missing or an engine does not start.
    """
    # Every worker runs one frame by itself; OpenCV's own threads would only fight with them.
    cv2.setNumThreads(1)
    detectors = [_DETECTORS[kind](settings, store, streams) for kind in target_kinds(settings)]
    return detectors[0] if len(detectors) == 1 else AllDetectors(detectors)


def build_plate_context(settings: Settings, store: ModelStore) -> PlateContext | None:
    """Return what tells plates on no vehicle, for the report; None where it is not to be had."""
    if Kind.PLATE not in target_kinds(settings):
        return None
    from anon_ros.detection.plate_context import build_plate_context as build

    return build(settings, store, thread_count(settings))


def build_tracker(settings: Settings, *, is_known: bool = False) -> RegionTracker:
    """
    Return a tracker for one camera of a recording.

    is_known: the regions come from a file, followed already: nothing is held or added.
    """
    from anon_ros.tracking.two_sided import TwoSidedTracker

    window_s = 0.0 if is_known else settings.window_s
    return TwoSidedTracker(
        window_s, carry_s=settings.carry_s, body_carry_s=settings.body_carry_s)


def _build_faces(settings: Settings, store: ModelStore, streams: int) -> RegionDetector:
    from anon_ros.detection.faces import build_face_detector

    return build_face_detector(settings, store, thread_count(settings), streams)


def _build_people(settings: Settings, store: ModelStore, _: int) -> RegionDetector:
    from anon_ros.detection.people import build_people_detector

    # A generator is led by them; every other method would only wait for them.
    with_keypoints = method_by_kind(settings)[Kind.BODY] == REALISTIC
    return build_people_detector(
        settings, store, thread_count(settings), with_keypoints=with_keypoints)


def _build_plates(settings: Settings, store: ModelStore, streams: int) -> RegionDetector:
    from anon_ros.detection.plates import build_plate_detector

    return build_plate_detector(settings, store, thread_count(settings), streams)


_DETECTORS: Mapping[Kind, Callable[[Settings, ModelStore, int], RegionDetector]] = {
    Kind.FACE: _build_faces,
    Kind.BODY: _build_people,
    Kind.PLATE: _build_plates,
}
