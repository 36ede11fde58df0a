# SPDX-License-Identifier: Apache-2.0
"""What a reviewer may do, what comes of it, and what is refused."""

import json

import pytest
from bag_builder import BagBuilder, MagentaDetector, picture
from reviewed import (
    FRAMES,
    JPEG,
    RAW,
    SETTINGS,
    act,
    make_source,
    missed_box,
    opened,
    stream_of,
)

from anon_ros.audit.corrections import read_corrections
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsIndex
from anon_ros.core.regions import Kind, Origin
from anon_ros.errors import FrameError, OutputError, RegionsError, UsageError
from anon_ros.review.corrections import CORRECTIONS_NAME
from anon_ros.runs.bag import BagJob, anonymize_bag


def draw(session, frame=10, box=None):
    return act(session, 'draw', frame, kind='face', box=box or missed_box(frame))


def corrections_of(target):
    index = RegionsIndex(target / 'anon' / REGIONS_NAME)
    return read_corrections(target / 'anon' / CORRECTIONS_NAME, index.reader)


def test_what_is_drawn_is_saved_as_corrections_with_who_and_when(reviewed):
    with opened(reviewed.target) as session:
        told = draw(session)
        assert (told['pending'], told['can_undo']) == (1, True)
        # On the disk at once, before anybody follows it.
        assert len(corrections_of(reviewed.target).frames) == 1
        followed = session.follow(told['stream'], told['track'])
        assert followed['frames'] >= 16
    corrections = corrections_of(reviewed.target)
    assert {topic for topic, _ in corrections.frames} == {JPEG}
    added, _ = next(iter(corrections.frames.values()))
    assert added.kinds.tolist() == [Kind.FACE]
    assert added.track_ids.tolist() == [told['track']]
    assert added.origins.tolist() == [Origin.MANUAL]
    text = (reviewed.target / 'anon' / CORRECTIONS_NAME).read_text()
    region = json.loads(text.splitlines()[1])['regions'][0]
    assert region['by'] == 'anna'
    assert region['at'].endswith('+00:00')


def test_a_new_track_has_a_number_of_its_own(reviewed):
    with opened(reviewed.target) as session:
        first, second = draw(session), draw(session, 12)
        old = {region['track'] for region in session.frame(first['stream'], 10)['regions']
               if region['state'] == 'hidden'}
        assert len({first['track'], second['track'], *old}) == 2 + len(old)
        session.turn(is_undone=True)
        # A number that was undone is not given again: it may be done again.
        assert draw(session, 14)['track'] > second['track']


def test_a_review_goes_on_where_it_was(reviewed):
    with opened(reviewed.target) as session:
        told = draw(session)
        act(session, 'accept', 3)
        session.turn(is_undone=True)
    with opened(reviewed.target, reviewer='bert') as session:
        assert session.overview()['pending'] == 1
        session.follow_all()
        frame = session.frame(told['stream'], 10)
        drawn = next(each for each in frame['regions'] if each['state'] == 'drawn')
        assert (drawn['made']['by'], drawn['is_followed']) == ('anna', True)
        assert session.turn(is_undone=False)['action'] == 'accept'


def test_move_trim_and_remove(reviewed):
    with opened(reviewed.target) as session:
        told = draw(session)
        track, stream = told['track'], told['stream']
        act(session, 'move', 15, track=track, box=missed_box(15))
        act(session, 'trim', 8, track=track, side='before')
        act(session, 'trim', 17, track=track, side='after')
        assert session.follow(stream, track)['frames'] == 10
        spans = session.timeline(stream, 10)['spans']
        assert [(each['first'], each['last'], each['keys']) for each in spans] == [
            (8, 17, [10, 15])]
        act(session, 'remove', track=track)
        assert session.timeline(stream, 10)['spans'] == []
        with pytest.raises(UsageError, match='not drawn in this review'):
            session.follow(stream, track)
    assert corrections_of(reviewed.target).frames == {}


