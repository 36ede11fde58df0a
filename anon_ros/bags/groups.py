# SPDX-License-Identifier: Apache-2.0
"""What has to be decoded together: one image, or one group of pictures of a video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from anon_ros.bags import messages
from anon_ros.bags.camera_types import PayloadKind
from anon_ros.errors import FrameError

if TYPE_CHECKING:
    from anon_ros.bags.storage.interface import Message

LONGEST_GROUP = 600
"""Packets of a group of pictures; a longer one is cut, and what follows the cut is withheld."""


class Groupable(Protocol):
    """A message on its way; parameters: a video's parameter sets before it."""

    message: Message
    parameters: bytes


Grouped = TypeVar('Grouped', bound=Groupable)


class Grouping(Generic[Grouped]):
    """Collects the camera messages of a bag into groups, each topic for itself."""

    def __init__(self) -> None:
        self._open: dict[str, list[Grouped]] = {}
        self._parameters: dict[str, bytes] = {}

    def add(self, item: Grouped) -> list[list[Grouped]]:
        """Take a camera's next message; return the groups that are complete now."""
        topic = item.message.connection.topic
        packet = video_packet(item.message)
        if packet is None:
            return [*self._close(topic), [item]]
        is_first, parameters = packet
        item.parameters = self._parameters.get(topic, b'')
        self._parameters[topic] = parameters or item.parameters
        group = self._open.get(topic, [])
        done = self._close(topic) if is_first or len(group) >= LONGEST_GROUP else []
        self._open.setdefault(topic, []).append(item)
        return done

    def rest(self) -> list[list[Grouped]]:
        """Return the groups that are still open: the bag ends here."""
        groups = list(self._open.values())
        self._open.clear()
        return groups

    def _close(self, topic: str) -> list[list[Grouped]]:
        group = self._open.pop(topic, None)
        return [group] if group else []


def video_packet(message: Message) -> tuple[bool, bytes] | None:
    """
    Return whether a message is a video's key frame, and the parameter sets in it.

    None for what is no video, or is unreadable: that stands alone, so that it alone is withheld.
    """
    try:
        located = messages.locate(message.connection, message.data)
        if located.kind is not PayloadKind.VIDEO:
            return None
        from anon_ros.media.nal import codec_of, is_keyframe, parameter_sets

        codec = codec_of(located.format)
        return is_keyframe(located.data, codec), parameter_sets(located.data, codec)
    except FrameError:
        return None
