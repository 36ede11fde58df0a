# SPDX-License-Identifier: Apache-2.0
"""Training crops: a piece of a street frame, warped, with plates put on it, and its boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from anon_ros.core.boxes import areas, clip, intersections
from anon_ros.training.plate_augmentation import Lens, disturb, recolour
from anon_ros.training.plate_backgrounds import draw_background
from anon_ros.training.plate_drawing import draw_distractor, draw_plate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.training.plate_frames import PlateFrame

T = TypeVar('T')

CROP_PX = 384
HEIGHTS_PX = (8.0, 95.0)
LEAST_HEIGHT_PX = 7.0
LEAST_VISIBLE = 0.3
DRAWN_PLATES = 400
DISTRACTORS = 100
LENSES = 12
BACKGROUNDS = 150
DARKEST = 6.0
"""Nothing is pasted where all is black: nobody could see it."""
BRIGHTEST = 200.0
PLATE_SHARE = 0.75
MISTAKEN_SHARE = 0.3
BACKGROUND_SHARE = 0.15


@dataclass(frozen=True)
class Sample:
    """A crop (CROP_PX, CROP_PX, 3) BGR, its plates (N, 4) and what counts as neither (M, 4)."""

    image_bgr: UInt8Array
    plates_xyxy: Float32Array
    ignored_xyxy: Float32Array


class SampleMaker:
    """
    Makes samples; the n-th sample of a step depends on nothing but seed, step and n.

    frames: at least one. Drawn plates, distractors and lenses are made once, from the seed.
    """

    def __init__(self, frames: Sequence[PlateFrame], seed: int) -> None:
        rng = np.random.default_rng((seed, 0, 0))
        self._seed = seed
        self._frames = list(frames)
        self._drawn = [draw_plate(rng) for _ in range(DRAWN_PLATES)]
        self._distractors = [draw_distractor(rng) for _ in range(DISTRACTORS)]
        self._backgrounds = [draw_background(CROP_PX, rng) for _ in range(BACKGROUNDS)]
        self._real = [patch for frame in frames for patch in _patches(frame)] or self._drawn
        self._lenses = [_random_lens(rng) for _ in range(LENSES)]

    def make(self, step: int, number: int) -> Sample:
        """Return sample `number` of that step."""
        rng = np.random.default_rng((self._seed, 1 + step, number))
        if rng.random() < BACKGROUND_SHARE:
            image = _pick(self._backgrounds, rng).copy()
            corners = [np.zeros((0, 8, 2), np.float32)] * 2
        else:
            image, corners = _cut_out(_pick(self._frames, rng), rng)
        corners[0] = self._paste_some(image, corners, rng)
        corners = _sort_out(*corners)
        if rng.random() < 0.2:
            lens = _pick(self._lenses, rng)
            image = lens.apply(image)
            corners = [lens.move(points) for points in corners]
        plates, ignored = (clip(_bounds(points), (CROP_PX, CROP_PX)) for points in corners)
        is_large = plates[:, 3] - plates[:, 1] >= LEAST_HEIGHT_PX
        ignored = np.concatenate([ignored, plates[~is_large]])
        if rng.random() < 0.92:
            image = disturb(image, rng)
        return Sample(image, plates[is_large], ignored)

    def _paste_some(
        self, image: UInt8Array, corners: list[Float32Array], rng: np.random.Generator
    ) -> Float32Array:
        """Paste plates and distractors where nothing is; return all plates' outlines."""
        taken = np.concatenate([_bounds(points) for points in corners])
        plates = [corners[0]]
        todo = [(True, self._real)] * int(rng.integers(0, 2))
        todo += [(True, self._drawn)] * int(rng.integers(0, 3))
        todo += [(False, self._distractors)] * int(rng.integers(0, 3))
        for is_plate, pool in todo:
            patch = _pick(pool, rng)
            outline = _random_place(patch, rng)
            box = _bounds(outline)
            if intersections(box, taken).any() or _light_at(image, outline[0]).mean() < DARKEST:
                continue
            taken = np.concatenate([taken, box])
            _paste(image, patch, outline[0, ::2], rng)
            if is_plate:
                plates.append(outline)
        return np.concatenate(plates)


def _pick(pool: Sequence[T], rng: np.random.Generator) -> T:
    return pool[int(rng.integers(len(pool)))]


