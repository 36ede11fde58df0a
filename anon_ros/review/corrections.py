# SPDX-License-Identifier: Apache-2.0
"""A review as a file of corrections, which `anon-ros bag --corrections` reads too."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit import typed_json
from anon_ros.audit.frame_regions import can_hide
from anon_ros.errors import OutputError, RegionsError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.audit.regions_file import Header
    from anon_ros.review.edits import Edit, State
    from anon_ros.review.result import Result, Stream

CORRECTIONS_NAME = 'corrections.jsonl'


def write_corrections(path: Path, result: Result, state: State) -> None:
    """
    Write what a review comes to, in one step: the file is the old one or the new one.

    Beside what docs/regions-file.md asks for, each correction says by whom and when it was made.
    Raises OutputError where it cannot be written.
    """
    lines = [json.dumps(_header(result.index.reader.header, state)), *_frames(result, state)]
    beside = path.with_name(path.name + '.new')
    try:
        with beside.open('w', encoding='utf-8') as file:
            file.write('\n'.join(lines) + '\n')
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OutputError(f'{path}: cannot be written: {error.strerror}') from error


def _header(header: Header, state: State) -> dict[str, Any]:
    tracks: dict[str, tuple[int, ...]] = {}
    for stream, track in sorted(state.struck):
        tracks[stream] = (*tracks.get(stream, ()), track)
    plain: dict[str, Any] = typed_json.to_plain(replace(header, strike_tracks=tracks))
    plain['strikes'] = [
        {'topic': stream, 'track': track, **_made(edit)}
        for (stream, track), edit in sorted(state.struck.items())
    ]
    return plain


def _frames(result: Result, state: State) -> list[str]:
    by_stream = {stream.name: stream for stream in result.streams}
    drawn: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    struck: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for (name, track), each in state.drawn.items():
        made = {'kind': each.drawn_by.kind, 'track': track, **_made(each.drawn_by)}
        for index, box in each.boxes.items():
            drawn[name, index].append({'box': list(box), **made})
    for edit in state.struck_boxes:
        struck[edit.stream, edit.index].append(
            {'box': list(edit.box), 'kind': edit.kind, **_made(edit)})
    return [
        _frame(result, by_stream[name], index, drawn[name, index], struck[name, index])
        for name, index in sorted(drawn.keys() | struck.keys())
    ]


def _frame(
    result: Result, stream: Stream, index: int, drawn: list[dict[str, Any]],
    struck: list[dict[str, Any]],
) -> str:
    number = stream.find(index)
    if number is None:
        raise RegionsError(f'{result.path}: message {index} of {stream.name} is not there')
    frame = result.regions(stream, number)
    # What reaches into the picture from outside so far that it shows nowhere cannot be written.
    boxes_xyxy = np.array([each['box'] for each in drawn], np.float32).reshape(-1, 4)
    shown = can_hide(boxes_xyxy, frame.size_wh).tolist()
    return json.dumps({
        'topic': frame.topic, 'index': index, 'stamp_ns': frame.stamp_ns, 'log_ns': frame.log_ns,
        'size_wh': list(frame.size_wh),
        'regions': [each for each, is_shown in zip(drawn, shown, strict=True) if is_shown],
        'strike': struck,
    })


def _made(edit: Edit) -> dict[str, str]:
    return {'by': edit.by, 'at': edit.at}
