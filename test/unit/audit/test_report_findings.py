# SPDX-License-Identifier: Apache-2.0
"""What the report tells beside the manifest: whole, escaped, offline, and of the result only."""

import dataclasses

import cv2
import numpy as np
import pytest
from report_page import HOSTILE, MAGENTA, Page, build, decode, has_magenta

from anon_ros.audit import charts_heat
from anon_ros.audit.acceptance import judge
from anon_ros.audit.attack_table import AttackRow, AttackTable
from anon_ros.audit.camera_counts import HeightHistogram, TimeSeries
from anon_ros.audit.charts_recall import recall_plot
from anon_ros.audit.findings import Findings
from anon_ros.audit.labels import FrameLabels, HiddenLabel, Labels, MissedLabel
from anon_ros.audit.manifest import Seal
from anon_ros.audit.report import SHOWN_RISKS, Pictures, render_report
from anon_ros.audit.risk import RiskyFrame
from anon_ros.audit.risk_pictures import take_look
from anon_ros.audit.risk_tracks import Risk
from anon_ros.audit.signature import Signature
from anon_ros.audit.verification import StillSeen, Verification
from anon_ros.core.regions import Kind, Regions

HOUR_NS = 3600 * 10**9
ROOT = 'ab' * 32


def labels(missed=1):
    frames = tuple(
        FrameLabels('x.png', '', '/cam', i, i, (640, 480), '', 1,
                    (HiddenLabel('face', (0, 0, 20, 10.0 + i), True),),
                    (MissedLabel('face', (100, 0, 120, 12)),) if i < missed else (), True)
        for i in range(60)
    )
    return Labels(ROOT, 3, 60, 60, 0, ('face',), frames, HOSTILE)


def risky(topic='/cam', count=SHOWN_RISKS + 5):
    risks = (Risk('never seen clearly', HOSTILE, 0.5, 'face', 3, (40.0, 30.0, 80.0, 80.0)),
             Risk('a sudden drop in count', 'face: 0 here', 0.4, 'face'))
    return tuple(
        RiskyFrame(topic, i, i, i, (160, 120), 0.7 - i / 100, risks) for i in range(count))


def found(topic='/cam'):
    row = AttackRow('face', HOSTILE, 'informed', 'pixelate', 'all', 'rank-1', 0.3, 0.2, 0.4,
                    0.02, 500, gray=0.01, excess=0.2, excess_low=0.1, excess_high=0.3)
    return Findings(
        risky=risky(topic),
        verification=Verification(
            '1', '2026-01-01', ROOT, HOSTILE, (HOSTILE,), {'copied': 3}, (HOSTILE,), 1, 10, 4, 1,
            (StillSeen('/cam', 3, 'face', 0.5, (1, 2, 3, 4)),)),
        attack=AttackTable('1', 'a', 'b', {'face': 500}, (row,), {HOSTILE: 3}),
        acceptance=judge(labels()),
        signature=Signature(HOSTILE, '2026-01-01T00:00:00+00:00', ROOT, ROOT,
                            {'attack.json': ROOT}, ROOT, ROOT * 2),
        stale=('acceptance.json',),
    )


def sealed(manifest):
    return dataclasses.replace(manifest, seal=Seal(ROOT, 'cd' * 32, None, {HOSTILE: ROOT}))


def pictures(topic='/cam'):
    anonymized = np.full((120, 160, 3), 90, np.uint8)
    anonymized[30:80, 40:80] = (40, 160, 40)
    regions = Regions.of([[40, 30, 80, 80]], Kind.FACE)
    looks = {
        (frame.topic, frame.index): take_look(frame, regions, anonymized)
        for frame in risky(topic)[:3]
    }
    return dataclasses.replace(build(topic)[1], looks=looks)


@pytest.fixture(scope='module')
def html():
    manifest, _ = build(HOSTILE)
    return render_report(sealed(manifest), pictures(HOSTILE), found(HOSTILE))


def test_all_findings_stand_in_a_page_that_is_whole_and_offline(html):
    page = Page(html)
    assert page.open == []
    assert not page.all('script')
    assert all('onerror' not in attributes for _, attributes in page.tags)
    assert '\u202e' not in html
    ids = {attributes['id'] for _, attributes in page.tags if 'id' in attributes}
    assert {a['href'][1:] for a in page.all('a')} <= ids
    assert {'risks', 'acceptance', 'verification', 'attack', 'seal', 'withheld'} <= ids
    text = ' '.join(page.texts)
    for expected in ('never seen clearly', 'Something differs', 'With 95 % confidence at least',
                     'Recall by height', 'cdcdcdcd', 'The next 5', 'tells of another result',
                     '1 attack found more', 'and labelled by'):
        assert expected in text


def test_looks_at_risky_frames_are_of_the_result(html):
    page = Page(html)
    images = [decode(attributes['src']) for attributes in page.all('img')]
    assert len(images) == 2 * len(pictures().sheet) + 3
    assert not any(map(has_magenta, images))
    probe = np.full((16, 16, 3), MAGENTA, np.uint8)
    assert has_magenta(cv2.imdecode(cv2.imencode('.jpg', probe)[1], 1))