def _cut_out(
    frame: PlateFrame, rng: np.random.Generator
) -> tuple[UInt8Array, list[Float32Array]]:
    """Return a warped piece of the frame, and the outlines of plates and of ignored places."""
    warp = _random_warp(frame, rng)
    image = cv2.warpPerspective(
        frame.image_bgr, warp, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=rng.uniform(0, 120, 3).tolist(),
    )
    outlines = [_move(_outlines(boxes), warp) for boxes in (frame.plates_xyxy, frame.ignored_xyxy)]
    return np.asarray(image, np.uint8), outlines


def _patches(frame: PlateFrame) -> list[UInt8Array]:
    """Return the frame's plates as images, those of 14 px height or more."""
    boxes = np.rint(frame.plates_xyxy).astype(int)
    return [frame.image_bgr[y0:y1, x0:x1].copy() for x0, y0, x1, y1 in boxes.tolist()
            if y1 - y0 >= 14 and min(x0, y0) >= 0]


def _random_lens(rng: np.random.Generator) -> Lens:
    centre = rng.uniform(0.2, 0.8, 2) * CROP_PX
    return Lens(CROP_PX, float(rng.uniform(0.3, 1.5)), (float(centre[0]), float(centre[1])))


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _random_warp(frame: PlateFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the 3x3 homography from the frame to a crop, mostly to a plate or a mistake."""
    height, width = frame.image_bgr.shape[:2]
    anchor = rng.uniform(0.1, 0.9, 2) * (width, height)
    scale = _log_uniform(0.5, 2.2, rng)
    is_mistaken = len(frame.mistaken_xyxy) > 0 and rng.random() < MISTAKEN_SHARE
    boxes = frame.mistaken_xyxy if is_mistaken else frame.plates_xyxy
    if len(boxes) and (is_mistaken or rng.random() < PLATE_SHARE):
        box = boxes[int(rng.integers(len(boxes)))]
        anchor = (box[:2] + box[2:]) / 2
        scale = float(np.clip(_log_uniform(*HEIGHTS_PX, rng) / (box[3] - box[1]), 0.35, 3.5))
    target = np.clip(anchor / (width, height) + rng.normal(0, 0.2, 2), 0.1, 0.9) * CROP_PX
    angle = rng.normal(0, 0.08) if rng.random() < 0.8 else rng.uniform(-0.5, 0.5)
    stretch = np.exp(rng.normal(0, 0.12))
    mirror = -1.0 if rng.random() < 0.3 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[mirror * stretch, 0], [rng.normal(0, 0.06), 1 / stretch]])
    warp = np.eye(3)
    warp[:2, :2] = turn @ shear * scale
    warp[:2, 2] = -warp[:2, :2] @ anchor
    tilt = np.eye(3)
    tilt[2, :2] = rng.normal(0, 0.12, 2) / CROP_PX
    shift = np.array([[1, 0, target[0]], [0, 1, target[1]], [0, 0, 1]])
    return np.asarray(shift @ tilt @ warp, np.float64)


def _outlines(boxes_xyxy: Float32Array) -> Float32Array:
    """Return (N, 8, 2): corners and middles of the edges, clockwise from the upper left."""
    x0, y0, x1, y1 = boxes_xyxy.T
    xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
    points = [(x0, y0), (xm, y0), (x1, y0), (x1, ym), (x1, y1), (xm, y1), (x0, y1), (x0, ym)]
    return np.stack([np.stack(point, axis=-1) for point in points], axis=1)


def _move(points_xy: Float32Array, warp: NDArray[np.float64]) -> Float32Array:
    if not len(points_xy):
        return points_xy
    flat = points_xy.reshape(-1, 1, 2).astype(np.float64)
    return np.asarray(cv2.perspectiveTransform(flat, warp), np.float32).reshape(points_xy.shape)


def _bounds(points_xy: Float32Array) -> Float32Array:
    """Return (N, 4) upright boxes around (N, 8, 2) points."""
    return np.concatenate([points_xy.min(axis=1), points_xy.max(axis=1)], axis=1)


def _sort_out(plates_xy: Float32Array, ignored_xy: Float32Array) -> list[Float32Array]:
    """Return the outlines' parts inside the crop: of plates well visible, and of all the rest."""
    outlines = np.concatenate([plates_xy, ignored_xy])
    boxes = _bounds(outlines)
    share = areas(clip(boxes, (CROP_PX, CROP_PX))) / np.maximum(areas(boxes), 1e-6)
    is_plate = (share >= LEAST_VISIBLE) & (np.arange(len(outlines)) < len(plates_xy))
    inside = np.clip(outlines, 0, CROP_PX)
    return [inside[is_plate], inside[~is_plate & (share > 0)]]


def _random_place(patch: UInt8Array, rng: np.random.Generator) -> Float32Array:
    """Return the outline (1, 8, 2) of the patch at a random place, size and view."""
    height, width = patch.shape[:2]
    height_px = _log_uniform(HEIGHTS_PX[0], 60.0, rng)
    width_px = height_px * width / height * np.exp(rng.normal(0, 0.1))
    outline = _outlines(np.array([[-0.5, -0.5, 0.5, 0.5]], np.float32))[0]
    outline = outline * (width_px, height_px)
    angle = rng.normal(0, 0.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    outline = outline @ turn.T
    outline[:, 1] += outline[:, 0] * rng.normal(0, 0.08)
    outline = outline * (1 + outline[:, :1] / width_px * rng.normal(0, 0.1))
    place = rng.uniform(0.05, 0.95, 2) * CROP_PX
    return np.asarray(outline + place, np.float32)[None]


def _paste(
    image: UInt8Array, patch: UInt8Array, corners_xy: Float32Array, rng: np.random.Generator
) -> None:
    """Draw the patch between four corners, in the light of the place, with soft edges."""
    patch = _light_like(patch, _light_at(image, corners_xy), rng)
    lower = np.maximum(np.floor(corners_xy.min(axis=0)).astype(int) - 2, 0)
    upper = np.minimum(np.ceil(corners_xy.max(axis=0)).astype(int) + 3, CROP_PX)
    if (upper - lower).min() <= 0:
        return
    width, height = (int(value) for value in upper - lower)
    if rng.random() < 0.5:
        surround = (corners_xy - corners_xy.mean(axis=0)) * rng.uniform(1.1, 1.5)
        polygon = np.rint(surround + corners_xy.mean(axis=0)).astype(np.int32)
        colour = (rng.uniform(0, 1, 3) * image.mean(axis=(0, 1))).tolist()
        cv2.fillConvexPoly(image, polygon, colour, cv2.LINE_AA)
    patch_h, patch_w = patch.shape[:2]
    step = max(1.0, patch_h / max(float(corners_xy[2, 1] - corners_xy[1, 1]), 4.0))
    if step > 1.5:
        patch = np.asarray(cv2.resize(
            patch, (max(4, int(patch_w / step)), max(4, int(patch_h / step))),
            interpolation=cv2.INTER_AREA), np.uint8)
        patch_h, patch_w = patch.shape[:2]
    source = np.array([[0, 0], [patch_w, 0], [patch_w, patch_h], [0, patch_h]], np.float32)
    warp = cv2.getPerspectiveTransform(source, (corners_xy - lower).astype(np.float32))
    drawn = cv2.warpPerspective(patch, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(np.ones((patch_h, patch_w), np.float32), warp, (width, height))
    inside = image[lower[1]:upper[1], lower[0]:upper[0]]
    inside[:] = inside + alpha[..., None] * (drawn.astype(np.float32) - inside)


def _light_at(image: UInt8Array, points_xy: Float32Array) -> Float32Array:
    """Return the mean colour (3,) around the middle of some points."""
    x, y = np.clip(np.rint(points_xy.mean(axis=0)), 0, CROP_PX - 1).astype(int)
    around = image[max(y - 20, 0):y + 20, max(x - 40, 0):x + 40]
    return np.asarray(around.mean(axis=(0, 1)), np.float32)


def _light_like(
    patch: UInt8Array, light: Float32Array, rng: np.random.Generator
) -> UInt8Array:
    """Return the patch recoloured, about as bright as the place or up to four times brighter."""
    goal = np.minimum((light + 12) * _log_uniform(1.2, 4.0, rng), BRIGHTEST)
    factor = goal / (patch.reshape(-1, 3).mean(axis=0) + 12)
    tint = factor.mean() ** 0.4 * factor ** 0.6
    lit = np.clip(patch * np.minimum(tint, 3.0), 0, 255).astype(np.uint8)
    return recolour(lit, rng) if rng.random() < 0.3 else lit
