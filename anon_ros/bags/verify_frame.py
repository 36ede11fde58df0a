# SPDX-License-Identifier: Apache-2.0
"""Compare a camera's message with what was made of it: only the hidden regions may differ."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from anon_ros.bags.camera_types import PayloadKind
from anon_ros.bags.messages import CameraMessage, locate, mask
from anon_ros.core.boxes import Rect, to_rects
from anon_ros.errors import EncodingError, FrameError
from anon_ros.media.compressed import open_compressed
from anon_ros.media.jpeg_plane import JpegPlane
from anon_ros.media.raw import RawImage, open_raw

if TYPE_CHECKING:
    from anon_ros.bags.storage.interface import Message
    from anon_ros.core.planes import Frame, Plane
    from anon_ros.core.regions import BoolArray, Regions

_ROWS = 128
"""Rows compared at once."""
_GRAY_SPREAD = 3

UNSEEN = 'nobody can look into it, but it kept its bytes'


class Change(str, enum.Enum):
    """What became of a frame; the values are fields of TopicVerdict."""

    UNCHANGED = 'unchanged'
    CHANGED = 'changed'
    MASKED = 'masked'


class Comparison(NamedTuple):
    """What became of a frame. mismatch: how it differs where it must not, '' where it does not."""

    change: Change
    mismatch: str = ''


def compare_frames(before: Message, after: Message, regions: Regions | None) -> Comparison:
    """
    Return what became of a frame.

    regions: what was hidden, margins included; None where nobody knows. A frame that kept its
    bytes is a mismatch where it has visible regions, and where it cannot be decoded, so that
    nobody could look into it; so is every change outside of regions.
    """
    if same_bytes(before.data, after.data):
        return _compare_unchanged(before, regions)
    try:
        mismatch = _mismatch(before, after, regions)
    except FrameError as error:
        mismatch = f'cannot be compared: {error}'
    may_be_masked = mismatch or regions is None or _is_empty(after)
    if may_be_masked and _is_masked(before, after):
        return Comparison(Change.MASKED)
    return Comparison(Change.CHANGED, mismatch)


def same_bytes(one: bytes | memoryview, other: bytes | memoryview) -> bool:
    """Compare at memory speed: memoryviews alone are compared item by item."""
    return len(one) == len(other) and bytes(one) == bytes(other)


def _mismatch(before: Message, after: Message, regions: Regions | None) -> str:
    old = locate(before.connection, before.data)
    new = locate(after.connection, after.data)
    around = _around(old, new, after)
    # A group of pictures changes as a whole: see verify_video.
    if around or old.kind is PayloadKind.VIDEO:
        return around
    if regions is not None and not len(regions):
        return 'nothing to hide, but the picture changed'
    return _compare_pictures(open_frame(old), open_frame(new), regions)


def open_frame(message: CameraMessage) -> Frame:
    """Open an image's frame. Raises FrameError where it cannot be read, or is a video's."""
    payload = message.payload
    if isinstance(payload, RawImage):
        return open_raw(payload, allow_depth=True)
    if message.kind is PayloadKind.VIDEO:
        raise EncodingError('a video packet is no frame of its own')
    return open_compressed(payload.data)


def _compare_unchanged(message: Message, regions: Regions | None) -> Comparison:
    try:
        located = locate(message.connection, message.data)
        if located.kind is PayloadKind.VIDEO:
            return Comparison(Change.UNCHANGED)
        frame = open_frame(located)
        frame.view_bgr()
    except FrameError as error:
        if _is_masked(message, message):
            return Comparison(Change.MASKED)
        return Comparison(Change.UNCHANGED, f'{UNSEEN}: {error}')
    if regions is None or all(
        rect.is_empty for rect in to_rects(regions.boxes_xyxy, frame.size_wh)
    ):
        return Comparison(Change.UNCHANGED)
    return Comparison(Change.UNCHANGED, f'{len(regions)} regions to hide, but no byte changed')


def is_gray(frame: Frame) -> bool:
    """Return whether a picture is mid-gray all over, as only masking makes it."""
    view = frame.view_bgr()
    return bool((view == view[:1, :1]).all()) and abs(int(view[0, 0, 0]) - 128) <= _GRAY_SPREAD


def _is_empty(message: Message) -> bool:
    try:
        return not len(locate(message.connection, message.data).data)
    except FrameError:
        return False


def _is_masked(before: Message, after: Message) -> bool:
    """Return whether the result is empty, or gray all over, and nothing else has changed."""
    try:
        old = locate(before.connection, before.data)
        new = locate(after.connection, after.data)
        if old.kind is PayloadKind.RAW:
            return same_bytes(mask(before.connection, before.data), after.data)
        if not same_bytes(old.replace(new.data), after.data):
            return False
        return not len(new.data) or (
            old.kind is PayloadKind.COMPRESSED and is_gray(open_frame(new))
        )
    except FrameError:
        return False


def _around(old: CameraMessage, new: CameraMessage, after: Message) -> str:
    """Compare the fields by name, for a readable cause, and then the very bytes."""
    for name in ('stamp_ns', 'frame_id', 'format', 'kind', 'fields'):
        was, became = getattr(old, name), getattr(new, name)
        if was != became:
            return f'{name} was {was!r} and is {became!r}'
    is_same = same_bytes(old.replace(new.data), after.data)
    return '' if is_same else 'bytes around the picture differ'


def _compare_pictures(old: Frame, new: Frame, regions: Regions | None) -> str:
    if type(old) is not type(new):
        return 'the picture is of another kind now'
    if old.size_wh != new.size_wh:
        return f'the size was {old.size_wh} px and is {new.size_wh} px'
    if regions is None:
        return ''
    before, after = old.planes(), new.planes()
    if [plane.grid for plane in before] != [plane.grid for plane in after]:
        return 'the planes have another size or sampling now'
    rects = to_rects(regions.boxes_xyxy, old.size_wh)
    changed = sum(
        _changed_outside(was, became, [was.grid.covering(rect) for rect in rects])
        for was, became in zip(before, after, strict=True)
    )
    return f'{changed} samples outside the hidden regions changed' if changed else ''


def _changed_outside(old: Plane, new: Plane, hidden: list[Rect]) -> int:
    """
    Return how many samples differ outside all rectangles; a JPEG's count by blocks of 64.

    A block that a rectangle touches is encoded again as a whole.
    """
    if isinstance(old, JpegPlane) and isinstance(new, JpegPlane):
        blocks = [Rect(r.x_min // 8, r.y_min // 8, -(-r.x_max // 8), -(-r.y_max // 8))
                  for r in hidden]
        if old.coefficients.shape != new.coefficients.shape:
            return old.coefficients.size
        return 64 * _count_outside(old.coefficients != new.coefficients, blocks)
    width, height = old.grid.size_wh
    changed = 0
    for top in range(0, height, _ROWS):
        rows = Rect(0, top, width, min(top + _ROWS, height))
        # NaN is a number like any other here: the same bits are the same.
        differs = old.read(rows).view(np.uint32) != new.read(rows).view(np.uint32)
        changed += _count_outside(differs, [
            Rect(r.x_min, r.y_min - top, r.x_max, r.y_max - top) for r in hidden
        ])
    return changed


def _count_outside(differs: BoolArray, hidden: list[Rect]) -> int:
    """Count where any value of (h, w, n) differs outside all rectangles; overwrites differs."""
    for x_min, y_min, x_max, y_max in hidden:
        differs[max(y_min, 0):max(y_max, 0), max(x_min, 0):max(x_max, 0)] = False
    return int(differs.any(axis=-1).sum()) if differs.any() else 0
