# SPDX-License-Identifier: Apache-2.0
"""Labels that are incomplete, contradict themselves or were tampered with are named, refused."""

import json
from dataclasses import replace

import pytest

from anon_ros.audit.label_page import render_label_page
from anon_ros.audit.labels import (
    FrameLabels,
    HiddenLabel,
    Labels,
    MissedLabel,
    check_labels,
    read_labels,
    write_labels,
)
from anon_ros.errors import InputError, OutputError

FACE = (10.0, 10.0, 30.0, 40.0)
ELSEWHERE = (50.0, 10.0, 60.0, 20.0)


def asked(count=3):
    frames = tuple(
        FrameLabels(f'frames/{i}.png', '', '/cam', i, i * 10, (100, 80), f'{i:064x}', 5,
                    (HiddenLabel('face', FACE),))
        for i in range(count)
    )
    return Labels('ab' * 32, 7, count, 5 * count, 0, ('face', 'plate'), frames)


def answered(labels, **changes):
    frames = tuple(
        replace(each, done=True, sha256='cd' * 32,
                hidden=tuple(replace(hidden, shows=True) for hidden in each.hidden))
        for each in labels.frames
    )
    return replace(labels, frames=(replace(frames[0], **changes), *frames[1:]))


def refusal(labels, known=None):
    with pytest.raises(InputError) as error:
        check_labels(labels, known or asked(), 'labels.json')
    assert '\n' not in str(error.value)
    return str(error.value)


def test_complete_answers_are_taken():
    check_labels(answered(asked()), asked(), 'labels.json')
    missed = (MissedLabel('face', ELSEWHERE), MissedLabel('plate', FACE))
    check_labels(answered(asked(), missed=missed), asked(), 'labels.json')


def test_they_come_back_from_the_file_as_they_were(tmp_path):
    path = tmp_path / 'labels.json'
    labels = answered(asked(), missed=(MissedLabel('face', ELSEWHERE),))
    write_labels(labels, path)
    assert read_labels(path) == labels
    assert read_labels(path).sha256 == labels.sha256
    with pytest.raises(OutputError):
        write_labels(labels, tmp_path / 'missing' / 'sample' / 'labels.json')


@pytest.mark.parametrize(('change', 'words'), [
    ({'done': False}, 'frames/0.png (/cam message 0)'),
    ({'hidden': (HiddenLabel('face', FACE),)}, 'nobody says'),
    ({'message': 'ff' * 32}, 'its hash is another one'),
    ({'index': 9}, 'was not drawn'),
    ({'weight': 1}, 'was changed'),
    ({'size_wh': (200, 200)}, 'was changed'),
    ({'file': '../other.png'}, 'was changed'),
    ({'hidden': (HiddenLabel('face', ELSEWHERE, True),)}, 'was changed'),
    ({'hidden': (HiddenLabel('face', FACE, True),) * 2}, 'was changed'),
    ({'missed': (MissedLabel('body', ELSEWHERE),)}, "'body' was not to be hidden"),
    ({'missed': (MissedLabel('hat', ELSEWHERE),)}, "'hat' was not to be hidden"),
    ({'missed': (MissedLabel('face', (50.0, 10.0, 120.0, 20.0)),)}, 'outside the frame'),
    ({'missed': (MissedLabel('face', (60.0, 10.0, 50.0, 20.0)),)}, 'no area'),
    ({'missed': (MissedLabel('face', (50.0, 10.0)),)}, 'a box of 2 numbers'),
    ({'missed': (MissedLabel('face', (12.0, 12.0, 28.0, 38.0)),)}, 'lies in a region'),
    ({'missed': (MissedLabel('face', ELSEWHERE),) * 2}, 'stands there twice'),
])
def test_what_is_wrong_with_a_frame_is_named(change, words):
    assert words in refusal(answered(asked(), **change))


def test_one_thing_under_two_regions_counts_once():
    known = asked()
    both = (HiddenLabel('face', FACE), HiddenLabel('face', (11.0, 11.0, 30.0, 40.0)))
    known = replace(known, frames=(replace(known.frames[0], hidden=both), *known.frames[1:]))
    assert 'of one of them only' in refusal(answered(known), known)
    labels = answered(known)
    one = (replace(both[0], shows=True), replace(both[1], shows=False))
    check_labels(
        replace(labels, frames=(replace(labels.frames[0], hidden=one), *labels.frames[1:])),
        known, 'labels.json')


@pytest.mark.parametrize(('change', 'words'), [
    ({'root': '00' * 32}, 'of another result'), ({'kinds': ('face',)}, 'kinds is'),
    ({'population': 99}, 'population is 99'), ({'excluded': 1}, 'excluded is 1'),
])
def test_labels_of_something_else_are_named(change, words):
    assert words in refusal(replace(answered(asked()), **change))


def test_frames_that_were_left_out_or_put_in_are_noticed():
    labels = answered(asked())
    assert 'it has 2 frames, 3 were drawn' in refusal(replace(labels, frames=labels.frames[:2]))
    twice = (labels.frames[0], labels.frames[0], labels.frames[2])
    assert 'was not drawn' in refusal(replace(labels, frames=twice))


@pytest.mark.parametrize('content', [
    b'', b'{', b'[]', b'{"schema": "anon_ros/labels"}', b'\xff', b'{"root": NaN}',
])
def test_files_that_are_none_are_named(tmp_path, content):
    path = tmp_path / 'labels.json'
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'labels\.json'):
        read_labels(path)
    with pytest.raises(InputError, match='cannot read'):
        read_labels(tmp_path / 'nothing.json')


def test_the_page_holds_the_labels_and_asks_nobody():
    hostile = '</script><script>alert(1)</script>\u202e'
    labels = asked()
    labels = replace(labels, frames=(replace(labels.frames[0], topic=hostile),))
    html = render_label_page(labels)
    assert html.count('<script') == html.count('</script>') == 2
    start = html.index('application/json">') + len('application/json">')
    assert json.loads(html[start:html.index('</script>')])['frames'][0]['topic'] == hostile
    assert "default-src 'none'" in html
    without_svg = html.replace('http://www.w3.org/2000/svg', '')
    assert 'http' not in without_svg.replace('http-equiv', '')
