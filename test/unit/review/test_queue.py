# SPDX-License-Identifier: Apache-2.0
"""What comes first: what another detector still sees, before what is merely odd."""

import json

import pytest
from reviewed import JPEG, act, missed_box, opened, stream_of

from anon_ros.audit.manifest import manifest_path
from anon_ros.audit.verification import FILE_NAME, StillSeen, Verification
from anon_ros.errors import InputError


def verify(target, *, root=None):
    """Write down that a second detector saw the one that was missed."""
    if root is None:
        root = json.loads(manifest_path(target).read_text())['seal']['root']
    seen = StillSeen(JPEG, 30, 'face', 0.8, tuple(map(float, missed_box(10))))
    found = Verification('1', 'now', root, still_seen=(seen,))
    (target / 'anon' / FILE_NAME).write_text(found.to_json())


def test_what_is_still_seen_comes_first(reviewed):
    verify(reviewed.target)
    with opened(reviewed.target) as session:
        first = session.queue()[0]
        assert (first['stream'], first['number']) == (stream_of(session), 10)
        assert first['risks'][0]['box'] == list(missed_box(10))
        assert not first['is_accepted']
        assert session.overview()['queue_seen'] == 0
        told = act(session, 'accept')
        assert (told['queue_seen'], told['pending']) == (1, 0)
        assert session.queue()[0]['is_accepted']
        timeline = session.timeline(first['stream'], 24)
        assert timeline['accepted'] == [10]
        assert max(timeline['risk']) == timeline['risk'][10] > 0.5
        session.turn(is_undone=True)
        assert not session.queue()[0]['is_accepted']


def test_what_tells_of_another_result_does_not_count(reviewed):
    verify(reviewed.target, root='of another one')
    with opened(reviewed.target) as session:
        assert session.queue() == []


def test_a_damaged_verification_is_named(reviewed):
    (reviewed.target / 'anon' / FILE_NAME).write_text('{')
    with pytest.raises(InputError, match=FILE_NAME), opened(reviewed.target):
        pass


def test_where_what_was_drawn_is_lost_comes_first_until_somebody_has_looked(reviewed):
    with opened(reviewed.target) as session:
        drawn = act(session, 'draw', kind='face', box=missed_box(10))
        followed = session.follow(drawn['stream'], drawn['track'])
        lost = [item for item in session.queue() if 'lost' in item['risks'][0]['reason']]
        assert followed['doubts'] == len(session.queue()) >= len(lost) >= 1
        # It is not there after frame 19.
        assert max(item['number'] for item in lost) in range(19, 24)
        assert session.open_doubts() == followed['doubts']
        for item in session.queue():
            told = act(session, 'accept', frame=item['number'])
        assert session.open_doubts() == 0
        assert told['queue_seen'] == told['queue_length']
    with opened(reviewed.target) as session:
        assert len(session.queue()) == followed['doubts']
        stream, track = drawn['stream'], drawn['track']
        act(session, 'trim', frame=12, track=track, side='after')
        assert session.follow(stream, track)['doubts'] < followed['doubts']
