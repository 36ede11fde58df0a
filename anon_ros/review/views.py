# SPDX-License-Identifier: Apache-2.0
"""What the page is told: plain values for JSON, never a pixel and never a file's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.core import boxes
from anon_ros.core.frame_anonymizer import LEAST_MARGIN_PX
from anon_ros.core.regions import NO_TRACK, Kind, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.core.regions import Mask, Regions
    from anon_ros.review.edits import Drawn, Edit, State
    from anon_ros.review.queue import QueueItem
    from anon_ros.review.result import Result, Stream

_MOST_CORNERS = 400
_DECIMALS = 3


@dataclass(frozen=True)
class FrameKey:
    """A stream, and the number of one of its frames."""

    stream: Stream
    number: int

    @property
    def index(self) -> int:
        """The frame's index, under which files know it."""
        return self.stream.indices[self.number]


def stream_view(stream: Stream) -> dict[str, Any]:
    """Return what a camera is."""
    start_ns = stream.log_ns[0]
    return {
        'id': stream.number, 'name': stream.name, 'frames': len(stream),
        'is_sequence': stream.is_sequence,
        'seconds': (stream.log_ns[-1] - start_ns) / 1e9 if stream.is_sequence else 0,
    }


def frame_view(
    key: FrameKey, frame: FrameRegions, margin: float, state: State
) -> dict[str, Any]:
    """
    Return what is known of a frame.

    margin: what is hidden around each region, as a share of its size.
    """
    stream, number, index = key.stream, key.number, key.index
    found = [
        _region_view(frame.regions, i, _strike_of(state, stream.name, frame, i))
        for i in range(len(frame.regions))
    ]
    found += [
        _drawn_view(drawn, index) for (name, _), drawn in state.drawn.items()
        if name == stream.name and index in drawn.boxes
    ]
    boxes_xyxy = np.array([each['box'] for each in found], np.float32).reshape(-1, 4)
    hidden = boxes.grow(boxes_xyxy, margin, LEAST_MARGIN_PX).tolist()
    for region, box in zip(found, hidden, strict=True):
        region['hidden'] = _rounded(box)
    accepted = state.accepted.get((stream.name, index))
    return {
        'stream': stream.number, 'number': number, 'name': stream.key(number)[0],
        'seconds': (stream.log_ns[number] - stream.log_ns[0]) / 1e9,
        'size_wh': list(frame.size_wh), 'is_withheld': bool(stream.is_withheld[number]),
        'reason': frame.reason, 'regions': found,
        'accepted': None if accepted is None else made_view(accepted),
    }


def timeline_view(
    stream: Stream, scores: dict[int, float], state: State, bins: int
) -> dict[str, Any]:
    """
    Return a stream by bins of frames: how many regions of each kind in the mean, what was done.

    scores: of the risky frames, by number.
    """
    bins = max(1, min(bins, len(stream)))
    edges = np.linspace(0, len(stream), bins + 1).astype(np.int64)
    sizes = np.maximum(np.diff(edges), 1)
    risk = np.zeros(bins)
    for number, score in scores.items():
        at = int(np.searchsorted(edges, number, side='right')) - 1
        risk[at] = max(risk[at], score)
    kinds = {
        kind.label: np.add.reduceat(np.asarray(column, np.float64), edges[:-1]) / sizes
        for kind, column in zip(Kind, stream.kinds, strict=True)
    }
    withheld = np.add.reduceat(
        np.frombuffer(bytes(stream.is_withheld), np.uint8).astype(np.float64), edges[:-1])
    return {
        'stream': stream.number, 'frames': len(stream), 'edges': edges.tolist(),
        'risk': _rounded(risk), 'withheld': _rounded(withheld / sizes),
        'kinds': {name: _rounded(values) for name, values in kinds.items()},
        'spans': _spans(stream, state),
        'accepted': sorted(
            number for (name, index) in state.accepted if name == stream.name
            for number in [stream.find(index)] if number is not None
        ),
    }


