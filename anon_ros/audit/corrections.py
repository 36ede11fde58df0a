# SPDX-License-Identifier: Apache-2.0
"""Corrections made by hand: a regions file that adds regions to another and strikes some."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.audit.frame_regions import FrameRegions, from_plain, kind_of, numbers, short, whole
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.core import boxes
from anon_ros.core.regions import BoolArray, Float32Array, Origin, Regions
from anon_ros.errors import RegionsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from anon_ros.audit.regions_file import RegionsIndex

_SAME_IOU = 0.5


@dataclass(frozen=True)
class Strikes:
    """
    What is to be left out of one frame: tracks, and boxes that lie where a region does.

    boxes_xyxy: (N, 4). kinds: N of them, None for any kind.
    """

    track_ids: frozenset[int]
    boxes_xyxy: Float32Array
    kinds: tuple[int | None, ...]

    def chosen(self, regions: Regions) -> BoolArray:
        """Return (N,): which regions are struck; one that a person drew never is."""
        struck = np.isin(regions.track_ids, list(self.track_ids))
        overlap = boxes.iou(self.boxes_xyxy, regions.boxes_xyxy) >= _SAME_IOU
        for row, kind in zip(overlap, self.kinds, strict=True):
            struck |= row if kind is None else row & (regions.kinds == kind)
        return np.asarray(struck & (regions.origins != int(Origin.MANUAL)), np.bool_)


@dataclass(frozen=True)
class Corrections:
    """
    All corrections of one recording, in memory: they are made by hand, so they are few.

    frames: by topic and index. struck_tracks: by topic, everywhere in it.
    """

    frames: dict[tuple[str, int], tuple[Regions, Strikes]] = field(default_factory=dict)
    struck_tracks: dict[str, frozenset[int]] = field(default_factory=dict)

    def apply(self, frame: FrameRegions) -> FrameRegions:
        """Return a frame as corrected: first struck, then added to."""
        nothing = Strikes(frozenset(), np.zeros((0, 4), np.float32), ())
        added, strikes = self.frames.get((frame.topic, frame.index), (Regions.empty(), nothing))
        everywhere = self.struck_tracks.get(frame.topic, frozenset())
        strikes = replace(strikes, track_ids=strikes.track_ids | everywhere)
        left = frame.regions.select(~strikes.chosen(frame.regions))
        return replace(frame, regions=Regions.concatenate([left, added]))

    def check_against(self, index: RegionsIndex) -> None:
        """
        Check that every corrected frame stands in a regions file.

        Raises RegionsError that names the first that does not: what a person drew is never lost.
        """
        _refuse_missing({key for key in self.frames if index.find(*key) is None})


def read_corrections(path: Path, base: RegionsReader) -> Corrections:
    """
    Return the corrections of a file.

    It has the form of a regions file; its regions count as drawn by hand, a frame may have a list
    'strike', the header 'strike_tracks', and the last line may be missing.
    base: the file that is corrected. Raises RegionsError where the two are not of one recording.
    """
    reader = RegionsReader(path)
    reader.check_source(base.header.source)
    frames: dict[tuple[str, int], tuple[Regions, Strikes]] = {}
    for line in reader.lines(is_whole=False):
        try:
            frame, strikes = from_plain(line.value), _strikes(line.value.get('strike', []))
        except ValueError as error:
            raise RegionsError(f'{path} line {line.number}: {error}') from error
        key = frame.topic, frame.index
        if key in frames:
            raise RegionsError(
                f'{path} line {line.number}: message {frame.index} of {frame.topic} stands '
                'there twice'
            )
        frames[key] = frame.regions.with_origin(Origin.MANUAL), strikes
    struck = {topic: frozenset(ids) for topic, ids in reader.header.strike_tracks.items()}
    return Corrections(frames, struck)


def merge_corrections(
    frames: Iterable[FrameRegions], corrections: Corrections
) -> Iterator[FrameRegions]:
    """
    Yield all frames as corrected.

    Raises RegionsError at the end if a correction names a frame that is not among them, so that
    no region drawn by hand is lost unseen.
    """
    left = set(corrections.frames)
    for frame in frames:
        left.discard((frame.topic, frame.index))
        yield corrections.apply(frame)
    _refuse_missing(left)


def _refuse_missing(missing: set[tuple[str, int]]) -> None:
    if missing:
        topic, index = min(missing)
        raise RegionsError(
            f'{len(missing)} corrections name frames that are not there, the first message '
            f'{index} of {topic}'
        )


def _strikes(value: Any) -> Strikes:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f'strike is {short(value)}, expected a list of objects')
    track_ids, drawn, kinds = set(), [], []
    for i, item in enumerate(value):
        if 'track' in item:
            track_ids.add(whole(item, 'track'))
            continue
        drawn.append(numbers(item.get('box'), 4, f'strike[{i}].box'))
        kind = item.get('kind')
        kinds.append(None if kind is None else kind_of(kind, f'strike[{i}].kind'))
    boxes_xyxy = np.array(drawn, np.float32).reshape(-1, 4)
    return Strikes(frozenset(track_ids), boxes_xyxy, tuple(kinds))
