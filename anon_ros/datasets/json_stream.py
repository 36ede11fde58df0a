# SPDX-License-Identifier: Apache-2.0
"""
Large JSON files, value by value: no more of a file is in memory than one item and its bytes.

Bytes are scanned as Latin-1, so that a place in the text is a place in the file; what holds more
than ASCII is parsed again as UTF-8.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_BLOCK_BYTES = 1 << 20
_LONGEST_ITEM_BYTES = 1 << 28
_GOES_ON = '.eE+-'
_SPACE = re.compile(r'[ \t\r\n]*')


class Item(NamedTuple):
    """
    One value of a file.

    key: of the outer object, '' in a file that is one list. is_element: of a list under that
    key. offset, length: where it stands in the file, in bytes.
    """

    key: str
    is_element: bool
    value: Any
    offset: int
    length: int


def items(path: Path) -> Iterator[Item]:
    """
    Yield the elements of each list in the outer object, and its other values whole.

    Raises InputError that names the file and the byte where it is no JSON.
    """
    try:
        with path.open('rb') as file:
            yield from _Scanner(path, file).items()
    except OSError as error:
        raise InputError(f'{path}: cannot be read: {error.strerror}') from error


def read_item(file: BinaryIO, offset: int, length: int) -> Any:
    """Return one value again, from where items() found it."""
    file.seek(offset)
    return json.loads(file.read(length))


class _Scanner:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._text, self._at, self._start = '', 0, 0
        self._decoder = json.JSONDecoder(parse_constant=self._refuse)

    def items(self) -> Iterator[Item]:
        opening = self._peek()
        if opening == '[':
            yield from self._elements('')
        elif opening == '{':
            yield from self._members()
        else:
            self._fail('neither an object nor a list')
        if self._peek():
            self._fail('something follows its end')

    def _members(self) -> Iterator[Item]:
        self._take('{')
        while self._peek() != '}':
            key = self._value().value
            if not isinstance(key, str):
                self._fail('a key is no text')
            self._take(':')
            if self._peek() == '[':
                yield from self._elements(key)
            else:
                yield self._value()._replace(key=key)
            if self._peek() != '}':
                self._take(',')
        self._take('}')

    def _elements(self, key: str) -> Iterator[Item]:
        self._take('[')
        while self._peek() != ']':
            yield self._value()._replace(key=key, is_element=True)
            if self._peek() != ']':
                self._take(',')
        self._take(']')

    def _value(self) -> Item:
        """Return the next value; read on until it is whole."""
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._more():
                    self._fail('no JSON')
                continue
            # A number may go on beyond what was read so far: '-0.' reads as '-0' and a point.
            is_cut = end == len(self._text) or self._text[end] in _GOES_ON
            if not is_cut or not self._more():
                break
        text, offset = self._text[self._at:end], self._start + self._at
        self._at = end
        if not text.isascii():
            try:
                value = json.loads(text.encode('latin-1'))
            except ValueError:
                self._fail('no UTF-8')
        return Item('', False, value, offset, len(text))

    def _peek(self) -> str:
        """Return the next character that is no space; '' at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ''

    def _take(self, character: str) -> None:
        if self._peek() != character:
            self._fail(f"expected '{character}'")
        self._at += 1

    def _more(self) -> bool:
        """Read on; twice as much each time, so that a long item is not scanned too often."""
        kept = self._text[self._at:]
        if len(kept) > _LONGEST_ITEM_BYTES:
            self._fail(f'an item is larger than {_LONGEST_ITEM_BYTES >> 20} MiB')
        block = self._file.read(max(_BLOCK_BYTES, len(kept)))
        self._start += self._at
        self._text, self._at = kept + block.decode('latin-1'), 0
        return bool(block)

    def _refuse(self, name: str) -> float:
        self._fail(f'{name} is no JSON number')
        return 0.0

    def _fail(self, reason: str) -> None:
        raise InputError(f'{self._path}: damaged at byte {self._start + self._at}: {reason}')
