# SPDX-License-Identifier: Apache-2.0
"""What was hidden, beside the image: as a silhouette and as detections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sensor_msgs.msg import Image

from anon_ros.core.boxes import to_rects
from anon_ros.core.masks import paste
from anon_ros.core.regions import Kind
from anon_ros.nodes.message_types import message_class

if TYPE_CHECKING:
    from anon_ros.core.regions import Regions
    from anon_ros.nodes.frame_job import SafeFrame

DETECTIONS_TYPE = 'vision_msgs/msg/Detection2DArray'
_HIDDEN = 255


def mask_message(safe: SafeFrame) -> Image:
    """Return a mono8 image of the frame's size: 255 where something is hidden, 0 elsewhere."""
    width, height = safe.size_wh
    pixels = np.zeros((height, width), np.uint8)
    if safe.regions is None:
        pixels[:] = _HIDDEN
    else:
        _draw(pixels, safe.regions)
    message = Image(height=height, width=width, encoding='mono8', step=width)
    fill_header(message.header, safe)
    # The one way that is fast whether rosidl checks every byte (Humble) or not.
    message.data.frombytes(pixels.data.cast('B'))
    return message


def detections_message(safe: SafeFrame) -> Any:
    """Return the regions, margins included, as vision_msgs/Detection2DArray; it is installed."""
    message = message_class(DETECTIONS_TYPE)()
    fill_header(message.header, safe)
    regions = safe.regions
    for index in range(0 if regions is None else len(regions)):
        message.detections.append(_detection(message.header, regions, index))
    return message


def fill_header(header: Any, safe: SafeFrame) -> None:
    """Give a header the stamp and frame of the image."""
    header.stamp.sec, header.stamp.nanosec = divmod(safe.stamp_ns, 1_000_000_000)
    header.frame_id = safe.frame_id


def _draw(pixels: Any, regions: Regions) -> None:
    size_wh = pixels.shape[::-1]
    whole = [mask for mask in regions.masks if mask is not None]
    pixels[paste(whole, size_wh)] = _HIDDEN
    for rect, mask in zip(to_rects(regions.boxes_xyxy, size_wh), regions.masks, strict=True):
        if mask is None:
            pixels[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = _HIDDEN


def _detection(header: Any, regions: Any, index: int) -> Any:
    x_min, y_min, x_max, y_max = (float(edge) for edge in regions.boxes_xyxy[index])
    detection = message_class('vision_msgs/msg/Detection2D')()
    detection.header = header
    track_id = int(regions.track_ids[index])
    detection.id = '' if track_id < 0 else str(track_id)
    detection.bbox.center.position.x = (x_min + x_max) / 2
    detection.bbox.center.position.y = (y_min + y_max) / 2
    detection.bbox.size_x, detection.bbox.size_y = x_max - x_min, y_max - y_min
    result = message_class('vision_msgs/msg/ObjectHypothesisWithPose')()
    result.hypothesis.class_id = Kind(int(regions.kinds[index])).label
    result.hypothesis.score = float(regions.scores[index])
    detection.results.append(result)
    return detection

