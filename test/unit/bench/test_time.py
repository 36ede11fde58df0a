# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anon_ros.bench import time as bench
from anon_ros.bench.time_clips import Clip, TrueFrame, faces_clip, street_clip, walkers_clip
from anon_ros.core import boxes
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.errors import InputError
from anon_ros.tracking import TwoSidedTracker


@pytest.fixture(scope='module')
def rows():
    clip = faces_clip(0, 15.0, is_rough=False)
    clip = dataclasses.replace(clip, frames=clip.frames[:90])
    played = bench._play(clip, 0)
    return {name: bench._measure(played, make, 1.0)
            for name, make in bench._trackers(1.0, 1.0).items()}


def test_tracking_covers_what_the_detector_missed(rows):
    assert rows['none']['covered'] < 0.8
    assert rows['none']['covered_in_gaps'] < 0.1
    assert rows['online']['covered_once_seen'] >= 0.95
    assert rows['two-sided']['covered_in_gaps'] == 1.0
    assert rows['two-sided']['covered'] > rows['online']['covered']


def test_covering_everything_is_not_the_trick(rows):
    assert rows['two-sided']['needless_share'] < 0.02
    assert rows['none']['needless_share'] < rows['two-sided']['needless_share']


def test_ids_hold_over_gaps(rows):
    assert rows['two-sided']['switches'] <= 2 < rows['none']['switches']


def test_speed_has_a_row_for_each_tracker_and_count():
    rows = bench.measure_speed((1, 5))
    assert [(row['tracker'], row['regions']) for row in rows] == [
        (name, count) for name in ('none', 'online', 'two-sided') for count in (1, 5)
    ]
    assert all(0 < row['p50_ms'] <= row['p95_ms'] for row in rows)


@pytest.mark.parametrize(('hidden', 'expected'), [
    ([], False),
    ([(0, 0, 100, 100)], True),
    ([(0, 0, 85, 100)], True),
    ([(0, 0, 75, 100)], False),
    ([(0, 0, 50, 100), (40, 0, 90, 100)], True),
    ([(0, 0, 50, 100), (0, 0, 50, 90)], False),
])
def test_covered_is_80_percent_under_all_hidden_regions_together(hidden, expected):
    true = np.array([(0, 0, 100, 100)], np.float32)
    drawn = np.array(hidden, np.float32).reshape(-1, 4)
    shares = bench._hidden_shares(true, drawn)
    assert (shares >= bench._COVERED_SHARE).tolist() == [expected]


def test_of_people_the_silhouette_counts():
    cells = np.zeros((2, 2), bool)
    cells[0] = True
    box = np.array([(10, 10, 30, 50)], np.float32)
    frame = TrueFrame(0, box, np.array([0]), np.zeros((18, 32), np.uint8), (cells,), box)
    upper = Mask(np.ones((20, 20), bool), 10, 10)
    for mask, expected in ((upper, 1.0), (Mask(upper.inside, 20, 10), 0.5), (None, 1.0)):
        found = Regions.of(box, Kind.BODY, masks=[mask])
        shares, (hidden, needless) = bench._judge(frame, found, (80, 80))
        assert shares.tolist() == [expected]
        assert hidden > 0
        assert needless <= 0.02
    assert bench._judge(frame, Regions.empty(), (80, 80))[0].tolist() == [0.0]


def test_a_gap_needs_a_sighting_on_both_sides_within_the_window():
    box = np.array([(10, 10, 30, 30)], np.float32)
    thumbnail = np.zeros((18, 32), np.uint8)
    frames = tuple(TrueFrame(i * 10**8, box, np.array([7]), thumbnail) for i in range(9))
    seen = [np.array([i in {2, 4, 7}]) for i in range(9)]
    played = bench._Played(Clip('still', (640, 480), Kind.FACE, frames), [], seen)
    assert np.flatnonzero(bench._gaps(played, 0.3)).tolist() == [3, 5, 6]
    assert np.flatnonzero(bench._gaps(played, 0.2)).tolist() == [3]
    assert np.flatnonzero(bench._known(played)).tolist() == list(range(2, 9))


def test_the_detector_misses_1_to_10_frames_in_a_row():
    random, left = np.random.default_rng(0), {}
    seen = [bench._is_seen(left, 0, random) for _ in range(3000)]
    runs = np.diff(np.flatnonzero(np.diff(np.array(seen, np.int8))))
    missed = runs[::2] if seen[int(np.flatnonzero(np.diff(np.array(seen, np.int8)))[0]) + 1] == 0 \
        else runs[1::2]
    assert set(missed.tolist()) == set(range(1, 11))


@pytest.mark.parametrize('is_rough', [False, True])
def test_a_clip_is_the_same_each_time_and_inside_the_image(is_rough):
    clip, again = (faces_clip(3, 15.0, is_rough=is_rough) for _ in range(2))
    assert len(clip.frames) == 150
    for a, b in zip(clip.frames, again.frames, strict=True):
        assert np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
        assert np.array_equal(a.thumbnail, b.thumbnail)
        assert np.array_equal(boxes.clip(a.boxes_xyxy, clip.size_wh), a.boxes_xyxy)
        assert len(set(a.objects.tolist())) == len(a.objects) == len(a.boxes_xyxy)


def test_walkers_have_the_boxes_of_their_silhouettes(shared_dir):
    clip = walkers_clip(shared_dir / 'data', 0, 15.0)
    size = np.concatenate([f.boxes_xyxy[:, 2:] - f.boxes_xyxy[:, :2] for f in clip.frames])
    assert clip.kind == Kind.BODY
    assert 0.2 < np.median(size[:, 0] / size[:, 1]) < 0.8


def test_the_street_clip_follows_people_through_its_labels(shared_dir):
    clip = street_clip(shared_dir / 'data')
    assert len(clip.frames) == 45
    assert clip.size_wh == (480, 360)
    lives: dict[int, int] = {}
    for frame in clip.frames:
        assert len(set(frame.objects.tolist())) == len(frame.objects)
        for who in frame.objects.tolist():
            lives[who] = lives.get(who, 0) + 1
    assert max(lives.values()) > 20


@pytest.mark.parametrize('make', [street_clip, lambda folder: walkers_clip(folder, 0, 15.0)])
def test_clips_without_their_data(tmp_path, make):
    with pytest.raises(InputError, match=str(tmp_path)):
        make(tmp_path)


def test_a_tracker_that_hides_nothing_more_scores_as_the_detector():
    clip = faces_clip(1, 15.0, is_rough=False)
    played = bench._play(dataclasses.replace(clip, frames=clip.frames[:30]), 1)
    row = bench._measure(played, lambda: TwoSidedTracker(0.0), 1.0)
    seen = np.concatenate(played.is_seen).mean()
    assert row['covered'] == pytest.approx(seen, abs=0.05)
