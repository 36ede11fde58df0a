# SPDX-License-Identifier: Apache-2.0
"""The journal: on the disk when it says so, and never another recording's."""

import json

import pytest

from anon_ros.audit.regions_file import Source
from anon_ros.errors import InputError, OutputError
from anon_ros.review.edits import Applied, Edit, Path, Turn
from anon_ros.review.journal import Journal

SOURCE = Source('drive', 'abc', 5, {'/camera': 3})
EVENTS = [
    Edit(1, 'draw', 'anna', 'now', '/camera', 5, 7, 'face', (1.0, 2.0, 3.5, 4.0)),
    Path('/camera', 7, 'digest', {'5': (1.0, 2.0, 3.5, 4.0)}),
    Turn(1, True, 'anna', 'later'),
    Applied((1,), 'bert', 'last'),
]


@pytest.fixture
def path(tmp_path):
    with Journal(tmp_path / 'review.jsonl', SOURCE) as journal:
        for event in EVENTS:
            journal.append(event)
    return tmp_path / 'review.jsonl'


def test_what_was_done_is_there_again(path):
    with Journal(path, SOURCE) as journal:
        assert journal.events == EVENTS
        assert journal.next_id == 2


@pytest.mark.parametrize('cut', [1, 5, 40])
def test_a_line_that_a_kill_cut_short_says_nothing(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(path, SOURCE) as journal:
        assert journal.events == EVENTS[:3]
        journal.append(EVENTS[3])
    with Journal(path, SOURCE) as journal:
        assert journal.events == EVENTS


def test_a_journal_that_was_killed_at_its_start_begins_anew(tmp_path):
    path = tmp_path / 'review.jsonl'
    path.write_bytes(b'{"schema": "anon_ros/rev')
    with Journal(path, SOURCE) as journal:
        assert journal.events == []
    with Journal(path, SOURCE):
        pass


def test_two_reviews_of_one_result_do_not_trip_over_each_other(path):
    with Journal(path, SOURCE), pytest.raises(OutputError, match='another review'):
        Journal(path, SOURCE)


def test_the_journal_of_another_recording_is_refused(path):
    other = Source('drive', 'abc', 6, {'/camera': 3})
    with pytest.raises(InputError, match='another recording'):
        Journal(path, other)


EDIT = {'event': 'edit', 'id': 1, 'action': 'draw', 'by': 'a', 'at': 'b', 'stream': 'c',
        'index': 1, 'box': [1, 2, 3, 4]}


@pytest.mark.parametrize(('line', 'word'), [
    ('{"event": "wish"}', 'unknown'), ('[1]', 'object'), ('{"event"', 'line 6'),
    ('{"event": "turn", "edit": NaN}', 'NaN'), (json.dumps({**EDIT, 'id': 'one'}), 'id'),
    (json.dumps({**EDIT, 'box': [1, 2]}), 'line 6'),
    (json.dumps({**EDIT, 'action': 'burn'}), 'action'),
])
def test_nonsense_is_named_by_its_line(path, line, word):
    with path.open('a') as file:
        file.write(line + '\n')
    with pytest.raises(InputError, match='line 6') as caught:
        Journal(path, SOURCE)
    assert word in str(caught.value)
    # It let go of the file.
    with pytest.raises(InputError):
        Journal(path, SOURCE)


def test_what_is_no_journal_is_refused(tmp_path):
    path = tmp_path / 'review.jsonl'
    path.write_text(json.dumps({'schema': 'anon_ros/regions', 'schema_version': 1}) + '\n')
    with pytest.raises(InputError, match='no journal'):
        Journal(path, SOURCE)
    with pytest.raises(OutputError, match='cannot be written'):
        Journal(tmp_path / 'no' / 'review.jsonl', SOURCE)


def test_a_copy_has_one_event_more(path, tmp_path):
    with Journal(path, SOURCE) as journal:
        journal.copy_to(tmp_path / 'copy.jsonl', Turn(1, False, 'bert', 'now'))
    with Journal(tmp_path / 'copy.jsonl', SOURCE) as journal:
        assert journal.events == [*EVENTS, Turn(1, False, 'bert', 'now')]
