# SPDX-License-Identifier: Apache-2.0
"""
What a body generator is told of the person to draw: silhouette, keypoints and limbs as maps.

The 25 maps of TriA-GAN (arXiv 2211.09454 and its release): the silhouette and its inverse, a map
per keypoint with one pixel set, and a map per class of limb with lines of 1 px between keypoints.
None of them holds a pixel of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from anon_ros.core.regions import BoolArray, Float32Array, IntArray, UInt8Array

LEAST_SCORE = 0.3
"""Below it a keypoint counts as unseen."""
KEYPOINTS = 17
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""Which keypoint becomes which when the image is mirrored."""
LIMB_CLASSES = ('head', 'left arm', 'right arm', 'torso', 'left leg', 'right leg')
POSE_MAPS = 2 + KEYPOINTS + len(LIMB_CLASSES)

_HEAD, _LEFT_ARM, _RIGHT_ARM, _TORSO, _LEFT_LEG, _RIGHT_LEG = range(1, 7)
_NOSE, _LEFT_EYE, _RIGHT_EYE, _LEFT_EAR, _RIGHT_EAR = range(5)
_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_ELBOW, _RIGHT_ELBOW = range(5, 9)
_LEFT_WRIST, _RIGHT_WRIST = 9, 10
_LEFT_HIP, _RIGHT_HIP, _LEFT_KNEE, _RIGHT_KNEE, _LEFT_ANKLE, _RIGHT_ANKLE = range(11, 17)
_NECK, _MID_HIP, _BETWEEN_EYES = range(17, 20)
_LIMBS = (
    (_NOSE, _LEFT_EYE, _HEAD), (_NOSE, _RIGHT_EYE, _HEAD), (_NOSE, _NECK, _HEAD),
    (_LEFT_EYE, _RIGHT_EYE, _HEAD), (_LEFT_EYE, _LEFT_EAR, _HEAD), (_RIGHT_EYE, _RIGHT_EAR, _HEAD),
    (_LEFT_SHOULDER, _RIGHT_SHOULDER, _TORSO), (_LEFT_SHOULDER, _LEFT_ELBOW, _LEFT_ARM),
    (_LEFT_SHOULDER, _LEFT_HIP, _TORSO), (_RIGHT_SHOULDER, _RIGHT_ELBOW, _RIGHT_ARM),
    (_RIGHT_SHOULDER, _RIGHT_HIP, _TORSO), (_LEFT_ELBOW, _LEFT_WRIST, _LEFT_ARM),
    (_RIGHT_ELBOW, _RIGHT_WRIST, _RIGHT_ARM), (_LEFT_HIP, _RIGHT_HIP, _TORSO),
    (_LEFT_HIP, _LEFT_KNEE, _LEFT_LEG), (_RIGHT_HIP, _RIGHT_KNEE, _RIGHT_LEG),
    (_LEFT_KNEE, _LEFT_ANKLE, _LEFT_LEG), (_RIGHT_KNEE, _RIGHT_ANKLE, _RIGHT_LEG),
    (_NECK, _MID_HIP, _TORSO), (_NECK, _NOSE, _HEAD), (_NECK, _BETWEEN_EYES, _HEAD),
)
"""From, to and class, in the order of drawing: the later line stays where two cross."""
_FARTHEST = 8.0
"""Sizes of the crop; a keypoint that lies farther outside is drawn at this distance."""


def keypoints_in_crops(
    keypoints: Float32Array, crops_xyxy: Float32Array, least_score: float = LEAST_SCORE
) -> Float32Array:
    """
    Return the keypoints as the generators take them.

    keypoints: (n, 17, 3), x and y in px of the image and a score, NaN where unknown.
    crops_xyxy: (n, 4), what each crop shows of the image, in px.
    Returns (n, 17, 3) float32: x and y as shares of the crop, and 1 where seen, else 0; a
    keypoint of an unknown place is at 0, 0 and unseen.
    """
    corner, opposite = crops_xyxy[:, None, :2], crops_xyxy[:, None, 2:]
    places = (keypoints[..., :2] - corner) / np.maximum(opposite - corner, 1e-6)
    is_known = np.isfinite(places).all(axis=2)
    is_seen = is_known & (keypoints[..., 2] >= least_score)
    return np.concatenate(
        [np.where(is_known[..., None], places, 0), is_seen[..., None]], axis=2, dtype=np.float32)


