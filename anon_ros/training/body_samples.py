# SPDX-License-Identifier: Apache-2.0
"""
What the body generator learns from: crops of people, a hole where the person is, and the pose.

A hole is what a detector of people leaves: a silhouette that is grown a little, the coarse cells
of a small network, or a whole box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from anon_ros.core import masks
from anon_ros.gan.conditions import MIRRORED, limb_map, pose_maps
from anon_ros.training.gan_samples import HoleSample

if TYPE_CHECKING:
    from anon_ros.core.regions import BoolArray, Float32Array, UInt8Array

BODY_SIZE_HW = (80, 48)
HOLES = ('silhouette', 'cells', 'box')
HOLE_SHARES = (0.5, 0.25, 0.25)
_CELL_PX = 4
_KEYPOINT_ERROR = 0.008


@dataclass(frozen=True)
class BodyCrop:
    """
    One person and what surrounds them.

    image_rgb: (h, w, 3) uint8. silhouette: (h, w) bool. keypoints: (17, 3) float32: x, y as
    shares of the crop, and 0 unlabelled, 1 hidden, 2 visible.
    """

    image_rgb: UInt8Array
    silhouette: BoolArray
    keypoints: Float32Array


class BodySource(Protocol):
    """Where crops come from."""

    def draw(self, random: np.random.Generator) -> BodyCrop:
        """Return a crop; the same for the same state of the generator."""


class BodySampleMaker:
    """Makes samples of the crops of a source: a seed, a step and a number give always the same."""

    def __init__(self, source: BodySource, seed: int = 0) -> None:
        self._source, self._seed = source, seed

    def make(self, step: int, number: int) -> HoleSample:
        """Return a sample."""
        random = np.random.default_rng((self._seed, step, number))
        crop = self._source.draw(random)
        return to_sample(mirrored(crop) if random.random() < 0.5 else crop, random)


def mirrored(crop: BodyCrop) -> BodyCrop:
    """Return the crop seen in a mirror, where a left arm is a right one."""
    keypoints = crop.keypoints[list(MIRRORED)]
    keypoints[:, 0] = 1 - keypoints[:, 0]
    return BodyCrop(
        np.ascontiguousarray(crop.image_rgb[:, ::-1]),
        np.ascontiguousarray(crop.silhouette[:, ::-1]), keypoints)


def to_sample(crop: BodyCrop, random: np.random.Generator) -> HoleSample:
    """Return a sample of a crop, its hole, errors and light drawn at random."""
    kind = HOLES[int(random.choice(len(HOLES), p=HOLE_SHARES))]
    silhouette, hole = make_hole(crop.silhouette, kind, random)
    keypoints = with_errors(crop.keypoints, random)
    return HoleSample(
        relit(crop.image_rgb, random), ~hole, maps_of(silhouette, keypoints))


def maps_of(silhouette: BoolArray, keypoints: Float32Array) -> Float32Array:
    """Return (POSE_MAPS, h, w): what the generator is told of a person."""
    limbs = limb_map(keypoints[None], (silhouette.shape[0], silhouette.shape[1]))
    maps = pose_maps(
        torch.from_numpy(silhouette)[None, None], torch.from_numpy(keypoints)[None],
        torch.from_numpy(limbs)[:, None])
    return np.asarray(maps[0].numpy(), np.float32)


def relit(image_rgb: UInt8Array, random: np.random.Generator) -> UInt8Array:
    """Return the image in a slightly other light."""
    gain = np.exp(random.normal(0, 0.12) + random.normal(0, 0.03, 3))
    curve = np.arange(256)[:, None] * gain
    table = np.clip(curve, 0, 255).astype(np.uint8)
    return np.stack([table[:, c][image_rgb[..., c]] for c in range(3)], axis=-1)


def make_hole(
    silhouette: BoolArray, kind: str, random: np.random.Generator
) -> tuple[BoolArray, BoolArray]:
    """
    Return the outline (h, w) that a detector finds, and the hole (h, w), which holds it.

    kind: one of HOLES. Both hold every pixel of the person and one around it.
    """
    if kind == 'silhouette':
        found = silhouette
    elif kind == 'cells':
        found = _in_cells(silhouette, random)
    else:
        found = _boxed(silhouette, random)
    return found, masks.dilate(found, int(random.integers(2, 4)))


def _in_cells(silhouette: BoolArray, random: np.random.Generator) -> BoolArray:
    """Return all cells that hold a pixel of it, their grid shifted at random."""
    height, width = silhouette.shape
    shift_y, shift_x = (int(value) for value in random.integers(0, _CELL_PX, 2))
    rows, columns = (height + shift_y) // _CELL_PX + 1, (width + shift_x) // _CELL_PX + 1
    grid = np.zeros((rows * _CELL_PX, columns * _CELL_PX), bool)
    grid[shift_y:shift_y + height, shift_x:shift_x + width] = silhouette
    cells = grid.reshape(rows, _CELL_PX, columns, _CELL_PX).any(axis=(1, 3))
    whole = cells.repeat(_CELL_PX, 0).repeat(_CELL_PX, 1)
    return np.asarray(whole[shift_y:shift_y + height, shift_x:shift_x + width])


def _boxed(silhouette: BoolArray, random: np.random.Generator) -> BoolArray:
    rect = masks.bounds(silhouette)
    left, top, right, bottom = np.rint(
        random.uniform(0, 0.06, 4) * ((rect.width, rect.height) * 2)).astype(int)
    found = np.zeros_like(silhouette)
    found[max(0, rect.y_min - top):rect.y_max + bottom,
          max(0, rect.x_min - left):rect.x_max + right] = True
    return found


def with_errors(keypoints: Float32Array, random: np.random.Generator) -> Float32Array:
    """Return the keypoints as a detector finds them: a little beside, hidden ones often not."""
    found = keypoints.copy()
    found[:, 2] = keypoints[:, 2] > 0
    found[:, :2] += random.normal(0, _KEYPOINT_ERROR, (len(found), 2)) * (1.6, 1.0)
    missed = random.random(len(found))
    careless = random.random() < 0.3
    is_lost = (missed < np.where(keypoints[:, 2] == 1, 0.3, 0.1 if careless else 0))
    found[is_lost | (found[:, 2] == 0)] = 0
    return found
