# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import dataclasses
import json
import resource

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.audit import frame_regions
from anon_ros.audit.corrections import merge_corrections, read_corrections
from anon_ros.audit.frame_regions import FrameRegions, from_plain, to_line
from anon_ros.audit.regions_file import (
    Header,
    RegionsIndex,
    RegionsReader,
    RegionsWriter,
    Source,
)
from anon_ros.core.regions import NO_TRACK, Kind, Mask, Origin, Regions
from anon_ros.errors import OutputError, RegionsError

SIZE = (640, 480)
HEADER = Header('1.0', Source('drive', 'ab' * 32, 5, {'/cam': 9}), {'effort': 'fast', 'cells': 6})


def frame(index=0, boxes=((10, 20, 30, 40),), *, topic='/cam', tracks=None, **options):
    regions = Regions.of(list(boxes), Kind.FACE, **options)
    if tracks is not None:
        regions = regions.with_tracks(np.array(tracks))
    return FrameRegions(topic, index, 100 + index, 200 + index, SIZE, regions)


def write(path, frames, header=HEADER, **options):
    with RegionsWriter(path, header, **options) as writer:
        for item in frames:
            writer.write(item)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'found.jsonl'


def assert_same(a, b):
    assert dataclasses.replace(a, regions=b.regions) == b
    for item in ('boxes_xyxy', 'kinds', 'scores', 'track_ids', 'origins'):
        assert np.array_equal(getattr(a.regions, item), getattr(b.regions, item)), item


def lines_of(path):
    return path.read_text().splitlines()


def with_line(path, number, change):
    lines = lines_of(path)
    value = json.loads(lines[number - 1])
    change(value)
    lines[number - 1] = json.dumps(value)
    path.write_text('\n'.join(lines) + '\n')


# Round trip


def test_an_empty_recording(path):
    write(path, [])
    reader = RegionsReader(path)
    assert list(reader) == []
    assert reader.header == dataclasses.replace(
        HEADER, settings={'effort': 'fast', 'cells': 6})
    assert len(RegionsIndex(path)) == 0


def test_everything_comes_back_to_the_bit(path):
    keypoints = np.full((2, 17, 3), np.nan, np.float32)
    keypoints[0] = np.arange(51, dtype=np.float32).reshape(17, 3) / 7
    inside = np.zeros((9, 7), np.bool_)
    inside[2:6, 1:5] = True
    regions = Regions.of(
        np.array([[1 / 3, -2.5, 100.1, 50], [7, 8, 9, 10]]), Kind.BODY, [1 / 3, 1.0],
        masks=[Mask(inside, 50, 60), None], keypoints=keypoints, origin=Origin.FILLED,
    ).with_tracks(np.array([12, NO_TRACK]))
    original = FrameRegions('/cam "é"', 3, -5, 2**62, SIZE, regions)
    write(path, [original])
    back, = RegionsReader(path)
    assert_same(original, back)
    assert np.array_equal(back.regions.keypoints, keypoints, equal_nan=True)
    mask = back.regions.masks[0]
    assert (mask.x, mask.y, mask.inside.shape) == (51, 62, (4, 4))
    assert mask.inside.all()
    assert back.regions.masks[1] is None


_coordinate = st.floats(-600, 1200, width=32)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_coordinate, _coordinate, st.floats(0, 500, width=32),
                          st.floats(0, 500, width=32), st.floats(0, 1, width=32)), max_size=5))
def test_any_boxes_that_can_hide_something_come_back(drawn):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in drawn], np.float32)
    regions = Regions.of(boxes.reshape(-1, 4), Kind.PLATE, [row[4] for row in drawn])
    original = FrameRegions('/cam', 0, 0, 0, SIZE, regions)
    back = from_plain(json.loads(to_line(original)))
    can = frame_regions.can_hide(regions.boxes_xyxy, SIZE)
    assert_same(dataclasses.replace(original, regions=regions.select(can)), back)


