# SPDX-License-Identifier: Apache-2.0
"""What has to be decoded together: one image, or one group of pictures of a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.bags import messages
from anon_ros.bags.camera_types import PayloadKind
from anon_ros.errors import FrameError

if TYPE_CHECKING:
    from anon_ros.bags.pipeline import Item

LONGEST_GROUP = 600
"""Packets of a group of pictures; a longer one is cut, and what follows the cut is withheld."""


class Grouping:
    """Collects the camera messages of a bag into groups, each topic for itself."""

    def __init__(self) -> None:
        self._open: dict[str, list[Item]] = {}

    def add(self, item: Item) -> list[list[Item]]:
        """Take a camera's next message; return the groups that are complete now."""
        topic = item.message.connection.topic
        starts_group = _starts_group(item)
        if starts_group is None:
            return [*self._close(topic), [item]]
        done = []
        group = self._open.get(topic, [])
        if group and (starts_group or len(group) >= LONGEST_GROUP):
            done = self._close(topic)
        self._open.setdefault(topic, []).append(item)
        return done

    def rest(self) -> list[list[Item]]:
        """Return the groups that are still open: the bag ends here."""
        groups = list(self._open.values())
        self._open.clear()
        return groups

    def _close(self, topic: str) -> list[list[Item]]:
        group = self._open.pop(topic, None)
        return [group] if group else []


def _starts_group(item: Item) -> bool | None:
    """Return whether a video packet is a key frame; None for what is no video or unreadable."""
    try:
        located = messages.locate(item.message.connection, item.message.data)
        if located.kind is not PayloadKind.VIDEO:
            return None
        from anon_ros.media.video import codec_of, is_keyframe

        return is_keyframe(located.data, codec_of(located.format))
    except FrameError:
        # It stands alone, so that it alone is withheld.
        return None