def queue_view(items: Sequence[QueueItem], result: Result, state: State) -> list[dict[str, Any]]:
    """Return the queue, each with whether somebody has accepted the frame."""
    found = []
    for item in items:
        stream = result.streams[item.stream]
        index = stream.indices[item.number]
        first = item.risks[0]
        found.append({
            'stream': item.stream, 'number': item.number, 'score': round(item.score, 3),
            'seconds': (stream.log_ns[item.number] - stream.log_ns[0]) / 1e9,
            'kind': first.kind,
            'risks': [
                {'reason': risk.reason, 'text': risk.text, 'kind': risk.kind,
                 'box': None if risk.box_xyxy is None else _rounded(risk.box_xyxy)}
                for risk in item.risks
            ],
            'is_accepted': (stream.name, index) in state.accepted,
        })
    return found


def track_view(stream: Stream, track_id: int) -> dict[str, Any]:
    """Return where a track is: how many frames, and first, middle and last of them."""
    frames = stream.tracks[track_id].frames
    samples = sorted({frames[0], frames[len(frames) // 2], frames[-1]})
    return {'track': track_id, 'frames': len(frames), 'samples': samples,
            'kind': Kind(stream.tracks[track_id].kind).label}


def made_view(edit: Edit) -> dict[str, str]:
    """Return by whom and when something was done."""
    return {'by': edit.by, 'at': edit.at}


def _spans(stream: Stream, state: State) -> list[dict[str, Any]]:
    """Return where edits reach: drawn regions and struck tracks."""
    spans = []
    for (name, track), drawn in state.drawn.items():
        if name == stream.name:
            numbers = [stream.find(index) for index in (min(drawn.boxes), max(drawn.boxes))]
            keys = [stream.find(index) for index in sorted(drawn.keys)]
            spans.append({
                'action': 'draw', 'kind': drawn.drawn_by.kind, 'track': track,
                'first': numbers[0], 'last': numbers[1], 'keys': keys,
            })
    for name, track in state.struck:
        if name == stream.name and track in stream.tracks:
            frames, kind = stream.tracks[track].frames, stream.tracks[track].kind
            spans.append({
                'action': 'strike', 'kind': Kind(kind).label, 'track': track,
                'first': frames[0], 'last': frames[-1], 'keys': [],
            })
    return spans


def _strike_of(state: State, stream: str, frame: FrameRegions, i: int) -> Edit | None:
    track = int(frame.regions.track_ids[i])
    if track != NO_TRACK:
        return state.struck.get((stream, track))
    box = tuple(frame.regions.boxes_xyxy[i].tolist())
    return next((
        edit for edit in state.struck_boxes
        if (edit.stream, edit.index, edit.box) == (stream, frame.index, box)
    ), None)


def _region_view(regions: Regions, i: int, strike: Edit | None) -> dict[str, Any]:
    origin = Origin(int(regions.origins[i]))
    track = int(regions.track_ids[i])
    return {
        'region': i, 'track': None if track == NO_TRACK else track,
        'kind': Kind(int(regions.kinds[i])).label, 'origin': origin.name.lower(),
        'score': round(float(regions.scores[i]), 2),
        'box': _rounded(regions.boxes_xyxy[i].tolist()),
        'outline': _outline(regions.masks[i]),
        'state': 'hidden' if strike is None else 'struck',
        'made': None if strike is None else made_view(strike),
    }


def _drawn_view(drawn: Drawn, index: int) -> dict[str, Any]:
    return {
        'region': None, 'track': drawn.drawn_by.track, 'kind': drawn.drawn_by.kind,
        'origin': 'manual', 'score': 1.0, 'box': _rounded(drawn.boxes[index]),
        'outline': None, 'state': 'drawn',
        'is_key': index in drawn.keys, 'frames': len(drawn.boxes),
        'is_followed': drawn.is_followed, 'made': made_view(drawn.drawn_by),
    }


def _outline(mask: Mask | None) -> list[list[list[float]]] | None:
    """Return the corners of a silhouette's outlines, x and y in px of the frame."""
    if mask is None:
        return None
    contours, _ = cv2.findContours(
        mask.inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE,
        offset=(mask.x, mask.y),
    )
    rounded = [cv2.approxPolyDP(contour, 1.0, True)[:_MOST_CORNERS, 0] for contour in contours]
    return [corners.tolist() for corners in rounded if len(corners) > 2]


def _rounded(values: Any) -> list[float]:
    return [round(float(value), _DECIMALS) for value in values]