def test_a_file_of_the_expected_size(path):
    rng = np.random.default_rng(0)
    boxes = rng.random((20, 4)) * 400
    boxes[:, 2:] += boxes[:, :2]
    write(path, [frame(i, boxes, tracks=np.arange(20), scores=rng.random(20))
                 for i in range(30)])
    assert path.stat().st_size / 30 < 10e6 / 3000


def test_scores_that_are_none_are_written_as_numbers(path):
    write(path, [frame(scores=[np.nan]), frame(1, scores=[1.5])])
    assert [item.regions.scores.tolist() for item in RegionsReader(path)] == [[0.0], [1.0]]


# The index


def test_the_index_finds_frames_in_any_order(path):
    frames = [frame(i, topic=topic) for i, topic in
              [(5, '/a'), (2, '/a'), (3, '/b'), (9, '/a'), (1, '/a')]]
    index = RegionsIndex(write(path, frames))
    assert len(index) == 5
    assert index.topics == ('/a', '/b')
    for item in frames:
        assert_same(item, index.find(item.topic, item.index))
    assert index.find('/a', 3) is None
    assert index.find('/c', 1) is None


def test_the_index_refuses_a_frame_that_stands_there_twice(path):
    write(path, [frame(1), frame(2), frame(1)])
    with pytest.raises(RegionsError, match='line 4: message 1 of /cam stands there twice'):
        RegionsIndex(path)


def test_the_index_notices_that_the_file_has_changed(path):
    index = RegionsIndex(write(path, [frame(1), frame(2)]))
    path.write_text(path.read_text().replace('"index":2', '"index":7'))
    with pytest.raises(RegionsError, match='has changed'):
        index.find('/cam', 2)
    path.unlink()
    with pytest.raises(RegionsError, match='No such file'):
        index.find('/cam', 2)


# Writing


def test_never_overwrites(path):
    path.write_text('precious')
    with pytest.raises(OutputError, match='exists already'):
        RegionsWriter(path, HEADER)
    assert path.read_text() == 'precious'


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match='No such file'):
        RegionsWriter(tmp_path / 'none' / 'f.jsonl', HEADER)


def test_an_exception_leaves_the_file_unfinished(path):
    class StopError(Exception):
        pass

    def fail():
        with RegionsWriter(path, HEADER) as writer:
            writer.write(frame())
            raise StopError
    with pytest.raises(StopError):
        fail()
    with pytest.raises(RegionsError, match='truncated after 1 frames'):
        list(RegionsReader(path))


