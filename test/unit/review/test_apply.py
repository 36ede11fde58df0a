# SPDX-License-Identifier: Apache-2.0
"""Corrections in the result: what was missed is hidden, all else keeps its bytes."""

import pytest
from bag_builder import shows_magenta
from reviewed import (
    JPEG,
    act,
    make_result,
    missed_box,
    opened,
    read,
    shows_yellow,
    stream_of,
)

from anon_ros.audit.manifest import is_anonymized, manifest_path, read_manifest, sidecar_path
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.errors import OutputError, UsageError
from anon_ros.review.apply import ApplyJob, apply_review
from anon_ros.runs.check import check_seal
from anon_ros.runs.verify import verify_bag


def draw(reviewed, frame=10, source=None):
    with opened(reviewed.target, source) as session:
        told = act(session, 'draw', frame, kind='face', box=missed_box(frame))
        session.follow(told['stream'], told['track'])


def apply(reviewed, source=None, out=None):
    return apply_review(ApplyJob(reviewed.target, source, out, 'bert'))


def is_proven(source, target):
    return check_seal(target, source).ok and verify_bag(source, target, search_every=0).ok


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_a_drawn_region_is_hidden_and_nothing_else_changes(tmp_path, storage):
    reviewed = make_result(tmp_path, storage)
    before = read(reviewed.target)
    assert any(shows_yellow(image) for topic, _, _, image in before if topic == JPEG)
    draw(reviewed)
    done = apply(reviewed)
    after = read(reviewed.target)
    assert [message[:2] for message in after] == [message[:2] for message in before]
    changed = 0
    for old, new in zip(before, after, strict=True):
        if new[0] == JPEG:
            assert not shows_yellow(new[3])
            changed += old[2] != new[2]
        else:
            assert old[2] == new[2]
    assert changed == done.frames
    assert is_anonymized(reviewed.target)
    assert is_proven(*reviewed)
    record, = read_manifest(manifest_path(reviewed.target)).corrections
    assert (record.action, record.by, record.frames) == ('drawn', 'anna', done.frames)
    assert [path.name for path in tmp_path.iterdir() if 'corrected' in path.name] == []


def test_frames_that_are_not_touched_keep_their_bytes(reviewed):
    with opened(reviewed.target) as session:
        told = act(session, 'draw', 10, kind='plate', box=missed_box(10))
        act(session, 'trim', 9, track=told['track'], side='before')
        act(session, 'trim', 11, track=told['track'], side='after')
    before = [message for message in read(reviewed.target) if message[0] == JPEG]
    assert apply(reviewed).frames == 3
    after = [message for message in read(reviewed.target) if message[0] == JPEG]
    changed = [i for i, (old, new) in enumerate(zip(before, after, strict=True))
               if old[2] != new[2]]
    assert changed == [9, 10, 11]
    assert not any(shows_yellow(after[i][3]) for i in changed)
    assert shows_yellow(after[12][3])


def test_a_struck_track_shows_the_original_and_it_is_on_record(reviewed):
    with opened(reviewed.target, reviewed.source) as session:
        act(session, 'strike', region=0, is_confirmed=True)
    with pytest.raises(UsageError, match='--source'):
        apply(reviewed)
    assert not any(shows_magenta(image) for topic, _, _, image in read(reviewed.target)
                   if topic == JPEG)
    done = apply(reviewed, reviewed.source)
    originals = {message[1]: message[2] for message in read(reviewed.source)
                 if message[0] == JPEG}
    for topic, stamp_ns, raw, image in read(reviewed.target):
        if topic == JPEG:
            # Nothing is hidden there any more, so the very bytes of the camera are back.
            assert raw == originals[stamp_ns]
        elif image is not None:
            assert not shows_magenta(image)
    record, = read_manifest(manifest_path(reviewed.target)).corrections
    assert (record.action, record.by, record.topic) == ('struck', 'anna', JPEG)
    assert record.frames == done.frames == 24
    assert is_proven(*reviewed)


def test_where_one_is_struck_the_others_stay_hidden(reviewed):
    draw(reviewed, source=reviewed.source)
    with opened(reviewed.target, reviewed.source) as session:
        act(session, 'strike', region=0, is_confirmed=True)
    apply(reviewed, reviewed.source)
    images = [image for topic, _, _, image in read(reviewed.target) if topic == JPEG]
    assert all(shows_magenta(image) for image in images)
    assert not any(shows_yellow(image) for image in images)
    assert is_proven(*reviewed)


