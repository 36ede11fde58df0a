# SPDX-License-Identifier: Apache-2.0
"""
Verify videos by groups of pictures: a group changes as a whole, or not at all.

A group encoded again is lossy, so its pixels prove nothing; what is checked is that a group
changed only if it had something to hide, can be decoded, and still holds as many pictures of the
same size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.bags.groups import LONGEST_GROUP
from anon_ros.bags.messages import locate
from anon_ros.bags.verify_frame import UNSEEN, Change, is_gray
from anon_ros.errors import FrameError
from anon_ros.media.nal import codec_of, is_keyframe, parameter_sets, video_size
from anon_ros.media.video import decode_gop

if TYPE_CHECKING:
    from anon_ros.bags.verify_report import ReportBuilder
    from anon_ros.bags.verify_search import FramePair, Searcher
    from anon_ros.core.planes import Frame


@dataclass
class _Group:
    pairs: list[FramePair] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        return any(change is not Change.UNCHANGED for change in self.changes)

    @property
    def hides(self) -> bool | None:
        """Whether anything is hidden in it; None where nobody knows."""
        if any(pair.hidden is None for pair in self.pairs):
            return None
        return any(pair.hidden is not None and len(pair.hidden) for pair in self.pairs)


class VideoVerifier:
    """Collects the packets of each topic's open group; encoded, so memory stays bounded."""

    def __init__(self, report: ReportBuilder, searcher: Searcher) -> None:
        self._report = report
        self._searcher = searcher
        self._open: dict[str, _Group] = {}
        self._parameters: dict[str, bytes] = {}

    def add(self, pair: FramePair, change: Change) -> None:
        """Take the next packet of a topic; a keyframe of the source closes the group before."""
        topic = pair.before.connection.topic
        group = self._open.setdefault(topic, _Group())
        if group.pairs and (_starts_group(pair) or len(group.pairs) >= LONGEST_GROUP):
            self._close(topic)
            group = self._open.setdefault(topic, _Group())
        group.pairs.append(pair)
        group.changes.append(change)

    def finish(self) -> None:
        """Check the groups that are still open: the bags end here."""
        for topic in list(self._open):
            self._close(topic)

    def _close(self, topic: str) -> None:
        group = self._open.pop(topic)
        due = [self._searcher.is_due(topic) for _ in group.pairs]
        is_gray_all_over = self._look(group, due)
        for change in group.changes:
            is_masked = is_gray_all_over and change is Change.CHANGED
            self._report.count(topic, (Change.MASKED if is_masked else change).value)
        if group.hides and not group.is_changed:
            self._differ(group, 'there is something to hide, but no byte of the group changed')
        is_plain = group.hides is False and Change.CHANGED in group.changes
        if is_plain and not is_gray_all_over:
            self._differ(group, 'nothing to hide in the group, but it changed')

    def _look(self, group: _Group, due: list[bool]) -> bool:
        """Decode a group of the result; return whether it is gray all over."""
        topic = group.pairs[0].before.connection.topic
        packets = [pair.located.data for pair in group.pairs]
        gray = True
        try:
            codec = codec_of(group.pairs[0].located.format)
            parameters = self._earlier_parameters(topic, packets[0], codec)
            for pair, is_due, picture in zip(
                group.pairs, due, decode_gop(packets, codec, parameters=parameters), strict=True
            ):
                gray = gray and is_gray(picture)
                self._check_size(pair, picture, codec)
                if is_due:
                    self._searcher.search(pair, picture.view_bgr())
        except (FrameError, ValueError) as error:
            if Change.CHANGED in group.changes:
                self._differ(group, f'the changed group cannot be decoded: {error}')
            elif Change.UNCHANGED in group.changes:
                self._differ(group, f'{UNSEEN}: {error}')
            return False
        return gray

    def _earlier_parameters(self, topic: str, keyframe: memoryview, codec: str) -> bytes:
        """Return the parameter sets that came before, where a keyframe brings none."""
        own = parameter_sets(keyframe, codec)
        if own:
            self._parameters[topic] = own
            return b''
        return self._parameters.get(topic, b'')

    def _check_size(self, pair: FramePair, picture: Frame, codec: str) -> None:
        """Compare a keyframe's size with what the source's promises."""
        try:
            source = locate(pair.before.connection, pair.before.data)
            size_wh = video_size([source.data], codec)
        except FrameError:
            # Only packets with a parameter set tell a size.
            return
        if size_wh != picture.size_wh:
            self._report.differ(
                f'{pair.name}: the size was {size_wh} px and is {picture.size_wh} px'
            )

    def _differ(self, group: _Group, cause: str) -> None:
        self._report.differ(f'{group.pairs[0].name}: {cause}')


def _starts_group(pair: FramePair) -> bool:
    try:
        source = locate(pair.before.connection, pair.before.data)
        return is_keyframe(source.data, codec_of(source.format))
    except FrameError:
        return True