def test_striking_takes_the_source_and_a_confirmation(reviewed):
    with opened(reviewed.target) as session, pytest.raises(UsageError, match='--source'):
        act(session, 'strike', region=0, is_confirmed=True)
    with opened(reviewed.target, reviewed.source) as session:
        with pytest.raises(UsageError, match='confirmed'):
            act(session, 'strike', region=0)
        with pytest.raises(UsageError, match='no region 9'):
            act(session, 'strike', region=9, is_confirmed=True)
        told = act(session, 'strike', region=0, is_confirmed=True)
        states = [each['state'] for n in (0, 10, 23)
                  for each in session.frame(told['stream'], n)['regions']]
        assert states == ['struck'] * 3
        with pytest.raises(UsageError, match='already'):
            act(session, 'strike', 12, region=0, is_confirmed=True)
    corrections = corrections_of(reviewed.target)
    assert corrections.struck_tracks == {JPEG: frozenset({told['track']})}


@pytest.mark.parametrize(('action', 'fields', 'word'), [
    ('draw', {'frame': FRAMES}, 'no frame'), ('draw', {'frame': -1}, 'no frame'),
    ('draw', {'stream': 9}, 'no camera'), ('draw', {'box': [5, 5, 6, 50]}, 'at least'),
    ('draw', {'box': [-90, -90, -5, -5]}, 'at least'), ('move', {'track': 4}, 'not drawn'),
    ('trim', {'track': 0, 'side': 'after'}, 'not drawn'), ('remove', {'track': 0}, 'not drawn'),
])
def test_what_cannot_be_done_changes_nothing(reviewed, action, fields, word):
    with opened(reviewed.target) as session:
        with pytest.raises(UsageError, match=word):
            act(session, action, **{'kind': 'face', 'box': [5, 5, 40, 50], **fields})
        with pytest.raises(UsageError, match='nothing to undo'):
            session.turn(is_undone=True)
        with pytest.raises(UsageError, match='nothing to do again'):
            session.turn(is_undone=False)
        assert session.overview()['pending'] == 0


def test_a_box_that_leaves_the_picture_ends_at_its_edge(reviewed):
    with opened(reviewed.target) as session:
        told = draw(session, box=[200, 90, 150, 400])
        drawn = session.frame(told['stream'], 10)['regions'][-1]
        assert drawn['box'] == [150, 90, 192, 128]


def test_pictures_come_by_number_and_before_only_with_the_source(reviewed):
    with opened(reviewed.target) as session:
        stream = stream_of(session)
        assert session.picture(stream, 3, before=False)[:2] == b'\xff\xd8'
        small = session.picture(stream, 3, before=False, width=48)
        assert len(small) < len(session.picture(stream, 3, before=False))
        with pytest.raises(UsageError, match='--source'):
            session.picture(stream, 3, before=True)
        with pytest.raises(UsageError, match='no frame'):
            session.picture(stream, 10**6, before=False)
    with opened(reviewed.target, reviewed.source) as session:
        assert session.picture(stream, 3, before=True) != session.picture(stream, 3, before=False)


def test_another_recording_is_no_source(reviewed, tmp_path):
    other = make_source(tmp_path / 'other', frames=5)
    with pytest.raises(RegionsError, match='another recording'), opened(reviewed.target, other):
        pass


def test_a_regions_file_that_was_changed_is_refused(reviewed):
    regions = reviewed.target / 'anon' / REGIONS_NAME
    regions.write_text(regions.read_text().replace('"score":1', '"score":0.5'))
    with pytest.raises(RegionsError, match='it was changed'), opened(reviewed.target):
        pass


def test_only_one_reviews_at_a_time(reviewed):
    with (
        opened(reviewed.target), pytest.raises(OutputError, match='another review'),
        opened(reviewed.target),
    ):
        pass


def test_withheld_frames_show_their_reason_and_take_no_region(tmp_path):
    builder = BagBuilder()
    for i in range(5):
        if i == 2:
            builder.compressed(JPEG, i + 1, b'\xff\xd8\xff\xe0 broken')
        else:
            builder.raw(RAW, i + 1, picture())
            builder.jpeg(JPEG, i + 1, picture())
    source = builder.write(tmp_path / 'source')
    anonymize_bag(BagJob(source, tmp_path / 'target'), SETTINGS, detector=MagentaDetector())
    with opened(tmp_path / 'target', source) as session:
        stream = stream_of(session)
        withheld = [n for n in range(5) if session.frame(stream, n)['is_withheld']]
        assert withheld == [2]
        assert session.frame(stream, 2)['reason']
        assert [item['risks'][0]['reason'] for item in session.queue()][-1] == 'withheld'
        with pytest.raises(UsageError, match='withheld'):
            draw(session, 2, [5, 5, 40, 40])
        with pytest.raises(FrameError):
            session.picture(stream, 2, before=True)
