# SPDX-License-Identifier: Apache-2.0
"""Any frame of a bag: where each lies, and what has to be decoded with it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from anon_ros.bags import jobs
from anon_ros.bags.groups import LONGEST_GROUP, video_packet
from anon_ros.bags.storage.random_access import Bookmark, RandomAccess, bookmark
from anon_ros.errors import BagError, EncodingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from anon_ros.bags.jobs import Tools
    from anon_ros.bags.storage import Message, SourceBag
    from anon_ros.core.regions import UInt8Array
    from anon_ros.review.result import Stream

_NOWHERE = Bookmark(-1, 0, 0)
PROGRESS_EVERY = 256


class _Places:
    """Where the frames of one stream lie, in their order, and how they are grouped."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.starts = array('q')
        self.parameters: dict[int, bytes] = {}
        self._marks = tuple(array('q') for _ in Bookmark._fields)
        self._last_parameters = b''

    def __len__(self) -> int:
        return len(self._marks[0])

    def __getitem__(self, number: int) -> Bookmark | None:
        mark = Bookmark(*(column[number] for column in self._marks))
        return None if mark == _NOWHERE else mark

    def take(self, mark: Bookmark, message: Message | None) -> None:
        """Append the place of the next frame; message: None where it was dropped."""
        number = len(self)
        for column, value in zip(self._marks, mark, strict=True):
            column.append(value)
        packet = None if message is None else video_packet(message)
        if packet is None or packet[0] or self._is_apart(number):
            self.starts.append(number)
            self.parameters[number] = self._last_parameters
        if packet is not None:
            self._last_parameters = packet[1] or self._last_parameters

    def _is_apart(self, number: int) -> bool:
        """Whether a video's packet cannot belong to the group before it."""
        if not number or number - self.starts[-1] >= LONGEST_GROUP:
            return True
        # Groups are withheld as a whole, and what stands in their place may hold no key frame.
        withheld = self.stream.is_withheld
        return bool(withheld[number] or withheld[number - 1])

    def group(self, number: int) -> range:
        """Return the frames that are decoded together with one."""
        at = bisect_right(self.starts, number)
        end = self.starts[at] if at < len(self.starts) else len(self)
        return range(self.starts[at - 1], end)


class BagFrames:
    """
    The frames of an open bag, by stream and number; one pass over the bag finds them.

    tools: for what has to be opened. indices: of each of the bag's messages, among all messages
    of the recording.
    Raises BagError where the bag is not the one whose frames the streams are.
    """

    def __init__(
        self, bag: SourceBag, streams: Sequence[Stream], tools: Tools, indices: Iterable[int], *,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self._bag = bag
        self._tools = tools
        self._access = RandomAccess(bag)
        self._places = {stream.name: _Places(stream) for stream in streams}
        messages = (
            (number, message) for number, file in enumerate(bag.files)
            for message in file.messages()
        )
        for done, (index, (number, message)) in enumerate(zip(indices, messages, strict=False), 1):
            places = self._places.get(message.connection.topic)
            if places is not None:
                self._take(places, bookmark(number, message), message, index)
            if done % PROGRESS_EVERY == 0:
                progress(done, bag.message_count)
        if next(messages, None) is not None:
            raise BagError(f'{bag.path}: it holds more messages than were written to it')
        for places in self._places.values():
            self._finish(places)

    def message(self, stream: Stream, number: int) -> Message | None:
        """Return a frame's message, None where it was left out."""
        mark = self._places[stream.name][number]
        return None if mark is None else self._access.read(mark)

    def group(self, stream: Stream, number: int) -> range:
        """Return the frames that are decoded together with one: itself, or a video's group."""
        return self._places[stream.name].group(number)

    def parameters(self, stream: Stream, number: int) -> bytes:
        """Return a video's parameter sets before the group of a frame."""
        places = self._places[stream.name]
        return places.parameters[places.group(number).start]

    def read(self, stream: Stream, number: int) -> Iterator[tuple[int, UInt8Array]]:
        """
        Yield numbers and pictures of a frame's group.

        Raises FrameError where it was left out or cannot be decoded.
        """
        group = self.group(stream, number)
        found = [self.message(stream, each) for each in group]
        batch = [message for message in found if message is not None]
        if len(batch) != len(found):
            raise EncodingError('the frame was left out')
        parameters = self.parameters(stream, number)
        frames = jobs.open_frames(batch, self._tools, parameters)
        for each, frame in zip(group, frames, strict=True):
            yield each, frame.view_bgr()

    def _take(self, places: _Places, mark: Bookmark, message: Message, index: int) -> None:
        indices = places.stream.indices
        while len(places) < len(indices) and indices[len(places)] < index:
            self._skip(places)
        if len(places) == len(indices) or indices[len(places)] != index:
            raise self._stranger(places.stream)
        places.take(mark, message)

    def _finish(self, places: _Places) -> None:
        while len(places) < len(places.stream):
            self._skip(places)

    def _skip(self, places: _Places) -> None:
        """Note a frame that is not there; only a withheld one may be missing."""
        if not places.stream.is_withheld[len(places)]:
            raise self._stranger(places.stream)
        places.take(_NOWHERE, None)

    def _stranger(self, stream: Stream) -> BagError:
        return BagError(
            f'{self._bag.path}: its messages on {stream.name} are not those that the regions '
            'file tells of'
        )