def test_what_nobody_did_is_open_and_what_is_bad_is_red():
    manifest, _ = build()
    bare = Page(render_report(sealed(manifest), Pictures()))
    assert [a.get('class') for a in bare.all('li')][:4] == ['open'] * 4
    bad = Page(render_report(sealed(manifest), Pictures(), found()))
    assert [a.get('class') for a in bad.all('li')][:4] == ['warn', 'warn', 'warn', 'good']
    good = dataclasses.replace(
        found(), verification=Verification('1', '2026', ROOT, 'source'),
        acceptance=judge(labels(0)), signature_problem='it was changed')
    states = [a.get('class') for a in Page(
        render_report(sealed(manifest), Pictures(), good)).all('li')][:4]
    assert states == ['good', 'good', 'warn', 'warn']


def test_the_sentence_stands_in_no_report_without_labels():
    manifest, _ = build()
    assert 'confidence' not in render_report(sealed(manifest), Pictures())


def test_a_look_is_around_what_is_odd_and_inside_the_frame():
    image = np.zeros((480, 640, 3), np.uint8)
    for box in ((0.0, 0.0, 10.0, 10.0), (630.0, 470.0, 640.0, 480.0), (0.0, 0.0, 640.0, 480.0),
                (-50.0, -50.0, -10.0, -10.0), (300.0, 200.0, 310.0, 400.0)):
        frame = dataclasses.replace(risky()[0], risks=(Risk('x', 'x', 0.5, 'face', 1, box),))
        look = take_look(frame, Regions.empty(), image)
        assert 0 <= look.rect.x_min < look.rect.x_max <= 640
        assert 0 <= look.rect.y_min < look.rect.y_max <= 480
    whole = take_look(
        dataclasses.replace(risky()[0], risks=(Risk('x', 'x', 0.5, 'face'),)), Regions.empty(),
        image)
    assert (whole.rect.width, whole.rect.height) == (640, 480)


def series(start_ns, frames, faces, bin_ns=10**9):
    return TimeSeries(start_ns, bin_ns, tuple(frames), (0,) * len(frames), {'face': tuple(faces)})


def test_hours_hold_the_regions_of_their_frames():
    topics = {'/a': series(0, [10, 10], [20, 40], HOUR_NS), '/b': series(HOUR_NS, [5], [5])}
    plot = charts_heat.by_hour(topics, 'face')
    assert [tick.text for tick in plot.columns] == ['00:00', '01:00']
    assert [tick.text for tick in plot.rows] == ['/a', '/b']
    assert [cell.text for cell in plot.cells] == [
        '/a, 00:00: 2.0 a frame', '/a, 01:00: 4.0 a frame', '/b, 01:00: 1.0 a frame']
    assert max(cell.opacity for cell in plot.cells) == 1
    assert charts_heat.by_hour(topics, 'plate') is None
    assert charts_heat.by_hour({}, 'face') is None


@pytest.mark.parametrize('span_s', [1, 59, 700, 3600, 90_000, 10**7, 10**9])
def test_columns_hold_all_of_any_recording_and_stay_few(span_s):
    item = series(1_700_000_000 * 10**9, [1] * 100, [1] * 100, max(1, span_s * 10**7))
    columns = charts_heat.Columns.of([item])
    assert 1 <= columns.count <= charts_heat.MOST_COLUMNS
    assert columns.sums(item, item.frames).sum() == 100
    assert len(columns.names()) == columns.count


def test_extreme_times_have_columns_too():
    item = TimeSeries(-2**63, 2**62, (1, 0, 3), (0, 0, 0), {'face': (1, 0, 2)})
    assert charts_heat.by_hour({'/a': item}, 'face') is not None
    assert charts_heat.by_hour_of_day([('/a', item)], 'face') is not None


def test_hours_of_the_day_of_many_recordings_fall_together():
    days = [('/a', series(day * 24 * HOUR_NS + 7 * HOUR_NS, [4], [8])) for day in range(3)]
    plot = charts_heat.by_hour_of_day(days, 'face')
    assert [cell.text for cell in plot.cells] == ['/a, 07: 2.0 a frame']


def test_topics_by_height():
    one = HeightHistogram((0, 8), {'face': (1, 20_000)})
    plot = charts_heat.by_height({'/a': one}, 'face')
    assert [cell.number for cell in plot.cells] == ['1', '20k']
    other = HeightHistogram((0, 9), {'face': (1, 2)})
    assert charts_heat.by_height({'/a': one, '/b': other}, 'face') is None


def test_very_many_topics_are_cut_and_counted():
    topics = {f'/{i}': series(0, [1], [1]) for i in range(100)}
    plot = charts_heat.by_hour(topics, 'face')
    assert (len(plot.rows), plot.left_out) == (charts_heat.MOST_ROWS, 100 - charts_heat.MOST_ROWS)


def test_recall_is_plotted_with_its_intervals():
    plot = recall_plot(judge(labels(5)).kinds)
    assert [tick.text for tick in plot.x_ticks] == ['8-15 px', '16-31 px', '32-63 px',
                                                    '64-127 px']
    assert all(item.top <= item.y <= item.bottom for item in plot.whiskers)
    assert all(item.top >= 0 and item.bottom <= plot.height for item in plot.whiskers)
    assert recall_plot(()) is None
