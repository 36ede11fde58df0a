# SPDX-License-Identifier: Apache-2.0
import base64
import dataclasses
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from anon_ros.audit.manifest import (
    BagRecord,
    FileRecord,
    Manifest,
    ModelRecord,
    TimeSeries,
    TopicRecord,
)
from anon_ros.audit.pictures import take_picture
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.report import Pictures, render_report, write_report
from anon_ros.core import settings
from anon_ros.core.regions import Kind, Origin, Regions
from anon_ros.errors import OutputError

SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS
HOSTILE = '/<script>alert(1)</script>"\'&<img src=x onerror=alert(1)>\u202egnp.\n\ud800{{ 7 * 7 }}'
MAGENTA = (255, 0, 255)
GREEN = (40, 160, 40)
VOID = {'meta', 'img', 'input', 'br', 'link', 'hr'}


class Page(HTMLParser):
    """What a browser would see: tags with attributes, texts, and whether they are balanced."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def face_box():
    return Regions.of([[40, 30, 80, 80]], Kind.FACE, [0.75])


def build(topic='/cam', reason='the JPEG ends early'):
    """Return the manifest and the pictures of a run over frames with a magenta face."""
    recorder, pictures = RunRecorder(), []
    original = np.full((120, 160, 3), 90, np.uint8)
    original[30:80, 40:80] = MAGENTA
    for i in range(20):
        stamp_ns = START_NS + i * SECOND_NS // 5
        if i == 7:
            recorder.frame(topic, stamp_ns, Regions.empty(), 'masked', reason)
            continue
        anonymized = original.copy()
        anonymized[30:80, 40:80] = GREEN
        recorder.frame(topic, stamp_ns, face_box().with_origin(Origin(i % 4)), 'anonymized')
        recorder.timing('detect', 0.01)
        recorder.timing('encode', 0.03)
        if i % 4 == 0:
            pictures.append(take_picture(topic, stamp_ns, anonymized, face_box()))
    manifest = Manifest(
        tool_version='1.2.3', command=('anon-ros', 'bag', topic, 'out'),
        started='2026-01-02T03:04:05+00:00', finished='2026-01-02T03:05:05+00:00', wall_s=2.0,
        settings=settings.to_mapping(settings.Settings()),
        models=(ModelRecord('yunet', 'ab' * 32, 'Apache-2.0'),),
        source=BagRecord('in', 'mcap', 'ef' * 32, START_NS, 4 * SECOND_NS, 220),
        result=BagRecord('out', 'mcap', files=(FileRecord('out.mcap', 1234567),)),
        topics=(
            TopicRecord(topic, 'sensor_msgs/msg/Image', 'anonymized', 20,
                        camera=recorder.counts()[topic]),
            TopicRecord('/imu', 'sensor_msgs/msg/Imu', 'copied', 200),
            TopicRecord('/depth', topic, 'dropped', 4, dropped={reason: 4}),
        ),
        timings=recorder.timings(), regions_file=FileRecord('regions.jsonl', 7, 'cd' * 32),
    )
    return manifest, Pictures(pictures)


@pytest.fixture(scope='module')
def html():
    return render_report(*build())


@pytest.fixture(scope='module')
def page(html):
    return Page(html)


def decode(data_uri):
    head, _, body = data_uri.partition(',')
    assert head == 'data:image/jpeg;base64'
    return cv2.imdecode(np.frombuffer(base64.b64decode(body, validate=True), np.uint8), 1)


def has_magenta(image_bgr):
    blue, green, red = cv2.split(image_bgr.astype(int))
    return bool(((blue > green + 60) & (red > green + 60)).any())


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
