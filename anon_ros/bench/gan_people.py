# SPDX-License-Identifier: Apache-2.0
"""
How good synthesized people are, on people and streets that no training saw.

Rendered people are set into street frames, hidden as a run hides them, and looked for by YOLOX,
which took no part in the training. A method that keeps the outline is often found by it: a gray
silhouette is a person to a network. So boxes are hidden too, which have no outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros import factory
from anon_ros.attacks.clothes import Clothes
from anon_ros.attacks.interface import Picture
from anon_ros.attacks.intervals import wilson
from anon_ros.attacks.render import hide, hole_of
from anon_ros.bench.gan_faces import METHODS, kernel_distance
from anon_ros.core.boxes import iou
from anon_ros.core.masks import mask_to_box
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.core.settings import Settings
from anon_ros.detection.yolox import Yolox
from anon_ros.training.body_composites import Composites, load_frames, load_sprites

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array
    from anon_ros.models.store import ModelStore

PEOPLE, LEARNT = 120, 240
FRAME_WH = (960, 540)
HEIGHTS_PX = (100.0, 288.0)
YOLOX_DEFAULT = 0.3
"""The least score of YOLOX's demonstration."""
LONGEST_PX = (416, 768)
"""The longer side of what YOLOX sees: what nano was trained at, and what a run searches at."""
LEAST_IOU = 0.5
REGIONS = ('silhouette', 'box')
DIVERSE = 24


@dataclass(frozen=True, eq=False)
class Person:
    """image_bgr: (h, w, 3). mask: the silhouette. keypoints: (17, 3) px, 1 where known."""

    image_bgr: UInt8Array
    mask: Mask
    keypoints: Float32Array

    @property
    def box_xyxy(self) -> Float32Array:
        """The box, (4,) px."""
        return mask_to_box(self.mask)

    def regions(self, kind: str, track: int) -> Regions:
        """Return the person as a detector finds them: the silhouette, or the whole box."""
        mask = self.mask if kind == 'silhouette' else Mask(
            np.ones_like(self.mask.inside), self.mask.x, self.mask.y)
        return Regions.of(
            self.box_xyxy[None], Kind.BODY, masks=(mask,), keypoints=self.keypoints[None],
        ).with_tracks(np.array([track]))


def held_out_people(data_dir: Path, count: int = PEOPLE) -> list[Person]:
    """Return people whom the training leaves out, in frames that it has not seen."""
    return _people(
        data_dir / 'people_synthetic', data_dir / 'plates/valid', count, is_held_out=True)


def _people(people: Path, frames: Path, count: int, *, is_held_out: bool) -> list[Person]:
    streets = [
        np.asarray(cv2.resize(frame, FRAME_WH, interpolation=cv2.INTER_AREA), np.uint8)
        for frame in load_frames(frames)]
    source = Composites(load_sprites(people, is_held_out=is_held_out), streets)
    found = []
    for number in range(count):
        image, mask, joints = source.scene(np.random.default_rng((9, number)), HEIGHTS_PX)
        joints[:, 2] = joints[:, 2] > 0
        found.append(Person(np.ascontiguousarray(image[..., ::-1]), mask, joints))
    return found


def anonymizer_of(method: str, key: int = 1) -> FrameAnonymizer | None:
    """Return what a run with that method uses; None leaves people as they are."""
    if method == 'untouched':
        return None
    return factory.build_anonymizer(Settings(target=('body',), method=(method,), seed=key))


def hidden_person(
    anonymizer: FrameAnonymizer | None, person: Person, kind: str, track: int
) -> UInt8Array:
    """Return the frame as a run writes it."""
    if anonymizer is None:
        return person.image_bgr
    return hide(anonymizer, person.image_bgr, person.regions(kind, track))


def measure_people(data_dir: Path, store: ModelStore) -> list[dict[str, object]]:
    """Return, by what is hidden and how, the share of people whom YOLOX-nano still finds."""
    network, people = Yolox.load(store.path('yolox-nano'), 'cpu'), held_out_people(data_dir)
    rows = []
    for kind in REGIONS:
        for method in METHODS:
            anonymizer = anonymizer_of(method)
            shown = [
                hidden_person(anonymizer, person, kind, i) for i, person in enumerate(people)]
            rows.append({
                'hidden': kind, 'method': method, 'people': len(people),
                **{f'YOLOX-nano at {px} px': _share(network, people, shown, px)
                   for px in LONGEST_PX}})
    return rows


def measure_looks(data_dir: Path) -> list[dict[str, object]]:
    """
    Return, by method, how far people are from true ones in their colours.

    kernel distance: 1,000 times the squared maximum mean discrepancy against people of the
    training, polynomial kernel of degree 3, on colour histograms of three stripes of the box; no
    FID and no KID. to the original: median distance of these.
    pixels: mean absolute difference in the hole, of 255, of two latents.
    """
    people = held_out_people(data_dir)
    reference = _describe(_people(
        data_dir / 'people_synthetic', data_dir / 'plates/train', LEARNT, is_held_out=False))
    original = _describe(people)
    rows: list[dict[str, object]] = []
    for method in METHODS:
        anonymizer = anonymizer_of(method)
        shown = _describe(people, [
            hidden_person(anonymizer, person, 'silhouette', i) for i, person in enumerate(people)])
        distances = np.linalg.norm(shown - original, axis=1)
        rows.append({
            'method': method,
            'kernel distance': round(1000 * kernel_distance(shown, reference), 2),
            'to the original': round(float(np.median(distances)), 3),
            'pixels': _diversity(anonymizer, people[:DIVERSE])})
    return rows


def _describe(people: Sequence[Person], shown: Sequence[UInt8Array] | None = None) -> Float32Array:
    images = [person.image_bgr for person in people] if shown is None else shown
    nothing = np.zeros(images[0].shape[:2], bool)
    return Clothes().describe([
        Picture(image, person.box_xyxy, nothing)
        for image, person in zip(images, people, strict=True)])


def _diversity(anonymizer: FrameAnonymizer | None, people: Sequence[Person]) -> float:
    if anonymizer is None:
        return 0.0
    changes = []
    for number, person in enumerate(people):
        first = hidden_person(anonymizer, person, 'silhouette', 2 * number)
        second = hidden_person(anonymizer, person, 'silhouette', 2 * number + 1)
        change = np.abs(first.astype(int) - second)[_hole(anonymizer, person)]
        changes.append(change.mean())
    return round(float(np.mean(changes)), 1)


def _hole(anonymizer: FrameAnonymizer, person: Person) -> BoolArray:
    size_wh = (person.image_bgr.shape[1], person.image_bgr.shape[0])
    return hole_of(anonymizer, person.regions('silhouette', 0), size_wh)


def _share(
    network: Yolox, people: Sequence[Person], shown: Sequence[UInt8Array], longest_px: int
) -> str:
    found = sum(
        is_found(network, image, person.box_xyxy, longest_px)
        for image, person in zip(shown, people, strict=True))
    share = wilson(found, len(people))
    return f'{share.value:.3f} ({share.low:.2f}-{share.high:.2f})'


def is_found(
    network: Yolox, image_bgr: UInt8Array, box_xyxy: Float32Array, longest_px: int
) -> bool:
    """Return whether YOLOX finds a person at that place."""
    boxes, _ = network.candidates(image_bgr, YOLOX_DEFAULT, longest_px)
    return bool(len(boxes)) and bool(iou(boxes, box_xyxy[None]).max() >= LEAST_IOU)
