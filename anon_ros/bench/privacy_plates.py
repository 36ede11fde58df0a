# SPDX-License-Identifier: Apache-2.0
"""Plates that can be read in the clear: what is read afterwards, once and along a track."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.attacks.interface import Identity, Look
from anon_ros.attacks.plate_candidates import PlateCandidates
from anon_ros.attacks.plate_reader import PlateReader
from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.reidentification import Reidentification
from anon_ros.bench.privacy_methods import RUN_KEY, Ours, others, untouched
from anon_ros.bench.privacy_rows import plain
from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Kind
from anon_ros.core.settings import CLASSIC_METHODS, Settings
from anon_ros.training.plate_frames import load_plate_frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anon_ros.attacks.interface import Hiding
    from anon_ros.core.regions import Float32Array, UInt8Array

OURS = CLASSIC_METHODS
METHODS = (
    'none', *OURS, 'deface', 'autoware blur', 'mosaic of 8 cells', 'mosaic of 16 cells',
)
FRAMES = 30
MOVE_PX = 0.7
QUALITIES = (60, 95)
_AROUND = 1.0
_ATTACKER = 9 * RUN_KEY


def measure_plates(
    data_dir: Path, *, frames: int = FRAMES, split: str = 'valid', workers: int = 2
) -> list[dict[str, object]]:
    """
    Return what is read of data_dir/plates: one frame, and the average of moved, compressed copies.

    Raises InputError where the data are not there, ModelError without the extra `attack`.
    """
    plates = [
        (f'{frame.name} {i}', *_part(frame.image_bgr, box))
        for frame in load_plate_frames(data_dir / 'plates', split)
        for i, box in enumerate(frame.plates_xyxy)
    ]
    with ProcessPoolExecutor(workers) as pool:
        measure = partial(_measure, plates, frames)
        return [each for rows in pool.map(measure, METHODS) for each in rows]


def _measure(
    plates: Sequence[tuple[str, UInt8Array, Float32Array]], frames: int, name: str
) -> list[dict[str, object]]:
    """Measure a method; in a process of its own."""
    cv2.setNumThreads(1)
    method = method_of(name)
    identities = [
        Identity(plate, Kind.PLATE, tuple(_looks(image, box, method, number, frames)))
        for number, (plate, image, box) in enumerate(plates)
    ]
    attackers = (
        PlateReader(name), Reidentification(RegionPixels(Kind.PLATE), name),
        PlateCandidates(_of_another_run(method), name),
    )
    return [plain(each) for attacker in attackers for each in attacker.attack(identities)]


def _of_another_run(method: Hiding) -> Hiding:
    """Return the method with the keys of an attacker's own run."""
    return lambda image_bgr, box_xyxy, key: method(image_bgr, box_xyxy, _ATTACKER + key)


def method_of(name: str) -> Hiding:
    """Return what hides a plate, by its name in METHODS."""
    if name == 'none':
        return untouched
    return Ours(Settings(method=(name,)), Kind.PLATE) if name in OURS else others()[name]


def _looks(
    image_bgr: UInt8Array, box_xyxy: Float32Array, method: Hiding, number: int, frames: int
) -> list[Look]:
    """Return looks at two tracks of one plate, the second under another key."""
    random = np.random.default_rng(number)
    looks = []
    for i in range(2 * frames):
        moved, box = _moved(image_bgr, box_xyxy, random)
        key = (1 + i // frames) * RUN_KEY + number
        hidden, hole = method(moved, box, key)
        looks.append(Look(moved, hidden, box, hole))
    return looks


def _moved(
    image_bgr: UInt8Array, box_xyxy: Float32Array, random: np.random.Generator
) -> tuple[UInt8Array, Float32Array]:
    """Return the plate a part of a pixel further on, compressed like another frame."""
    shift = random.normal(0, MOVE_PX, 2)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size_wh = (image_bgr.shape[1], image_bgr.shape[0])
    moved = cv2.warpAffine(
        image_bgr, matrix, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    quality = int(random.integers(QUALITIES[0], QUALITIES[1] + 1))
    encoded = cv2.imencode('.jpg', moved, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return decoded, (box_xyxy + np.tile(shift, 2)).astype(np.float32)


def _part(image_bgr: UInt8Array, box_xyxy: Float32Array) -> tuple[UInt8Array, Float32Array]:
    height, width = image_bgr.shape[:2]
    around = round(_AROUND * float(box_xyxy[3] - box_xyxy[1]))
    rect = Rect(*(round(float(value)) for value in box_xyxy)).grow(around, around)
    rect = rect.intersect(Rect(0, 0, width, height))
    corner = np.array([rect.x_min, rect.y_min] * 2, np.float32)
    part = image_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    return np.ascontiguousarray(part), (box_xyxy - corner).astype(np.float32)


def plates_hold(rows: Sequence[Mapping[str, object]]) -> bool:
    """Return whether the default lets no plate be read."""
    return not any(
        row['value'] for row in rows
        if row['method'] == CLASSIC_METHODS[0] and row['measure'] == 'read'
    )
