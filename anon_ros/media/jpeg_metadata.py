# SPDX-License-Identifier: Apache-2.0
"""
What a JPEG with something overwritten keeps of its metadata.

Kept: JFIF without its thumbnail, Adobe's colour transform, ICC profiles, EXIF built anew without
previews, and whatever is too small to hold a picture (256 bytes). All other APPn segments and
comments go: JFXX and EXIF thumbnails, multi-picture files (MPF), XMP, Photoshop, makers' own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.media.exif import EXIF_HEADER, LARGEST_VALUE, strip_previews
from anon_ros.media.jpeg_header import APP0, APP1, APP2, APP14, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

_JFIF, _JFXX = b'JFIF\0', b'JFXX\0'
_ICC, _MPF, _XMP = b'ICC_PROFILE\0', b'MPF\0', b'http://ns.adobe.com/'
_ADOBE = b'Adobe'
_JFIF_BYTES, _ADOBE_BYTES = 14, 12


def without_previews(segments: Iterable[Segment]) -> list[Segment]:
    """Return the APPn and COM segments that may stay, in order, rewritten where need be."""
    kept = (_keep(segment) for segment in segments)
    return [segment for segment in kept if segment is not None]


def only_decoding(segments: Iterable[Segment]) -> list[Segment]:
    """Return what a decoder needs to know the colours: JFIF and Adobe segments."""
    return [
        segment for segment in without_previews(segments)
        if is_jfif(segment) or adobe_transform(segment) is not None
    ]


def is_jfif(segment: Segment) -> bool:
    """Return whether a segment is the JFIF header."""
    return segment.marker == APP0 and segment.payload.startswith(_JFIF)


def adobe_transform(segment: Segment) -> int | None:
    """Return the colour transform of an Adobe segment, None for others."""
    is_adobe = segment.marker == APP14 and segment.payload.startswith(_ADOBE)
    if not is_adobe or len(segment.payload) < _ADOBE_BYTES:
        return None
    return segment.payload[_ADOBE_BYTES - 1]


def _keep(segment: Segment) -> Segment | None:
    marker, payload = segment.marker, segment.payload
    if is_jfif(segment):
        # The last two bytes are the thumbnail's width and height.
        return Segment(marker, payload[:_JFIF_BYTES - 2] + b'\0\0')
    if adobe_transform(segment) is not None:
        return Segment(marker, payload[:_ADOBE_BYTES])
    if marker == APP1 and payload.startswith(EXIF_HEADER):
        stripped = strip_previews(payload)
        return None if stripped is None else Segment(marker, stripped)
    if marker == APP2 and payload.startswith(_ICC):
        return segment
    if payload.startswith((_JFXX, _MPF, _XMP)):
        return None
    return segment if len(payload) <= LARGEST_VALUE else None
