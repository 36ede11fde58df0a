# SPDX-License-Identifier: Apache-2.0
"""Files that grow with a run: whole where nothing failed, as far as they came where it did."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class GrowingFile(ABC):
    """A context that closes its file, completed if nothing was raised in it."""

    _file: IO[bytes]

    @abstractmethod
    def close(self) -> None:
        """Bring all of it to the disk; raise OutputError where that cannot be done."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        # What the error says matters more than what is left in the buffer.
        with contextlib.suppress(OSError):
            self._file.close()
