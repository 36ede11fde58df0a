# SPDX-License-Identifier: Apache-2.0
"""Annotated street frames: what the plate network learns from and is measured on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.core.boxes import grow, intersections
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.regions import Float32Array, UInt8Array

OVERLOOKED = Path(__file__).with_name('overlooked_plates.json')
"""Plates that the data set's annotations leave out, and places that are hard to tell, by file."""
BLOCK_FRAMES = 6
BLOCKS = 6


@dataclass(frozen=True)
class PlateFrame:
    """
    One annotated frame.

    image_bgr: (h, w, 3) uint8. plates_xyxy: (N, 4) px.
    ignored_xyxy: (M, 4) px, what may be a plate and may be none: no ground for any loss.
    mistaken_xyxy: (K, 4) px, what a network took for a plate though it is none.
    is_night: whether it was taken in the dark.
    """

    name: str
    image_bgr: UInt8Array
    plates_xyxy: Float32Array
    ignored_xyxy: Float32Array
    is_night: bool
    mistaken_xyxy: Float32Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))


def load_plate_frames(data_dir: Path, split: str) -> list[PlateFrame]:
    """
    Return the frames of data_dir/SPLIT.json, images from data_dir/SPLIT/, in the file's order.

    The JSON is a list of objects with `file` and `plates_xyxy`; a file name that starts with
    `night` was taken in the dark.
    Raises InputError that names the file that is missing or damaged.
    """
    path = data_dir / f'{split}.json'
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
        return [_load(data_dir / split, entry) for entry in entries]
    except OSError as error:
        raise InputError(f'{path}: {error.strerror}; it lists the frames and plates') from error
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f'{path}: no list of frames with file and plates_xyxy') from error


def _load(folder: Path, entry: dict[str, Any]) -> PlateFrame:
    name = str(entry['file'])
    boxes = np.asarray(entry['plates_xyxy'], np.float32).reshape(-1, 4)
    image = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f'{folder / name}: no image that can be read')
    nothing = np.zeros((0, 4), np.float32)
    return PlateFrame(name, np.asarray(image, np.uint8), boxes, nothing, name.startswith('night'))


def with_mistakes(frame: PlateFrame, found_xyxy: Float32Array) -> PlateFrame:
    """
    Return the frame with what a network found beside plates and ignored places as mistaken.

    found_xyxy: (N, 4) px.
    """
    known = np.concatenate([frame.plates_xyxy, frame.ignored_xyxy])
    is_mistaken = ~intersections(grow(found_xyxy, 0.1), known).any(axis=1)
    return replace(frame, mistaken_xyxy=found_xyxy[is_mistaken])


def with_overlooked(frames: Sequence[PlateFrame]) -> list[PlateFrame]:
    """Return the frames with the plates and doubtful places of OVERLOOKED, by file name."""
    known = json.loads(OVERLOOKED.read_text(encoding='utf-8'))
    return [_add(frame, known.get(frame.name, {})) for frame in frames]


def _add(frame: PlateFrame, more: dict[str, Any]) -> PlateFrame:
    plates = np.array(more.get('plates_xyxy', []), np.float32).reshape(-1, 4)
    ignored = np.array(more.get('ignored_xyxy', []), np.float32).reshape(-1, 4)
    return replace(
        frame, plates_xyxy=np.concatenate([frame.plates_xyxy, plates]),
        ignored_xyxy=np.concatenate([frame.ignored_xyxy, ignored]),
    )


def hold_out(
    frames: Sequence[PlateFrame],
) -> tuple[list[PlateFrame], list[PlateFrame]]:
    """
    Return frames to learn from, and a sixth of them to choose by.

    Held out are blocks of neighbours, because the next frame shows the same car.
    """
    is_held = [(index // BLOCK_FRAMES) % BLOCKS == BLOCKS - 1 for index in range(len(frames))]
    return (
        [frame for frame, held in zip(frames, is_held, strict=True) if not held],
        [frame for frame, held in zip(frames, is_held, strict=True) if held],
    )
