# SPDX-License-Identifier: Apache-2.0
import dataclasses
import re

import numpy as np
import pytest
from report_page import GREEN, HOSTILE, MAGENTA, Page, build, decode, has_magenta

from anon_ros.audit.camera_counts import TimeSeries
from anon_ros.audit.manifest import CorrectionRecord
from anon_ros.audit.report import Pictures, render_report, write_report
from anon_ros.errors import OutputError


@pytest.fixture(scope='module')
def html():
    return render_report(*build())


@pytest.fixture(scope='module')
def page(html):
    return Page(html)


def test_the_page_is_well_formed_and_complete(page):
    assert page.open == []
    text = ' '.join(page.texts)
    for expected in ('19 faces hidden in 20 frames.', '1 frame was withheld', '/cam', '/imu',
                     'the JPEG ends early', 'ab' * 32, 'ef' * 32, 'cd' * 32, 'yunet',
                     '1,234,567 bytes', '10.0', 'pixelate'):
        assert expected in text


def test_the_page_opens_offline(html, page):
    written = re.sub(r'data:image/jpeg;base64,[\w+/=]+', '', html)
    assert not re.search(r'https?:|//[a-z]|@import|url\(|javascript:', written, re.IGNORECASE)
    for tag, attributes in page.tags:
        assert tag not in {'script', 'link', 'iframe', 'object', 'embed', 'base', 'form', 'use'}
        for name, value in attributes.items():
            assert not name.startswith('on')
            if name in {'src', 'srcset', 'href', 'xlink:href', 'data', 'poster'}:
                assert value.startswith(('data:image/jpeg;base64,', '#'))
    policy = next(a['content'] for a in page.all('meta') if 'http-equiv' in a)
    assert "default-src 'none'" in policy


def test_links_inside_the_page_have_targets(page):
    ids = {attributes['id'] for _, attributes in page.tags if 'id' in attributes}
    wanted = {a['href'][1:] for a in page.all('a')}
    wanted |= {a['aria-labelledby'] for _, a in page.tags if 'aria-labelledby' in a}
    assert wanted
    assert wanted <= ids


def test_pictures_have_texts_and_tables_have_headers(page):
    assert page.all('img')
    assert all(attributes['alt'].strip() for attributes in page.all('img'))
    assert all('aria-hidden' in a or a['aria-label'] for a in page.all('svg'))
    assert len(page.all('table')) >= 5
    assert all(a['scope'] in {'row', 'col'} for a in page.all('th'))


def test_no_pixel_of_the_recording_is_in_the_page(page):
    probe = np.zeros((16, 16, 3), np.uint8)
    probe[:] = MAGENTA
    assert has_magenta(probe)
    images = [decode(attributes['src']) for attributes in page.all('img')]
    assert len(images) == 2 * len(build()[1].sheet)
    assert not any(map(has_magenta, images))
    assert any((np.abs(image[image.shape[0] // 2] - np.array(GREEN)) < 12).all(axis=1).any()
               for image in images)


@pytest.mark.filterwarnings('error')
def test_hostile_names_stay_texts(tmp_path):
    manifest, pictures = build(topic=HOSTILE, reason=HOSTILE)
    path = tmp_path / 'report.html'
    write_report(manifest, pictures, path)
    html = path.read_text(encoding='utf-8')
    page = Page(html)
    assert page.open == []
    assert not page.all('script')
    assert all('onerror' not in a for a in page.all('img'))
    assert '\u202e' not in html
    assert '{{ 7 * 7 }}' in ' '.join(page.texts)
    assert any('\\u202egnp.\\n\\ud800' in text for text in page.texts)


def test_a_run_without_cameras_has_a_page():
    manifest, _ = build()
    bare = dataclasses.replace(
        manifest, topics=manifest.topics[1:], timings=(), models=(), regions_file=None)
    page = Page(render_report(bare, Pictures()))
    text = ' '.join(page.texts)
    assert 'Nothing hidden in 0 frames.' in text
    assert 'No frame was withheld.' in text
    assert 'No picture was taken.' in text


def test_an_empty_series_and_one_of_another_kind_have_a_page():
    manifest, _ = build()
    topic = manifest.topics[0]
    series = [
        TimeSeries(0, 1, (), (), {}),
        TimeSeries(-2**63, 2**62, (2**62, 0, 3), (2**62, 0, 0), {'"><b>': (1, 0, 2**60)}),
    ]
    for item in series:
        camera = dataclasses.replace(
            topic.camera, over_time=item, regions_by_kind={'"><b>': 3})
        odd = dataclasses.replace(manifest, topics=(dataclasses.replace(topic, camera=camera),))
        page = Page(render_report(odd, Pictures()))
        assert page.open == []
        assert '3 "><b> hidden in 20 frames.' in ' '.join(page.texts)


def test_a_target_that_cannot_be_written_is_named(tmp_path):
    manifest, _ = build()
    with pytest.raises(OutputError, match=r'missing/report.html: cannot write the report'):
        write_report(manifest, Pictures(), tmp_path / 'missing' / 'report.html')


def test_who_was_synthesized_and_who_not_is_told():
    manifest, pictures = build()
    topics = tuple(
        topic if topic.camera is None else dataclasses.replace(
            topic, camera=dataclasses.replace(
                topic.camera, synthesized={'face': 1234},
                classic_instead={f'body: {HOSTILE}': 56}))
        for topic in manifest.topics
    )
    cameras = sum(topic.camera is not None for topic in topics)
    told = dataclasses.replace(manifest, topics=topics)
    assert told.synthesized == {'face': 1234 * cameras}
    page = Page(render_report(told, pictures))
    text = ' '.join(page.texts)
    assert page.open == []
    assert 'Realistic people' in text
    assert f'{1234 * cameras:,}' in text
    assert 'classic: /<script>alert(1)' in text
    assert 'Realistic people' not in ' '.join(Page(render_report(manifest, pictures)).texts)


def test_corrections_by_hand_are_told_with_who_and_when():
    manifest, *rest = build()
    corrections = (
        CorrectionRecord('drawn', '/cam', 'face', 12, 30, 44, HOSTILE, '2026-01-02', '2026-01-03'),
        CorrectionRecord('struck', '/cam', 'body', -1, 31, 1, 'bert', '2026-01-02', '2026-01-03'),
    )
    html = render_report(dataclasses.replace(manifest, corrections=corrections), *rest)
    text = ' '.join(Page(html).texts)
    for expected in ('Corrected by hand', 'face 12', 'struck', 'bert', '2026-01-02', '44'):
        assert expected in text
    assert HOSTILE not in html
    assert 'Corrected by hand' not in render_report(manifest, *rest)
