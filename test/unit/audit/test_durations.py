# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from anon_ros.audit.durations import DurationSketch


def sketch_of(seconds):
    sketch = DurationSketch()
    for value in seconds:
        sketch.add(float(value))
    return sketch


def test_without_durations_percentiles_are_zero():
    assert DurationSketch().percentile_s(95) == 0.0


@pytest.mark.parametrize('percent', [1, 50, 95, 99, 100])
@pytest.mark.parametrize('scale_s', [3e-5, 0.02, 7.0])
def test_percentiles_are_within_one_percent_of_numpy(percent, scale_s):
    seconds = np.random.default_rng(3).lognormal(np.log(scale_s), 1.0, 5000)
    exact = np.percentile(seconds, percent, method='inverted_cdf')
    assert sketch_of(seconds).percentile_s(percent) == pytest.approx(exact, rel=0.0101)


def test_total_and_count_are_exact():
    sketch = sketch_of([0.25, 0.5, 1.0])
    assert (sketch.count, sketch.total_s) == (3, 1.75)


@pytest.mark.parametrize('odd', [0.0, -1.0, float('nan'), float('inf'), 1e300])
def test_odd_durations_do_not_break_the_others(odd):
    sketch = sketch_of([0.5, 0.5, 0.5, odd])
    assert sketch.count == 4
    assert np.isfinite(sketch.total_s)
    assert sketch.percentile_s(50) == pytest.approx(0.5, rel=0.0101)
