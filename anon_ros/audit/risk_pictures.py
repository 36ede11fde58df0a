# SPDX-License-Identifier: Apache-2.0
"""What a risky frame looks like in the result: a cutting around what is odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit.pictures import Outline, encode_jpeg, fit, outline
from anon_ros.core.boxes import Rect

if TYPE_CHECKING:
    from anon_ros.audit.risk import RiskyFrame
    from anon_ros.core.regions import Regions, UInt8Array

WIDTH_PX = 360
ASPECT = 4 / 3
CONTEXT = 4.0
"""The cutting is so many times as high as what is odd in it."""
LEAST_HEIGHT_PX = 96


@dataclass(frozen=True)
class RiskLook:
    """
    A cutting of a frame of the result as a JPEG.

    rect: its place in the frame. outlines: what is hidden there. marks: x, y, width and height of
    what is odd. Both in px of the cutting before it was scaled.
    """

    jpeg: bytes
    rect: Rect
    outlines: tuple[Outline, ...]
    marks: tuple[tuple[float, float, float, float], ...]


def take_look(risky: RiskyFrame, regions: Regions, anonymized_bgr: UInt8Array) -> RiskLook:
    """
    Return what to look at in a frame.

    regions: what was hidden in it. anonymized_bgr: (h, w, 3) uint8, the frame of the result.
    """
    height, width = anonymized_bgr.shape[:2]
    boxes = [risk.box_xyxy for risk in risky.risks if risk.box_xyxy is not None]
    rect = _around(boxes[0], (width, height)) if boxes else Rect(0, 0, width, height)
    cutting = anonymized_bgr[rect.y_min:rect.y_max, rect.x_min:rect.x_max]
    return RiskLook(
        encode_jpeg(fit(cutting, WIDTH_PX)), rect,
        tuple(each for each in outline(regions, (width, height)) if _touches(each, rect)),
        tuple((box[0] - rect.x_min, box[1] - rect.y_min, box[2] - box[0], box[3] - box[1])
              for box in boxes),
    )


def _around(box: tuple[float, float, float, float], size_wh: tuple[int, int]) -> Rect:
    """Return a rectangle of the usual shape inside the image, with the box in its middle."""
    wanted = max(CONTEXT * (box[3] - box[1]), CONTEXT * (box[2] - box[0]) / ASPECT)
    height = round(min(max(wanted, LEAST_HEIGHT_PX), size_wh[1]))
    width = round(min(height * ASPECT, size_wh[0]))
    left = min(max(0, round((box[0] + box[2] - width) / 2)), size_wh[0] - width)
    top = min(max(0, round((box[1] + box[3] - height) / 2)), size_wh[1] - height)
    return Rect(left, top, left + width, top + height)


def _touches(each: Outline, rect: Rect) -> bool:
    x_min, y_min, x_max, y_max = each.box_xyxy
    return x_min < rect.x_max and x_max > rect.x_min and y_min < rect.y_max and y_max > rect.y_min
