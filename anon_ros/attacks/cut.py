# SPDX-License-Identifier: Apache-2.0
"""Cut looks out of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from anon_ros.attacks.interface import Look
from anon_ros.attacks.render import hide, hole_of
from anon_ros.core.boxes import Rect
from anon_ros.core.masks import bounds

if TYPE_CHECKING:
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.regions import Regions, UInt8Array

AROUND = 0.6
"""What is shown around a hole on each side, as a share of its longer side."""
LARGEST_PX = 320


class FrameViews(NamedTuple):
    """One frame: as it was, as it is now, and anonymized the same way with another key, if any."""

    clear_bgr: UInt8Array
    hidden_bgr: UInt8Array
    rekeyed_bgr: UInt8Array | None


def views_of(
    clear_bgr: UInt8Array, hidden_bgr: UInt8Array, regions: Regions,
    rekeyed: FrameAnonymizer | None,
) -> FrameViews:
    """Return all views of a frame; rekeyed: an anonymizer like the run's with another key."""
    again = None if rekeyed is None else hide(rekeyed, clear_bgr, regions)
    return FrameViews(clear_bgr, hidden_bgr, again)


def cut_look(
    views: FrameViews, regions: Regions, number: int, anonymizer: FrameAnonymizer
) -> Look | None:
    """
    Return the look at one of a frame's regions; None where it hides no pixel.

    anonymizer: the run's, which knows the margin.
    """
    height, width = views.clear_bgr.shape[:2]
    hole = hole_of(anonymizer, regions.select([number]), (width, height))
    rect = bounds(hole)
    if rect.is_empty:
        return None
    around = round(AROUND * max(rect.width, rect.height))
    part = rect.grow(around, around).intersect(Rect(0, 0, width, height))
    scale = min(1.0, LARGEST_PX / max(part.width, part.height))
    corner = np.array([part.x_min, part.y_min] * 2, np.float32)
    return Look(
        _crop(views.clear_bgr, part, scale), _crop(views.hidden_bgr, part, scale),
        ((regions.boxes_xyxy[number] - corner) * scale).astype(np.float32),
        _crop(hole.astype(np.uint8) * 255, part, scale) > 0,
        None if views.rekeyed_bgr is None else _crop(views.rekeyed_bgr, part, scale), scale,
    )


def _crop(image: UInt8Array, part: Rect, scale: float) -> UInt8Array:
    cut = image[part.y_min:part.y_max, part.x_min:part.x_max]
    if scale == 1.0:
        return np.array(cut, np.uint8)
    return np.asarray(
        cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
