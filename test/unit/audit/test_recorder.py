# SPDX-License-Identifier: Apache-2.0
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.tally import (
    HEIGHT_EDGES_PX,
    MAX_BINS,
    MAX_REASON_LENGTH,
    MAX_REASONS,
    MAX_WITHHELD,
    OTHER_REASONS,
)
from anon_ros.core.regions import Kind, Origin, Regions

SECOND_NS = 10**9
TOPIC = '/camera'


def faces(*heights_px):
    return Regions.of([[10, 0, 20, height] for height in heights_px], Kind.FACE)


def size_bytes(value, seen=None):
    """Return the memory of an object and all it holds."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    parts = list(vars(value).values()) if hasattr(value, '__dict__') else []
    if isinstance(value, dict):
        parts += [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple)):
        parts += value
    return sys.getsizeof(value) + sum(size_bytes(part, seen) for part in parts)


def test_counts_by_outcome_kind_and_origin():
    recorder = RunRecorder()
    recorder.frame(TOPIC, 0, Regions.empty(), 'unchanged')
    recorder.frame(TOPIC, 1, faces(10, 40), 'anonymized')
    both = Regions.concatenate([
        faces(20).with_origin(Origin.FILLED), Regions.of([[0, 0, 9, 9]], Kind.PLATE),
    ])
    recorder.frame(TOPIC, 2, both, 'masked', 'step is too small')
    counts = recorder.counts()[TOPIC]
    assert (counts.unchanged, counts.anonymized, counts.withheld, counts.frames) == (1, 1, 1, 3)
    assert counts.regions_by_kind == {'face': 3, 'body': 0, 'plate': 1}
    assert counts.regions_by_origin == {'detected': 3, 'filled': 1, 'carried': 0, 'manual': 0}
    assert counts.withheld_by_reason == {'step is too small': 1}
    assert [frame.stamp_ns for frame in counts.withheld_frames] == [2]
    totals = recorder.totals()
    assert (totals.frames, totals.anonymized, totals.withheld) == (3, 1, 1)
    assert totals.regions == counts.regions_by_kind


def test_each_height_falls_into_the_bin_it_reaches():
    recorder = RunRecorder()
    recorder.frame(TOPIC, 0, faces(7.9, 8, 11, 12, 5000), 'anonymized')
    heights = recorder.counts()[TOPIC].heights
    assert heights.edges_px == HEIGHT_EDGES_PX
    assert heights.regions['face'][:3] == (1, 2, 1)
    assert heights.regions['face'][-1] == 1
    assert sum(heights.regions['face']) == 5


def test_extreme_boxes_are_counted_without_a_warning():
    recorder = RunRecorder()
    huge = np.finfo(np.float32).max
    recorder.frame(TOPIC, 0, Regions.of([[0, -huge, 1, huge], [0, 9, 1, 3]], Kind.FACE), 'masked')
    heights = recorder.counts()[TOPIC].heights.regions['face']
    assert (heights[0], heights[-1]) == (1, 1)


def test_time_series_keeps_sum_and_place():
    recorder = RunRecorder()
    for second in range(1000):
        height = (20,) * (second // 500 + 1)
        recorder.frame(TOPIC, second * SECOND_NS, faces(*height), 'anonymized')
    series = recorder.counts()[TOPIC].over_time
    assert len(series.frames) <= MAX_BINS
    assert (sum(series.frames), sum(series.regions['face'])) == (1000, 1500)
    middle = (500 * SECOND_NS - series.start_ns) // series.bin_ns
    assert sum(series.regions['face'][:middle]) == pytest.approx(500, abs=8)


@pytest.mark.parametrize('stamps', [
    [0, 2**63 - 1], [2**63 - 1, 0], [-5, 10**18, 7], [10**18, 10**18 - 40 * SECOND_NS],
    [5 * SECOND_NS, SECOND_NS, 3 * SECOND_NS],
])
def test_time_series_takes_stamps_in_any_order_and_distance(stamps):
    recorder = RunRecorder()
    for stamp_ns in stamps:
        recorder.frame(TOPIC, stamp_ns, faces(9), 'masked')
    series = recorder.counts()[TOPIC].over_time
    assert len(series.frames) <= MAX_BINS
    assert sum(series.frames) == sum(series.withheld) == len(stamps)
    for stamp_ns in stamps:
        assert series.frames[(stamp_ns - series.start_ns) // series.bin_ns] > 0


def test_reasons_are_bounded_in_number_and_length():
    recorder = RunRecorder()
    for i in range(MAX_WITHHELD + 200):
        recorder.frame(TOPIC, i, Regions.empty(), 'masked', f'frame {i} ' + 'x' * 1000)
    counts = recorder.counts()[TOPIC]
    assert sum(counts.withheld_by_reason.values()) == MAX_WITHHELD + 200
    assert len(counts.withheld_by_reason) == MAX_REASONS + 1
    assert counts.withheld_by_reason[OTHER_REASONS] == MAX_WITHHELD + 200 - MAX_REASONS
    assert len(counts.withheld_frames) == MAX_WITHHELD
    assert max(map(len, counts.withheld_by_reason)) == MAX_REASON_LENGTH


def test_memory_is_the_same_for_a_hundred_times_the_frames():
    recorder = RunRecorder()

    def run(first, last):
        for i in range(first, last):
            regions = faces(8 + i % 90)
            outcome = 'masked' if i % 3 == 0 else 'anonymized'
            recorder.frame(TOPIC, i * SECOND_NS // 10, regions, outcome, f'cause {i}')
            recorder.timing('detect', i * 1e-6)
            recorder.dropped('/other', f'cause {i}')
        return size_bytes(recorder)

    early = run(0, 2000)
    assert run(2000, 30_000) <= early * 1.02


def test_no_count_is_lost_between_threads():
    recorder = RunRecorder()

    def work(worker):
        for i in range(500):
            recorder.frame(f'/camera{i % 3}', i, faces(10), 'anonymized')
            recorder.timing('encode', 0.001 * (worker + 1))
            recorder.dropped('/depth', 'asked for')

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(before)
    assert recorder.totals().frames == sum(recorder.totals().regions.values()) == 4000
    assert recorder.timings()[0].count == 4000
    assert recorder.dropped_counts() == {'/depth': {'asked for': 4000}}


def test_timings_keep_the_order_of_the_stages():
    recorder = RunRecorder()
    for stage in ('decode', 'detect', 'anonymize', 'decode'):
        recorder.timing(stage, 0.004)
    timings = recorder.timings()
    assert [item.stage for item in timings] == ['decode', 'detect', 'anonymize']
    assert timings[0].p50_ms == pytest.approx(4, rel=0.0101)


def test_a_block_is_timed_also_where_it_raises():
    recorder = RunRecorder()
    with pytest.raises(KeyError), recorder.timed('track'):
        raise KeyError
    assert recorder.timings()[0].count == 1
