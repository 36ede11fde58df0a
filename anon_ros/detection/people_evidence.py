# SPDX-License-Identifier: Apache-2.0
"""
Boxes and silhouettes of people put together, pixel by pixel.

A silhouette network and a box network err differently: distant people have boxes and hardly a
silhouette, people in a crowd or cut by the image's edge the other way round. So what speaks for a
person is added up, like the logarithms of odds: the lead of the person class at the pixel, and
how sure the best box around it is. Whatever passes the threshold is hidden, within a box or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from anon_ros.core import boxes, masks
from anon_ros.core.regions import Mask

if TYPE_CHECKING:
    from anon_ros.core.regions import BoolArray, Float32Array

# Fitted on street frames; the optimum is flat, so no figure is finer than it has to be.
LEAST_SCORE = 0.005
SURE_SCORE = 0.1
SCORE_WEIGHT = 1.5
SMALLNESS_WEIGHT = 1.3
SMALL_HEIGHT = 0.094
"""The height of a person of no special size, as a share of the image's longer side."""
SMALLNESS_RANGE = (-1.0, 1.0)
BOX_MARGIN = 0.1
BOX_MARGIN_PX = 1.0

PERSON_SCORE = 0.3
"""A box of less is evidence, and no person of its own."""
SAME_PERSON_IOU = 0.6
LEAST_COVER = 0.3
"""A silhouette that fills less of its box is not believed: the box is hidden whole."""
GAP_PX = 2
SPECK_PX = 6
SLIVER_SHARE = 0.25
"""What hangs on a person and is smaller than this share of him is a part of him."""
BOXLESS_TRUST = 0.45
"""Scores of silhouettes without a box stay below this: they are never beyond doubt."""


class Silhouette(NamedTuple):
    """One person, or a part of a person or of a group that no box holds; score in 0..1."""

    mask: Mask
    score: float


def gather(
    lead: Float32Array, boxes_xyxy: Float32Array, scores: Float32Array, threshold: float
) -> list[Silhouette]:
    """
    Return silhouettes that together cover every pixel whose evidence passes the threshold.

    lead: (h, w) logits of a person less the best other class. boxes_xyxy: (N, 4) in its pixels,
    many for one person; scores: (N,), 0..1. A person's box in which hardly anything passes is a
    silhouette as a whole. Specks of a few pixels, alone in the image, are noise.
    """
    grown = boxes.grow(boxes_xyxy, BOX_MARGIN, BOX_MARGIN_PX)
    support = box_evidence(boxes_xyxy, scores, max(lead.shape))
    seen = lead + painted(grown, support, lead.shape) > threshold
    seen = masks.without_specks(seen, SPECK_PX)
    is_person = scores >= PERSON_SCORE
    grown, scores = grown[is_person], scores[is_person]
    kept = boxes.non_maximum_suppression(grown, scores, SAME_PERSON_IOU)
    people, rest = _within_boxes(seen, grown[kept], scores[kept])
    parts = _attach(masks.components(rest), people)
    return people + [_boxless(part, lead) for part in parts]


def box_evidence(
    boxes_xyxy: Float32Array, scores: Float32Array, longest_px: int
) -> Float32Array:
    """
    Return (N,) what a box adds for the pixels in it, in logits, 0 or more.

    It grows with the score up to a sure one, and is larger for small people, whose silhouettes
    blur. longest_px: of the image's sides.
    """
    certain = np.log(np.clip(scores, LEAST_SCORE, SURE_SCORE) / LEAST_SCORE)
    heights = np.maximum(boxes_xyxy[:, 3] - boxes_xyxy[:, 1], 1) / longest_px
    small = np.clip(np.log(SMALL_HEIGHT / heights), *SMALLNESS_RANGE)
    total = SCORE_WEIGHT * certain + SMALLNESS_WEIGHT * small
    return np.asarray(np.maximum(total, 0), np.float32)


def painted(
    boxes_xyxy: Float32Array, values: Float32Array, shape: tuple[int, ...]
) -> Float32Array:
    """Return (h, w) the largest value of the boxes over each pixel, 0 where there is none."""
    height, width = shape
    canvas = np.zeros((height, width), np.float32)
    for rect, value in zip(boxes.to_rects(boxes_xyxy, (width, height)), values, strict=True):
        window = canvas[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
        np.maximum(window, value, out=window)
    return canvas


def _within_boxes(
    seen: BoolArray, boxes_xyxy: Float32Array, scores: Float32Array
) -> tuple[list[Silhouette], BoolArray]:
    """Return a silhouette for each box that has one, best first, and what no box holds."""
    height, width = seen.shape
    rest = seen.copy()
    people = []
    for rect, score in zip(
        boxes.to_rects(boxes_xyxy, (width, height)), scores.tolist(), strict=True
    ):
        if rect.is_empty:
            continue
        window = (slice(rect.y_min, rect.y_max), slice(rect.x_min, rect.x_max))
        inside = seen[window]
        if inside.mean() < LEAST_COVER:
            inside = np.ones_like(inside)
        elif not rest[window].any():
            continue
        inside = masks.fill_holes(masks.close_gaps(inside, GAP_PX))
        people.append(Silhouette(masks.trim(Mask(inside, rect.x_min, rect.y_min)), score))
        rest[window] &= ~inside
    return people, rest


def _attach(parts: list[Mask], people: list[Silhouette]) -> list[Mask]:
    """Join what sticks out of a person's box to that person, in place; return the other parts."""
    others = []
    areas = [int(person.mask.inside.sum()) for person in people]
    for part in parts:
        area = int(part.inside.sum())
        contacts = [
            masks.contact(part, person.mask) if area <= SLIVER_SHARE * whole else 0
            for person, whole in zip(people, areas, strict=True)
        ]
        if max(contacts, default=0) == 0:
            others.append(part)
            continue
        owner = contacts.index(max(contacts))
        joined = masks.join([people[owner].mask, part])
        people[owner] = people[owner]._replace(mask=joined)
    return others


def _boxless(mask: Mask, lead: Float32Array) -> Silhouette:
    rows, columns = mask.inside.shape
    window = lead[mask.y:mask.y + rows, mask.x:mask.x + columns]
    best = float(window[mask.inside].max())
    filled = masks.fill_holes(mask.inside)
    return Silhouette(Mask(filled, mask.x, mask.y), BOXLESS_TRUST / (1 + float(np.exp(-best))))