def test_what_was_applied_is_part_of_the_result(reviewed):
    draw(reviewed)
    apply(reviewed)
    with pytest.raises(UsageError, match='nothing to apply'):
        apply(reviewed)
    with opened(reviewed.target, reviewed.source) as session:
        overview = session.overview()
        assert (overview['pending'], overview['can_undo']) == (0, False)
        regions = session.frame(stream_of(session), 10)['regions']
        manual = next(each for each in regions if each['origin'] == 'manual')
        assert manual['state'] == 'hidden'
        with pytest.raises(UsageError, match='never struck'):
            act(session, 'strike', region=manual['region'], is_confirmed=True)
    # And a second round goes on from there.
    with opened(reviewed.target) as session:
        act(session, 'draw', 2, kind='plate', box=[5, 5, 30, 25])
    apply(reviewed)
    records = read_manifest(manifest_path(reviewed.target)).corrections
    assert [record.kind for record in records] == ['face', 'plate']
    assert is_proven(*reviewed)


def test_apply_to_another_place(reviewed, tmp_path):
    draw(reviewed)
    before = read(reviewed.target)
    out = tmp_path / 'corrected'
    apply(reviewed, out=out)
    assert [message[2] for message in read(reviewed.target)] == [m[2] for m in before]
    assert not any(shows_yellow(image) for topic, _, _, image in read(out) if topic == JPEG)
    assert is_proven(reviewed.source, out)
    with pytest.raises(OutputError, match='exists'):
        apply(reviewed, out=out)


def test_what_others_put_beside_it_stays(reviewed):
    draw(reviewed)
    (reviewed.target / 'notes.txt').write_text('mine')
    (reviewed.target / 'anon' / 'labels').mkdir()
    (reviewed.target / 'anon' / 'labels' / 'a.json').write_text('{}')
    (reviewed.target / 'anon' / 'attack.json').write_text('of the old pictures')
    apply(reviewed)
    assert (reviewed.target / 'notes.txt').read_text() == 'mine'
    assert (reviewed.target / 'anon' / 'labels' / 'a.json').read_text() == '{}'
    assert not (reviewed.target / 'anon' / 'attack.json').exists()


@pytest.mark.parametrize('moved', [False, True])
def test_a_kill_before_the_last_rename_is_made_good(reviewed, tmp_path, moved):
    draw(reviewed)
    out = tmp_path / 'anonymized.corrected'
    apply(reviewed, out=out)
    if moved:
        reviewed.target.rename(tmp_path / 'anonymized.replaced')
    # The next start of either command finishes the swap; there is nothing left to apply then.
    with pytest.raises(UsageError, match='nothing to apply'):
        apply(reviewed)
    assert not any(shows_yellow(image) for topic, _, _, image in read(reviewed.target)
                   if topic == JPEG)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['anonymized']


def test_a_disk_that_is_full_leaves_the_old_result(reviewed, monkeypatch):
    draw(reviewed)
    before = read(reviewed.target)

    def full(*_):
        raise OutputError('no space left on device')

    monkeypatch.setattr('anon_ros.review.apply.seal_records', full)
    with pytest.raises(OutputError, match='no space'):
        apply(reviewed)
    monkeypatch.undo()
    assert [message[2] for message in read(reviewed.target)] == [m[2] for m in before]
    assert reviewed.target.with_name('anonymized.corrected.partial').is_dir()
    apply(reviewed)
    assert is_proven(*reviewed)


def test_a_frame_that_fails_is_masked(reviewed, monkeypatch):
    draw(reviewed)

    def broken(*_, **__):
        raise RuntimeError('out of memory, say')

    monkeypatch.setattr('anon_ros.core.frame_anonymizer.FrameAnonymizer.overwrite', broken)
    done = apply(reviewed)
    monkeypatch.undo()
    images = [image for topic, _, _, image in read(reviewed.target) if topic == JPEG]
    gray = sum(image.std() < 2 for image in images)
    assert gray == done.frames
    assert not any(shows_yellow(image) for image in images)
    assert read_manifest(manifest_path(reviewed.target)).withheld == done.frames


def test_the_sidecar_tells_what_is_hidden_now(reviewed):
    draw(reviewed)
    apply(reviewed)
    frames = [frame for frame in RegionsReader(sidecar_path(reviewed.target) / 'regions.jsonl')
              if frame.topic == JPEG]
    assert all(len(frame.regions) == 2 for frame in frames)
    counts = read_manifest(manifest_path(reviewed.target)).cameras[JPEG]
    assert counts.regions_by_origin['manual'] == len(frames)
