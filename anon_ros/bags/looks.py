# SPDX-License-Identifier: Apache-2.0
"""
What detectors saw in the messages of a part of a bag, to be tracked and rendered elsewhere.

A look belongs to the bytes of its messages: it is found by their digest and by nothing else, so
that it can never stand for other pictures. What is not found is looked into again. The bytes of a
part hold a thumbnail of every frame, so they must not lie where anonymized data lies.
"""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.bags.looks_columns import Columns
from anon_ros.errors import RegionsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.bags.jobs import Look
    from anon_ros.bags.storage.interface import Message

DIGEST_BYTES = 16
MOST_OPEN = 3
"""Parts in memory at once: messages come in order, and at a seam from two parts."""


def digest(batch: Sequence[Message], parameters: bytes) -> bytes:
    """Return what a look depends on: topics, times, payloads and a video's parameter sets."""
    found = hashlib.blake2b(struct.pack('<q', len(parameters)), digest_size=DIGEST_BYTES)
    found.update(parameters)
    for message in batch:
        topic = message.connection.topic.encode()
        found.update(struct.pack('<qqI', message.log_ns, len(message.data), len(topic)))
        found.update(topic)
        found.update(message.data)
    return found.digest()


class LooksWriter:
    """Collects the looks of a part of a bag; made_by: what they depend on beside the messages."""

    def __init__(self, made_by: str) -> None:
        self._made_by = made_by
        self._digests: list[bytes] = []
        self._looks: list[list[Look]] = []

    def add(self, key: bytes, looks: list[Look]) -> None:
        """Take the looks of a batch; key: its digest."""
        self._digests.append(key)
        self._looks.append(looks)

    def to_bytes(self) -> bytes:
        """Return all of them, packed."""
        frames = [look for looks in self._looks for look in looks]
        file = io.BytesIO()
        np.savez_compressed(
            file, allow_pickle=False,
            made_by=np.frombuffer(self._made_by.encode(), np.uint8),
            digests=np.frombuffer(b''.join(self._digests), np.uint8),
            batches=np.array([len(looks) for looks in self._looks], np.int64),
            **Columns.of(frames).to_arrays(),
        )
        return file.getvalue()


class Looks:
    """The looks of all parts of a bag, found by what was looked at; for several threads."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = list(parts)
        self._open: OrderedDict[int, _OpenPart] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, sources: Sequence[bytes | Path], made_by: str) -> Looks:
        """
        Return the looks of all parts that were made by this.

        sources: their bytes, or files of them, which have to stay.
        Raises RegionsError for what is no looks.
        """
        parts = [_Part(source) for source in sources]
        return cls([part for part in parts if part.made_by == made_by])

    def find(self, batch: Sequence[Message], parameters: bytes) -> list[Look] | None:
        """Return what was seen in a batch; None where nobody looked into just these bytes."""
        if not self._parts:
            return None
        key = digest(batch, parameters)
        with self._lock:
            for number, part in enumerate(self._parts):
                row = part.rows.get(key)
                if row is not None:
                    return self._opened(number).looks(row)
        return None

    def _opened(self, number: int) -> _OpenPart:
        if number not in self._open:
            self._open[number] = _OpenPart(self._parts[number])
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        self._open.move_to_end(number)
        return self._open[number]


class _Part:
    """A part whose index is read, but not its looks."""

    def __init__(self, source: bytes | Path) -> None:
        self._source = source
        arrays = self.load('made_by', 'digests')
        self.made_by = arrays['made_by'].tobytes().decode('utf-8', 'replace')
        keys = arrays['digests'].tobytes()
        self.rows = {
            keys[at:at + DIGEST_BYTES]: at // DIGEST_BYTES
            for at in range(0, len(keys), DIGEST_BYTES)
        }

    def load(self, *names: str) -> dict[str, Any]:
        """Return some arrays, all where none is named; raise RegionsError for damage."""
        source = io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source
        try:
            with np.load(source, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names or arrays.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RegionsError(f'what was looked at before cannot be read: {error}') from error


class _OpenPart:
    """A part in memory."""

    def __init__(self, part: _Part) -> None:
        arrays = part.load()
        self._columns = Columns.from_arrays(arrays)
        self._starts = np.concatenate([[0], np.cumsum(arrays['batches'])])

    def looks(self, row: int) -> list[Look]:
        return [
            self._columns.look(frame)
            for frame in range(int(self._starts[row]), int(self._starts[row + 1]))
        ]
