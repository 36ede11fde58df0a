# SPDX-License-Identifier: Apache-2.0
"""
Where in COCO's files each image and its annotations stand.

A COCO file lists all images and then all annotations, in any order. The index is a temporary
database on the disk, so that memory does not grow with the dataset.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from anon_ros.datasets.json_stream import Item, items

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.datasets.problems import Problems

_SCHEMA = """
CREATE TABLE images (id INTEGER PRIMARY KEY, rank INTEGER, file INTEGER, at INTEGER,
                     length INTEGER, damage TEXT);
CREATE TABLE annotations (id INTEGER, image INTEGER, file INTEGER, at INTEGER, length INTEGER,
                          PRIMARY KEY (id, file)) WITHOUT ROWID;
"""


class Place(NamedTuple):
    """A value in a file: number of the file, offset and length in bytes."""

    file: int
    offset: int
    length: int


class CocoIndex:
    """
    The images of one split, in the order of the file, and their annotations.

    files: several describe the same images (instances, person keypoints); the first that names
    an image is taken for it. categories: name by id. header: the other values of the first file.
    """

    def __init__(self, files: Sequence[Path], problems: Problems) -> None:
        self._files = files
        self._problems = problems
        self.categories: dict[int, str] = {}
        self.header: dict[str, Any] = {}
        self._ranks = 0
        self._database = sqlite3.connect('', check_same_thread=False, isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute('BEGIN')
        for number, path in enumerate(files):
            for item in items(path):
                self._put(number, item)
        self._database.execute('CREATE INDEX by_image ON annotations (image)')
        self._report_strays()

    def __len__(self) -> int:
        return int(self._database.execute('SELECT COUNT(*) FROM images').fetchone()[0])

    def images(self) -> Iterator[tuple[int, Place, str | None]]:
        """Yield id, place and damage (None if none) of each image in order."""
        rows = self._database.cursor().execute(
            'SELECT id, file, at, length, damage FROM images ORDER BY rank')
        for identity, file, offset, length, damage in rows:
            yield identity, Place(file, offset, length), damage

    def annotations(self, image: int) -> list[tuple[int, Place]]:
        """Return id and place of each annotation of an image, in the order of the files."""
        rows = self._database.execute(
            'SELECT id, file, at, length FROM annotations WHERE image = ? ORDER BY file, at',
            (image,))
        return [(identity, Place(file, at, length)) for identity, file, at, length in rows]

    def close(self) -> None:
        """Let go of the database, which vanishes."""
        self._database.close()

    def _put(self, number: int, item: Item) -> None:
        if item.key == 'images' and item.is_element:
            self._put_image(number, item)
        elif item.key == 'annotations' and item.is_element:
            self._put_annotation(number, item)
        elif item.key == 'categories' and item.is_element:
            self._put_category(number, item.value)
        elif number == 0 and not item.is_element:
            self.header[item.key] = item.value
        elif number == 0:
            self.header.setdefault(item.key, []).append(item.value)

    def _put_category(self, number: int, value: Any) -> None:
        identity = _whole(value, 'id')
        name = value.get('name') if isinstance(value, dict) else None
        if identity is None or not isinstance(name, str):
            self._problems.report('damaged category', self._files[number], detail=str(value)[:60])
            return
        if self.categories.setdefault(identity, name) != name:
            self._problems.report(
                'duplicate id', self._files[number], identity, f'category {name}')
        described = self.header.setdefault('categories', [])
        if value not in described:
            described.append(value)

    def _put_image(self, number: int, item: Item) -> None:
        identity = _whole(item.value, 'id')
        if identity is None:
            self._problems.report('image without a whole number as id', self._files[number])
            return
        known = self._database.execute(
            'SELECT file FROM images WHERE id = ?', (identity,)).fetchone()
        if known is None:
            self._database.execute(
                'INSERT INTO images VALUES (?, ?, ?, ?, ?, NULL)',
                (identity, self._ranks, number, item.offset, item.length))
            self._ranks += 1
        elif known[0] == number:
            text = self._problems.report('duplicate id', self._files[number], identity, 'image')
            self._damage(identity, text)

    def _put_annotation(self, number: int, item: Item) -> None:
        identity, image = _whole(item.value, 'id'), _whole(item.value, 'image_id')
        if identity is None or image is None:
            text = self._problems.report(
                'annotation without whole numbers as id and image_id', self._files[number],
                '' if identity is None else identity)
            if image is not None:
                self._damage(image, text)
            return
        try:
            self._database.execute(
                'INSERT INTO annotations VALUES (?, ?, ?, ?, ?)',
                (identity, image, number, item.offset, item.length))
        except sqlite3.IntegrityError:
            text = self._problems.report(
                'duplicate id', self._files[number], identity, 'annotation')
            self._damage(image, text)

    def _damage(self, image: int, text: str) -> None:
        self._database.execute('UPDATE images SET damage = ? WHERE id = ?', (text, image))

    def _report_strays(self) -> None:
        strays = self._database.cursor().execute(
            'SELECT id, file, image FROM annotations '
            'WHERE image NOT IN (SELECT id FROM images) ORDER BY id')
        for identity, file, image in strays:
            self._problems.report(
                'annotation for an image that is not there', self._files[file], identity,
                f'image {image}')


def _whole(value: Any, key: str) -> int | None:
    number = value.get(key) if isinstance(value, dict) else None
    return number if type(number) is int and abs(number) < 1 << 62 else None
