# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a dataset: named, counted, and stopped at or passed over by choice."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

ON_ERROR = ('stop', 'skip')
MOST_KEPT = 1000


@dataclass(frozen=True)
class Problem:
    """
    One thing that is wrong.

    kind: what is counted, e.g. 'missing image'. file: where it is. id: of the image or
    annotation, '' where it has none. detail: what was found there.
    """

    kind: str
    file: str
    id: str = ''
    detail: str = ''

    def __str__(self) -> str:
        identity = f' {self.id}' if self.id else ''
        detail = f': {self.detail}' if self.detail else ''
        return f'{self.file}{identity}: {self.kind}{detail}'


class Problems:
    """
    Collects problems, or stops at the first; safe to use from several threads.

    Counts are exact; of the problems themselves the first thousand are kept.
    """

    def __init__(self, on_error: str = 'stop') -> None:
        self._on_error = on_error
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self.first: list[Problem] = []

    def report(
        self, kind: str, file: object, identity: object = '', detail: str = ''
    ) -> str:
        """
        Count a problem and return it as a text.

        Raises InputError with that text where the first problem stops the run.
        """
        problem = Problem(kind, str(file), str(identity), detail)
        if self._on_error == 'stop':
            raise InputError(f'{problem}; with --on-error skip it is left out and counted')
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if len(self.first) < MOST_KEPT:
                self.first.append(problem)
        return str(problem)

    @contextmanager
    def caught(self, found: list[str], file: object, identity: object) -> Iterator[None]:
        """
        Report a ValueError of the block, and add its text to what was found.

        Its message up to the first ': ' is the kind of the problem.
        """
        try:
            yield
        except ValueError as error:
            kind, _, detail = str(error).partition(': ')
            found.append(self.report(kind, file, identity, detail))
