# SPDX-License-Identifier: Apache-2.0
"""One way to read and to write the JSON files of a result."""

from dataclasses import dataclass

import pytest

from anon_ros.audit import typed_json
from anon_ros.errors import InputError, OutputError


@dataclass(frozen=True)
class Note:
    text: str
    schema: str = 'anon_ros/note'
    schema_version: int = 1

    def __post_init__(self):
        typed_json.check_schema(self, 'anon_ros/note', 1)


def test_it_comes_back_with_all_that_stands_there(tmp_path):
    path = tmp_path / 'anon' / 'note.json'
    typed_json.write(Note('a\u00e9'), path, 'note')
    assert typed_json.read(Note, path, 'note') == Note('a\u00e9')
    path.write_text('{"text": "b", "later": 1}')
    assert typed_json.read_with_plain(Note, path, 'note') == (
        Note('b'), {'text': 'b', 'later': 1})


def test_it_is_there_whole_or_as_it_was(tmp_path):
    path = tmp_path / 'note.json'
    typed_json.write(Note('old'), path, 'note')
    (tmp_path / 'note.json.new').mkdir()  # so that nothing new can be written
    with pytest.raises(OutputError, match=r'note\.json: cannot write the note: Is a directory'):
        typed_json.write(Note('new'), path, 'note')
    assert typed_json.read(Note, path, 'note') == Note('old')
    (tmp_path / 'note.json.new').rmdir()
    typed_json.write(Note('new'), path, 'note')
    assert [each.name for each in tmp_path.iterdir()] == ['note.json']


@pytest.mark.parametrize(('content', 'message'), [
    (b'{"text": 1}', 'no note of anon_ros: text is 1'),
    (b'[]', 'it is no object'),
    (b'\xff', 'no note of anon_ros'),
    (b'{"text": "a", "schema": "other"}', "schema is 'other', expected 'anon_ros/note'"),
    (b'{"text": "a", "schema_version": 2}', 'schema_version is 2; this version .* reads 1'),
    (b' ' * (2**20 + 1), 'larger than 1 MiB'),
])
def test_what_is_wrong_names_the_file_and_the_reason(tmp_path, content, message):
    path = tmp_path / 'note.json'
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        typed_json.read(Note, path, 'note', 2**20)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match='cannot read the note: No such file'):
        typed_json.read(Note, tmp_path / 'none.json', 'note')
