# SPDX-License-Identifier: Apache-2.0
"""What corrections change: the frames that have to be rendered again, and from what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anon_ros.audit.manifest import CorrectionRecord
from anon_ros.core.interfaces import Synthesis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anon_ros.audit.corrections import Corrections
    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import Manifest
    from anon_ros.bags.jobs import Tools
    from anon_ros.core.frame_anonymizer import Outcome
    from anon_ros.core.regions import Regions
    from anon_ros.review.edits import State
    from anon_ros.review.result import Result, Stream


@dataclass(frozen=True)
class Change:
    """
    What becomes of one frame.

    corrected: all of its regions from now on. added: those that were drawn. is_struck: whether
    some of it has to be shown again, which takes the source.
    """

    corrected: FrameRegions
    added: Regions
    is_struck: bool

    def rendered(
        self, outcome: Outcome, reason: str, synthesis: Synthesis | None, *, is_anew: bool
    ) -> FrameRegions:
        """
        Return what is known of the frame now that it was rendered.

        is_anew: whether all of its regions were, not only the added ones.
        """
        if not is_anew:
            synthesis = _together(self.corrected.synthesis, synthesis)
        return replace(
            self.corrected, outcome=outcome.value, reason=reason, synthesis=synthesis)


@dataclass(frozen=True)
class Plan:
    """
    A corrected result that is to be written.

    source: None where it was not given. target: a path that does not exist yet; name: of the
    result once it is in its place. tools: their recorder counts what is written. close: called
    with the sidecar and the new manifest, both of which it completes, and with the files of a
    bag, before the result appears. progress: called with what is done, and with all there is.
    """

    result: Result
    changes: Changes
    source: Path | None
    target: Path
    name: str
    tools: Tools
    close: Callable[[Path, Manifest, Sequence[Path]], None]
    progress: Callable[[int, int], None]


class Changes:
    """What a file of corrections changes in a result."""

    def __init__(self, result: Result, corrections: Corrections) -> None:
        """Take corrections that were checked against the result's regions file."""
        self._result = result
        self._corrections = corrections
        self.touched: dict[int, list[int]] = {
            stream.number: self._touched(stream) for stream in result.streams
        }

    @property
    def frames(self) -> int:
        """How many frames have to be rendered again."""
        return sum(len(numbers) for numbers in self.touched.values())

    @property
    def takes_source(self) -> bool:
        """Whether a frame has to show again what was hidden."""
        return any(
            self.of(stream, number).is_struck
            for stream in self._result.streams for number in self.touched[stream.number]
        )

    def of(self, stream: Stream, number: int) -> Change:
        """Return what becomes of a frame."""
        frame = self._result.regions(stream, number)
        corrected = self._corrections.apply(frame)
        key = stream.key(number)
        count = len(self._corrections.frames[key][0]) if key in self._corrections.frames else 0
        left = len(corrected.regions) - count
        return Change(
            corrected, corrected.regions.select(range(left, left + count)),
            is_struck=left < len(frame.regions),
        )

    def _touched(self, stream: Stream) -> list[int]:
        """Return the frames that may look different afterwards; a withheld one never does."""
        found = {
            number for number in range(len(stream)) if stream.topics
            and stream.key(number) in self._corrections.frames
        }
        if not stream.topics:
            numbers = (
                stream.find(index) for topic, index in self._corrections.frames
                if topic == stream.name
            )
            found.update(number for number in numbers if number is not None)
        for track in self._corrections.struck_tracks.get(stream.name, ()):
            if track in stream.tracks:
                found.update(stream.tracks[track].frames)
        return [
            number for number in sorted(found) if not stream.is_withheld[number]
            and _changes_pixels(self.of(stream, number))
        ]


def _together(before: Synthesis | None, added: Synthesis | None) -> Synthesis | None:
    some = [each for each in (before, added) if each is not None]
    if not some:
        return None
    synthesized: Counter[str] = Counter()
    classic: Counter[str] = Counter()
    for each in some:
        synthesized.update(each.synthesized)
        classic.update(each.classic_instead)
    return Synthesis(dict(synthesized), dict(classic))


def _changes_pixels(change: Change) -> bool:
    return change.is_struck or len(change.added) > 0


def correction_records(
    result: Result, state: State, applied_at: str
) -> tuple[CorrectionRecord, ...]:
    """Return what a manifest says of the corrections of a review."""
    found = [
        CorrectionRecord(
            'drawn', name, drawn.drawn_by.kind, track, drawn.drawn_by.index, len(drawn.boxes),
            drawn.drawn_by.by, drawn.drawn_by.at, applied_at,
        ) for (name, track), drawn in state.drawn.items()
    ]
    for edit in [*state.struck.values(), *state.struck_boxes]:
        stream = next(each for each in result.streams if each.name == edit.stream)
        frames = len(stream.tracks[edit.track].frames) if edit.track in stream.tracks else 1
        found.append(CorrectionRecord(
            'struck', edit.stream, edit.kind, edit.track, edit.index, frames, edit.by, edit.at,
            applied_at,
        ))
    return tuple(found)

