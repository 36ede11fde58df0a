# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from anon_ros.audit import charts
from anon_ros.audit.camera_counts import HeightHistogram, TimeSeries
from anon_ros.audit.manifest import StageTiming

SECOND_NS = 10**9


def series(frames, faces, withheld=None, start_ns=0, bin_ns=SECOND_NS):
    withheld = withheld or (0,) * len(frames)
    return TimeSeries(start_ns, bin_ns, tuple(frames), tuple(withheld), {'face': tuple(faces)})


def points(path):
    return [(float(x), float(y)) for x, y in re.findall(r'(-?[\d.]+),(-?[\d.]+)', path)]


def test_line_goes_through_the_mean_of_each_bin():
    plot = charts.timeline(series([2, 4], [2, 12]), 0, 2 * SECOND_NS)
    (line,) = plot.lines
    assert plot.highest == 3
    (x0, y0), (x1, y1) = points(line.path)
    assert (x0, x1) == (250, 750)
    assert y1 == 0
    assert y0 == pytest.approx(charts.TIMELINE_HEIGHT * 2 / 3, abs=0.1)


def test_withheld_frames_are_marked_and_do_not_lower_the_mean():
    plot = charts.timeline(series([4, 4], [8, 4], withheld=[0, 2]), 0, 2 * SECOND_NS)
    assert [y for _, y in points(plot.lines[0].path)] == [0, 0]
    assert plot.withheld == ((500, 500),)


def test_line_is_broken_where_frames_are_missing():
    counts = [1] * 10 + [0] * 30 + [1] * 10
    (line,) = charts.timeline(series(counts, counts), 0, 50 * SECOND_NS).lines
    assert line.path.count('M') == line.area.count('Z') == 2
    slow = [1 if i % 5 == 0 else 0 for i in range(50)]
    (line,) = charts.timeline(series(slow, slow), 0, 50 * SECOND_NS).lines
    assert line.path.count('M') == 1


def test_a_long_recording_has_few_points_inside_the_plot():
    plot = charts.timeline(series([10] * 512, range(512)), 0, 512 * SECOND_NS)
    found = points(plot.lines[0].path)
    assert len(found) <= charts.MAX_POINTS
    assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.TIMELINE_HEIGHT for x, y in found)
    assert len(plot.x_ticks) <= 13


@pytest.mark.parametrize(('seconds', 'last'), [
    (0.4, '0:00'), (9.99, '0:09'), (60, '1:00'), (3599, '55:00'), (86_400, '24:00:00'),
])
def test_time_ticks(seconds, last):
    plot = charts.timeline(series([1], [1]), 0, int(seconds * SECOND_NS))
    assert plot.x_ticks[0].text == '0:00'
    if seconds >= 1:
        assert plot.x_ticks[-1].text == last


@pytest.mark.parametrize(('highest', 'texts'), [
    (0, ['0', '0.5']), (1, ['0', '0.5', '1']), (7, ['0', '5', '10']),
    (900, ['0', '500', '1,000']), (1e6, ['0', '500,000', '1,000,000']),
])
def test_value_ticks_are_round(highest, texts):
    plot = charts.timeline(series([1], [highest]), 0, SECOND_NS)
    assert [tick.text for tick in plot.y_ticks] == texts


def test_histogram_stacks_kinds_and_adds_cameras():
    one = HeightHistogram((0, 8, 16), {'face': (0, 2, 0), 'plate': (0, 1, 0)})
    two = HeightHistogram((0, 8, 16), {'face': (0, 1, 4)})
    plot = charts.histogram([one, two])
    assert [bar.text for bar in plot.bars] == [
        '3 face, 8-15 px high', '1 plate, 8-15 px high', '4 face, 16 and more px high']
    face, plate, _ = plot.bars
    assert plate.y + plate.height == pytest.approx(face.y)
    assert face.height == pytest.approx(3 * plate.height)


@pytest.mark.parametrize('heights', [
    [], [HeightHistogram((0, 8), {'face': (0, 0)})], [HeightHistogram((), {'face': ()})],
])
def test_without_regions_there_is_no_histogram(heights):
    assert charts.histogram(heights) is None


def test_stacked_bar_fills_its_width():
    bars = charts.stacked_bar([StageTiming('a', 1, 1.0, 0, 0), StageTiming('b', 1, 3.0, 0, 0)])
    assert [(bar.x, bar.width) for bar in bars] == [(0, 250), (250, 750)]
    assert bars[1].text == 'b: 3.0 s, 75 %'
    assert charts.stacked_bar([StageTiming('a', 0, 0.0, 0, 0)])[0].width == 0


def test_span_is_the_source_or_what_the_cameras_saw():
    assert charts.span_ns([], 5, 7) == (5, 12)
    assert charts.span_ns([], 0, 0) == (0, 1)