def limb_map(keypoints: Float32Array, size_hw: tuple[int, int]) -> UInt8Array:
    """
    Return (n, h, w) uint8: the class of the limb at each pixel, 1..6 as in LIMB_CLASSES, 0 none.

    keypoints: (n, 17, 3) as keypoints_in_crops returns them. Between the shoulders comes a neck,
    between the hips their middle; a head whose nose is unseen hangs on the middle of its eyes.
    """
    maps = np.zeros((len(keypoints), *size_hw), np.uint8)
    for one, joints in zip(maps, keypoints, strict=True):
        places, is_seen = _with_added(joints.astype(np.float64))
        pixels_xy = np.rint(places * (size_hw[1], size_hw[0])).astype(np.int64)
        for start, end, limb in _LIMBS:
            if is_seen[start] and is_seen[end]:
                _draw_line(one, pixels_xy[start], pixels_xy[end], limb)
    return maps


def _with_added(joints: Float32Array) -> tuple[Float32Array, BoolArray]:
    """Return (20, 2) places and whether each is seen: 17 keypoints, neck, mid-hip, mid-eyes."""
    places = np.nan_to_num(joints[:, :2], nan=0, posinf=_FARTHEST, neginf=-_FARTHEST)
    places = places.clip(-_FARTHEST, _FARTHEST)
    is_seen = (joints[:, 2] > 0) & np.isfinite(joints).all(axis=1)
    has_neck = is_seen[_LEFT_SHOULDER] & is_seen[_RIGHT_SHOULDER]
    # Even unseen eyes are where the head is, as long as they were guessed within the crop.
    eyes = joints[[_LEFT_EYE, _RIGHT_EYE], :2]
    has_eyes = bool(((eyes > 0) & (eyes < 1)).all())
    added = [(places[a] + places[b]) / 2 for a, b in (
        (_LEFT_SHOULDER, _RIGHT_SHOULDER), (_LEFT_HIP, _RIGHT_HIP), (_LEFT_EYE, _RIGHT_EYE))]
    is_added = (
        has_neck, is_seen[_LEFT_HIP] & is_seen[_RIGHT_HIP], has_eyes and not is_seen[_NOSE])
    return np.concatenate([places, added]), np.concatenate([is_seen, is_added])


def _draw_line(canvas: UInt8Array, start_xy: IntArray, end_xy: IntArray, value: int) -> None:
    """Draw a line of 1 px, both ends included, as Bresenham does; what is outside is left out."""
    extent = np.abs(end_xy - start_xy)
    steps = int(extent.max())
    along = np.arange(steps + 1)[:, None]
    # In whole numbers, so that halves round away from the start on every machine.
    moved = (2 * along * extent + steps) // max(2 * steps, 1)
    columns, rows = (start_xy + np.sign(end_xy - start_xy) * moved).T
    height, width = canvas.shape
    is_inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    canvas[rows[is_inside], columns[is_inside]] = value


def keypoint_maps(keypoints: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """
    Return (n, 17, h, w) float32: 1 at the pixel of each seen keypoint, else 0.

    keypoints: (n, 17, 3) as keypoints_in_crops returns them; those outside count at the edge.
    """
    height, width = size_hw
    is_seen = (keypoints[..., 2].round() > 0) & keypoints.isfinite().all(dim=2)
    places = keypoints[..., :2].float().nan_to_num()
    columns = (places[..., 0] * width).round().clamp(0, width - 1).long()
    rows = (places[..., 1] * height).round().clamp(0, height - 1).long()
    maps = torch.zeros((*keypoints.shape[:2], height * width), device=keypoints.device)
    maps.scatter_(2, (rows * width + columns)[..., None], is_seen[..., None].float())
    return maps.reshape(*keypoints.shape[:2], height, width)


def limb_maps(joint_map: Tensor) -> Tensor:
    """Return (n, 6, h, w) float32, 1 where a limb of the class is, of (n, 1, h, w) classes."""
    classes = torch.arange(1, 1 + len(LIMB_CLASSES), device=joint_map.device)
    return (joint_map == classes[:, None, None]).float()


def pose_maps(segmentation: Tensor, keypoints: Tensor, joint_map: Tensor) -> Tensor:
    """
    Return the (n, 25, h, w) float32 maps of a pose.

    segmentation: (n, 1, h, w), 1 where the person is. keypoints: (n, 17, 3) as
    keypoints_in_crops returns them. joint_map: (n, 1, h, w) as limb_map draws it.
    """
    size_hw = (segmentation.shape[2], segmentation.shape[3])
    silhouette = segmentation.float()
    return torch.cat([
        silhouette, 1 - silhouette, keypoint_maps(keypoints, size_hw), limb_maps(joint_map),
    ], dim=1)
