# SPDX-License-Identifier: Apache-2.0
"""What a bag is to the rest of the house, whatever format it is stored in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, eq=False)
class Connection:
    """
    One topic as one recorder saw it in one file; equal to itself only, so it hashes fast.

    msgtype: normalised, 'sensor_msgs/msg/Image', though old bags write 'sensor_msgs/Image'.
    msgdef: the definition text as recorded, '' where the bag has none.
    serialization: 'cdr', 'ros1', or the message encoding of an mcap file ('protobuf', 'json').
    message_count: messages in that file, -1 where only a full pass would tell.
    """

    id: int
    topic: str
    msgtype: str
    msgdef: str
    serialization: str
    message_count: int


class Message(NamedTuple):
    """
    One recorded message.

    publish_ns and sequence: log_ns and 0 in formats that store none.
    data: the payload, decompressed where the bag compresses each message.
    place, ordinal: where the message lies in its file; only the storage itself reads them.
    """

    connection: Connection
    log_ns: int
    publish_ns: int
    sequence: int
    data: bytes | memoryview
    place: Any
    ordinal: int


@dataclass(frozen=True)
class Attachment:
    """
    Something in a file that is no message: it may hold images that nobody anonymizes.

    An mcap attachment, an mcap record of a private kind or an sqlite table that rosbag2 does
    not know.

    file: name of the bag's file. size: payload bytes. read: return the payload.
    """

    file: str
    name: str
    media_type: str
    size: int
    read: Callable[[], bytes]

    @property
    def data(self) -> bytes:
        """The payload, read anew at each use."""
        return self.read()


class SourceFile(Protocol):
    """One file of a bag, open for reading."""

    @property
    def name(self) -> str:
        """The file's name in its folder."""

    @property
    def connections(self) -> Sequence[Connection]:
        """The topics of this file, those without messages too."""

    @property
    def message_count(self) -> int:
        """Messages in this file, -1 where only a full pass would tell."""

    @property
    def attachments(self) -> Sequence[Attachment]:
        """What is in this file beside messages."""

    def messages(self, skip: int = 0) -> Iterator[Message]:
        """
        Yield all messages but the first `skip`, in the stored order.

        Raises BagError on damage; the message names the file and the cause.
        """

    def sample(self, connection: Connection, count: int) -> Iterator[bytes | memoryview]:
        """Yield up to `count` payloads of a connection, spread over the file."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True)
class Tally:
    """
    What a target file holds so far.

    counts, dropped: messages by connection id. first_ns, last_ns: log times; None when empty.
    """

    counts: dict[int, int]
    dropped: dict[int, int]
    first_ns: int | None
    last_ns: int | None


class TargetFile(Protocol):
    """
    One file of a bag being written.

    Each message of the source file is written or dropped once, in the source's order.
    """

    @property
    def messages_done(self) -> int:
        """Source messages written or dropped already: skip as many when a run is resumed."""

    @property
    def tally(self) -> Tally:
        """What has been written and dropped so far."""

    def write(self, message: Message, data: bytes | memoryview) -> None:
        """
        Write a message with this payload.

        Pass message.data itself where nothing changes: that keeps even compressed bytes.
        """

    def drop(self, message: Message) -> None:
        """Leave a message out."""

    def checkpoint(self) -> int:
        """Make what is complete survive a kill; return how many source messages that is."""

    def finish(self) -> None:
        """Complete the file. Raises OutputError unless every source message was seen."""

    def close(self) -> None:
        """Let go of the file as it is; a later run may resume it."""