def test_a_full_disk(path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=f'{path}: File too large'):
            write(path, (frame(i) for i in range(1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 0 < len(list(RegionsReader(path).lines(is_whole=False))) < 1000


def test_flush_brings_frames_to_the_disk(path):
    writer = RegionsWriter(path, HEADER)
    writer.write(frame())
    writer.flush()
    assert len(lines_of(path)) == 2
    writer.close()
    writer.close()
    assert lines_of(path)[-1] == '{"end": 1}'


# Resuming


def test_resume_cuts_what_comes_after_a_message_and_goes_on(path):
    frames = [frame(i, tracks=[i + 10]) for i in (0, 3, 1, 7, 5)]
    write(path, frames)
    with RegionsWriter(path, HEADER, append_after=3) as writer:
        assert writer.next_track_id == 14
        writer.write(frame(4, tracks=[14]))
        assert writer.next_track_id == 15
    assert [item.index for item in RegionsReader(path)] == [0, 3, 1, 4]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_resume_after_any_truncation(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('cut') / 'found.jsonl'
    write(path, [frame(i) for i in range(3)])
    content = path.read_bytes()
    path.write_bytes(content[:data.draw(st.integers(0, len(content)))])
    kept = path.read_bytes().count(b'\n') - 1
    write(path, [frame(8)], append_after=1)
    expected = [i for i in range(2) if i < kept]
    assert [item.index for item in RegionsReader(path)] == [*expected, 8]


def test_resume_without_a_file_starts_one(path):
    write(path, [frame(8)], append_after=3)
    assert [item.index for item in RegionsReader(path)] == [8]


@pytest.mark.parametrize(('header', 'message'), [
    (dataclasses.replace(HEADER, settings={'effort': 'thorough', 'cells': 6}),
     "effort was 'fast' and is 'thorough'"),
    (dataclasses.replace(HEADER, source=Source('drive', 'ab' * 32, 6, {'/cam': 9})),
     'starts at 5 ns instead of 6 ns'),
])
def test_resume_refuses_another_run(path, header, message):
    write(path, [frame()])
    before = path.read_bytes()
    with pytest.raises(RegionsError, match=message):
        RegionsWriter(path, header, append_after=0)
    assert path.read_bytes() == before


def test_resume_refuses_damage_in_the_middle(path):
    write(path, [frame(0), frame(1)])
    path.write_bytes(path.read_bytes().replace(b'"index":0', b'"index":x'))
    before = path.read_bytes()
    with pytest.raises(RegionsError, match='line 2'):
        RegionsWriter(path, HEADER, append_after=1)
    assert path.read_bytes() == before


# Files that are not what they should be: one line that says why


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'is empty'),
    (b'hello\n', 'line 1: Expecting value'),
    (b'[1]\n', 'line 1: it is \\[1\\]'),
    (b'\xff\xfe\n', "line 1: 'utf-8' codec"),
    (b'{"a": 1}\n', 'is no regions file: schema is None'),
    (b'{"schema": "anon_ros/regions", "schema_version": 2}\n', 'is of version 2; .* reads 1'),
    (b'{"schema": "anon_ros/regions", "schema_version": 1}\n', 'line 1: tool_version is missing'),
])
def test_refuses_what_is_no_regions_file(path, content, message):
    path.write_bytes(content)
    with pytest.raises(RegionsError, match=message) as caught:
        RegionsReader(path)
    assert '\n' not in str(caught.value)


def test_refuses_a_file_that_is_not_there(path):
    with pytest.raises(RegionsError, match='No such file'):
        RegionsReader(path)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_truncated_file_never_reads_as_whole(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('cut') / 'found.jsonl'
    write(path, [frame(i) for i in range(3)])
    content = path.read_bytes()
    path.write_bytes(content[:data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(RegionsError, match=r'truncated|is empty|line 1'):
        list(RegionsReader(path))


def test_refuses_a_file_that_lost_lines(path):
    write(path, [frame(i) for i in range(3)])
    lines = lines_of(path)
    path.write_text('\n'.join(lines[:2] + lines[3:]) + '\n')
    with pytest.raises(RegionsError, match='line 4: it counts 3 frames, but there are 2'):
        RegionsIndex(path)


@pytest.mark.parametrize(('change', 'message'), [
    (lambda v: v.update(topic=3), 'topic is 3, expected a text'),
    (lambda v: v.pop('index'), 'index is None, expected a whole number'),
    (lambda v: v.update(index=True), 'index is True'),
    (lambda v: v.update(stamp_ns=1.5), 'stamp_ns is 1.5'),
    (lambda v: v.update(stamp_ns=2**70), 'stamp_ns is 1180591620717411303424'),
    (lambda v: v.update(size_wh=[0, 4]), r'size_wh is \[0, 4\]'),
    (lambda v: v.update(size_wh=[10**9, 4]), 'size_wh'),
    (lambda v: v.update(size_wh='big'), 'size_wh'),
    (lambda v: v.update(regions=None), 'regions is None, expected a list'),
    (lambda v: v.update(regions=[5]), r'regions\[0\] is 5, expected an object'),
    (lambda v: v['regions'][0].update(box=[1, 2, 3]), r'regions\[0\].box is .* 4 numbers'),
    (lambda v: v['regions'][0].update(box=[1, 2, 3, '4']), "holds '4', expected a finite"),
    (lambda v: v['regions'][0].update(box=[1, 2, 3, True]), 'holds True, expected a finite'),
    (lambda v: v['regions'][0].update(box=[1, 2, 3, 10**400]), 'expected a finite number'),
    (lambda v: v['regions'][0].update(box=[1, 2, 3, 1e300]), 'expected a finite number'),
    (lambda v: v['regions'][0].update(box=[1, 2, 3, float('nan')]), 'holds NaN'),
    (lambda v: v['regions'][0].update(box=[1, 2, 3, float('inf')]), 'holds Infinity'),
    (lambda v: v['regions'][0].update(box=[30, 2, 3, 4]), 'turned inside out or outside'),
    (lambda v: v['regions'][0].update(box=[900, 2, 920, 9]), 'outside the image of 640x480'),
    (lambda v: v['regions'][0].update(kind='car'), "kind is 'car', expected one of face, body"),
    (lambda v: v['regions'][0].update(kind=[]), r'kind is \[\]'),
    (lambda v: v['regions'][0].update(score=1.1), 'score is 1.1, expected 0..1'),
    (lambda v: v['regions'][0].update(score=None), 'score holds None'),
    (lambda v: v['regions'][0].update(track='a'), "track is 'a'"),
    (lambda v: v['regions'][0].update(origin='guessed'), "origin is 'guessed'"),
    (lambda v: v['regions'][0].update(mask=4), 'mask is 4, expected size and counts'),
    (lambda v: v['regions'][0].update(mask={'size': [1, 2], 'counts': '2'}), r'mask.size'),
    (lambda v: v['regions'][0].update(mask={'size': [480, 640], 'counts': '2'}),
     r'mask: its run lengths do not fill 640x480'),
    (lambda v: v['regions'][0].update(keypoints=[1, 2]), 'keypoints is .* 51 numbers'),
    (lambda v: v['regions'][0].update(keypoints='x'), 'keypoints'),
])
def test_names_the_line_and_what_is_wrong_in_it(path, change, message):
    write(path, [frame(0), frame(1)])
    with_line(path, 3, change)
    with pytest.raises(RegionsError, match=f'line 3: .*{message}') as caught:
        RegionsIndex(path)
    assert '\n' not in str(caught.value)


def test_refuses_bottomless_nesting(path):
    write(path, [])
    path.write_text(lines_of(path)[0] + '\n' + '[' * 100_000 + '\n')
    with pytest.raises(RegionsError, match='line 2'):
        list(RegionsReader(path))


@pytest.mark.parametrize(('source', 'message'), [
    (Source('x', 'ab' * 32, 6, {'/cam': 9}), 'starts at 5 ns instead of 6 ns'),
    (Source('x', 'ab' * 32, 5, {'/cam': 8}), '/cam has 9 messages instead of 8 messages'),
    (Source('x', 'ab' * 32, 5, {'/cam': 9, '/rear': 1}),
     '/rear has no messages instead of 1 messages'),
    (Source('x', 'cd' * 32, 5, {'/cam': 9}), 'fingerprint is abab.* instead of cdcd'),
    (Source('x', 'cd' * 32, 5, dict.fromkeys('abcde', 1)), 'and 3 more'),
])
def test_says_what_differs_from_another_recording(path, source, message):
    reader = RegionsReader(write(path, []))
    with pytest.raises(RegionsError, match=f"another recording, 'drive': .*{message}"):
        reader.check_source(source)


def test_the_same_recording_under_another_name_is_the_same(path):
    source = dataclasses.replace(HEADER.source, name='copy')
    RegionsReader(write(path, [])).check_source(source)


# Corrections


def corrections_file(path, *lines, **header):
    value = {
        'schema': 'anon_ros/regions', 'schema_version': 1, 'tool_version': '1.0',
        'source': dataclasses.asdict(HEADER.source), **header,
    }
    file = path.with_name('corrections.jsonl')
    file.write_text('\n'.join(json.dumps(line) for line in (value, *lines)) + '\n')
    return file


def correction(index=0, regions=(), strike=()):
    return {'topic': '/cam', 'index': index, 'stamp_ns': 0, 'log_ns': 0, 'size_wh': list(SIZE),
            'regions': list(regions), 'strike': list(strike)}


def corrected(path, corrections):
    reader = RegionsReader(path)
    return list(merge_corrections(reader, read_corrections(corrections, reader)))


def test_a_region_drawn_by_hand_is_added(path):
    write(path, [frame(0), frame(1)])
    drawn = {'box': [100, 100, 150, 150], 'kind': 'plate'}
    first, second = corrected(path, corrections_file(path, correction(1, [drawn])))
    assert len(first.regions) == 1
    assert second.regions.boxes_xyxy.tolist() == [[10, 20, 30, 40], [100, 100, 150, 150]]
    assert second.regions.kinds.tolist() == [Kind.FACE, Kind.PLATE]
    assert second.regions.origins.tolist() == [Origin.DETECTED, Origin.MANUAL]
    assert second.regions.scores.tolist() == [1, 1]


def test_strikes_by_track_in_one_frame_and_everywhere(path):
    boxes = [(10, 20, 30, 40), (50, 60, 70, 80)]
    write(path, [frame(i, boxes, tracks=[4, 5]) for i in range(3)])
    file = corrections_file(path, correction(1, strike=[{'track': 4}]),
                            strike_tracks={'/cam': [5], '/rear': [4]})
    assert [item.regions.track_ids.tolist() for item in corrected(path, file)] == [[4], [], [4]]


@pytest.mark.parametrize(('strike', 'left'), [
    ({'box': [10, 20, 30, 42]}, 1),
    ({'box': [10, 20, 30, 42], 'kind': 'face'}, 1),
    ({'box': [10, 20, 30, 42], 'kind': 'body'}, 2),
    ({'box': [25, 35, 45, 55]}, 2),
    ({'track': NO_TRACK - 5}, 2),
])
def test_strikes_by_box(path, strike, left):
    write(path, [frame(0, [(10, 20, 30, 40), (50, 60, 70, 80)])])
    result, = corrected(path, corrections_file(path, correction(strike=[strike])))
    assert len(result.regions) == left


def test_what_a_person_drew_is_not_struck(path):
    write(path, [frame(0, origin=Origin.MANUAL)])
    file = corrections_file(path, correction(
        0, [{'box': [10, 20, 30, 41], 'kind': 'face'}], [{'box': [10, 20, 30, 40]}]))
    result, = corrected(path, file)
    assert len(result.regions) == 2


def test_a_correction_of_a_frame_that_is_not_there_is_no_secret(path):
    write(path, [frame(0)])
    with pytest.raises(RegionsError, match=r'1 corrections name frames .* message 7 of /cam'):
        corrected(path, corrections_file(path, correction(7)))


def test_corrections_are_checked_against_an_index_before_a_run(path):
    index = RegionsIndex(write(path, [frame(0)]))
    read_corrections(corrections_file(path, correction(0)), index.reader).check_against(index)
    corrections = read_corrections(corrections_file(path, correction(7)), index.reader)
    with pytest.raises(RegionsError, match='first message 7 of /cam'):
        corrections.check_against(index)


def test_corrections_of_another_recording(path):
    write(path, [frame(0)])
    other = {**dataclasses.asdict(HEADER.source), 'start_ns': 6}
    with pytest.raises(RegionsError, match=r'corrections\.jsonl was made from another recording'):
        corrected(path, corrections_file(path, source=other))


@pytest.mark.parametrize('strike', [3, [3], [{}], [{'box': [1]}], [{'track': 'a'}],
                                    [{'box': [1, 2, 3, 4], 'kind': 'car'}]])
def test_refuses_a_strike_that_says_nothing(path, strike):
    write(path, [frame(0)])
    file = corrections_file(path, {**correction(), 'strike': strike})
    with pytest.raises(RegionsError, match='line 2'):
        corrected(path, file)


def test_refuses_two_corrections_of_one_frame(path):
    write(path, [frame(0)])
    with pytest.raises(RegionsError, match='line 3: message 0 of /cam stands there twice'):
        corrected(path, corrections_file(path, correction(), correction()))
