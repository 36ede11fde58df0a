# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import boxes, masks
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import NO_TRACK, Kind, Mask, Origin, Regions
from anon_ros.tracking import TwoSidedTracker

SIZE = (640, 480)


def sighting(stamp_s, *drawn, kind=Kind.FACE, scores=None, thumbnail=None, size_wh=SIZE):
    return Sighting(round(stamp_s * 1e9), Regions.of(list(drawn), kind, scores), size_wh,
                    thumbnail)


def walk(tracker, sightings):
    done = [out for item in sightings for out in tracker.push(item)]
    return done + tracker.flush()


def walker(time_s, speed=60.0, side=30.0):
    x = 50.0 + speed * time_s
    return (x, 200.0, x + side, 200.0 + side)


def walking(rate_hz, count, missed=(), **options):
    return [
        sighting(i / rate_hz, *(() if i in missed else (walker(i / rate_hz),)), **options)
        for i in range(count)
    ]


def covered(out, box):
    if not len(out.regions):
        return 0.0
    return float(boxes.cover(np.array([box], np.float32), out.regions.boxes_xyxy).max())


def texture(seed):
    return np.random.default_rng(seed).integers(0, 255, (18, 32)).astype(np.uint8)


def test_no_frames():
    assert TwoSidedTracker().flush() == []


def test_frames_without_regions_come_out_as_they_went_in():
    frames = [sighting(i / 10) for i in range(30)]
    assert [out.stamp_ns for out in walk(TwoSidedTracker(), frames)] == [
        frame.stamp_ns for frame in frames
    ]


@pytest.mark.parametrize('rate_hz', [15, 30, 60])
@pytest.mark.parametrize('gap', range(1, 11))
def test_fills_every_gap_inside_the_window(rate_hz, gap):
    missed = range(12, 12 + gap)
    done = walk(TwoSidedTracker(), walking(rate_hz, 40, missed))
    for i, out in enumerate(done):
        assert covered(out, walker(i / rate_hz)) > 0.99
    for i in missed:
        assert done[i].regions.origins.tolist() == [Origin.FILLED]
    assert {int(t) for out in done for t in out.regions.track_ids} == {0}


@pytest.mark.parametrize('jitter', [0.0, 0.02])
def test_fills_one_missed_frame_at_1_hz(jitter):
    frames = [
        sighting(i * (1 + jitter) + (i % 2) * jitter,
                 *(() if i == 3 else (walker(i, 30),))) for i in range(7)
    ]
    done = walk(TwoSidedTracker(), frames)
    assert done[3].regions.origins.tolist() == [Origin.FILLED]
    assert covered(done[3], walker(3, 30)) > 0.99


def test_carries_one_frame_on_each_side_at_a_rate_slower_than_the_window():
    frames = [sighting(i * 5.0, *((walker(0, 0),) if i == 3 else ())) for i in range(7)]
    done = walk(TwoSidedTracker(), frames)
    assert [len(out.regions) for out in done] == [0, 0, 1, 1, 1, 0, 0]
    assert done[2].regions.origins.tolist() == [Origin.CARRIED]
    assert covered(done[2], walker(0, 0)) == covered(done[4], walker(0, 0)) == 1.0


def test_carries_before_the_first_and_after_the_last_sighting():
    frames = walking(10, 60, missed=[*range(20), *range(40, 60)])
    done = walk(TwoSidedTracker(carry_s=0.5), frames)
    counts = [len(out.regions) for out in done]
    assert counts == [0] * 15 + [1] * 30 + [0] * 15
    for i in range(15, 45):
        assert covered(done[i], walker(i / 10)) > 0.99


def test_does_not_carry_a_lone_weak_region_but_keeps_it():
    frames = [sighting(i / 10, *((walker(0),) if i == 10 else ()), scores=[0.2] * (i == 10))
              for i in range(20)]
    done = walk(TwoSidedTracker(), frames)
    assert [len(out.regions) for out in done] == [0] * 10 + [1] + [0] * 9
    assert done[10].regions.track_ids.tolist() != [NO_TRACK]


def test_a_weak_region_on_a_track_is_confirmed():
    frames = [sighting(i / 10, walker(i / 10), scores=[0.9 if i == 5 else 0.1])
              if i in {5, 8} else sighting(i / 10) for i in range(14)]
    done = walk(TwoSidedTracker(), frames)
    assert done[8].regions.track_ids.tolist() == done[5].regions.track_ids.tolist()
    assert [int(done[i].regions.origins[0]) for i in (5, 6, 7, 8)] == [
        Origin.DETECTED, Origin.FILLED, Origin.FILLED, Origin.DETECTED,
    ]
    assert done[6].regions.scores.tolist() == pytest.approx([0.1])


def test_two_weak_regions_are_filled_between_and_three_are_carried_too():
    for seen, counts in (({5, 7}, [0] * 5 + [1] * 3 + [0] * 6),
                         ({5, 7, 8}, [0] * 2 + [1] * 10 + [0] * 2)):
        frames = [sighting(i / 10, *((walker(0, 0),) if i in seen else ()),
                           scores=[0.2] * (i in seen)) for i in range(14)]
        done = walk(TwoSidedTracker(carry_s=0.3), frames)
        assert [len(out.regions) for out in done] == counts


def test_weak_regions_far_apart_are_not_taken_for_one_object():
    boxes_xyxy = {3: (100, 100, 130, 130), 5: (140, 100, 170, 130)}
    frames = [sighting(i / 30, *([boxes_xyxy[i]] if i in boxes_xyxy else []),
                       scores=[0.2] * (i in boxes_xyxy)) for i in range(9)]
    done = walk(TwoSidedTracker(), frames)
    assert [len(out.regions) for out in done] == [0, 0, 0, 1, 0, 1, 0, 0, 0]


def test_a_lone_weak_region_is_not_waited_for_long():
    for gap, ids in ((0.3, {0}), (0.6, {0, 1})):
        frames = [sighting(i / 30, *([(100, 100, 130, 130)] if i in {0, round(gap * 30)} else []),
                           scores=[0.2] * (i in {0, round(gap * 30)})) for i in range(30)]
        done = walk(TwoSidedTracker(), frames)
        assert {int(t) for out in done for t in out.regions.track_ids} == ids


def test_a_stray_weak_region_takes_no_cover_from_the_object():
    # A region nearby takes over the track in one frame of a gap.
    frames = []
    for i in range(20):
        drawn = [walker(i / 15)] if i not in range(8, 14) else []
        drawn += [(90.0, 185.0, 118.0, 213.0)] if i == 11 else []
        frames.append(sighting(i / 15, *drawn, scores=[0.2 if i == 11 else 0.9] * len(drawn)))
    done = walk(TwoSidedTracker(), frames)
    for i, out in enumerate(done):
        assert covered(out, walker(i / 15)) > 0.95


def test_somebody_at_the_edge_is_filled_as_large_as_he_is_inside():
    # A sway of the camera cuts off half of the region, then it is missed, then whole again.
    rng = np.random.default_rng(3)
    wide = np.repeat(np.repeat(rng.integers(0, 255, (12, 20)), 4, 0), 4, 1).astype(np.float32)
    frames, truth = [], []
    for i, sway in enumerate([0, 0, 0, 0, 1, 1, 0, 0, 0, 0]):
        x = 600.0 + sway * 20
        truth.append((x, 100.0, min(x + 40, 640.0), 140.0))
        thumbnail = wide[10:28, 20 - sway:52 - sway].astype(np.uint8)
        frames.append(sighting(i / 10, *([] if i in {6, 7} else [truth[-1]]),
                               thumbnail=thumbnail))
    done = walk(TwoSidedTracker(), frames)
    for out, box in zip(done, truth, strict=True):
        assert covered(out, box) > 0.95


def test_nothing_crosses_a_cut():
    before, after = texture(1), texture(2)
    frames = [
        sighting(i / 10, *((walker(0, 0),) if i in {5, 15} else ()),
                 thumbnail=before if i < 10 else after) for i in range(20)
    ]
    done = walk(TwoSidedTracker(carry_s=0.3), frames)
    assert [len(out.regions) for out in done] == [0] * 2 + [1] * 7 + [0] * 3 + [1] * 7 + [0]
    assert done[5].regions.track_ids.tolist() != done[15].regions.track_ids.tolist()


def test_carrying_stops_at_a_cut():
    frames = [
        sighting(i / 10, *((walker(0, 0),) if i in {8, 9} else ()),
                 thumbnail=texture(1 if i < 10 else 2)) for i in range(15)
    ]
    done = walk(TwoSidedTracker(carry_s=1.0), frames)
    assert [len(out.regions) for out in done] == [1] * 10 + [0] * 5


def test_an_undecodable_frame_is_no_cut():
    frames = [
        sighting(i / 10, *(() if i in {5, 6} else (walker(i / 10),)),
                 thumbnail=None if i in {5, 6} else texture(1)) for i in range(12)
    ]
    done = walk(TwoSidedTracker(), frames)
    assert [len(out.regions) for out in done] == [1] * 12
    assert {int(t) for out in done for t in out.regions.track_ids} == {0}


def test_follows_a_shaking_camera():
    rng = np.random.default_rng(3)
    wide = np.repeat(np.repeat(rng.integers(0, 255, (12, 20)), 4, 0), 4, 1).astype(np.float32)
    offsets = [(0, 0), (0, 0), (0, 0), (1, 1), (-1, 1), (1, 0), (0, 0), (0, 0), (0, 0)]
    frames = []
    truth = []
    for i, (dx, dy) in enumerate(offsets):
        thumbnail = wide[10 + dy:28 + dy, 20 + dx:52 + dx].astype(np.uint8)
        x, y = 300 - dx * 640 / 32, 200 - dy * 480 / 18
        truth.append((x, y, x + 30, y + 30))
        drawn = () if i in {3, 4, 5} else (truth[-1],)
        frames.append(sighting(i / 10, *drawn, thumbnail=thumbnail))
    done = walk(TwoSidedTracker(), frames)
    for out, box in zip(done, truth, strict=True):
        assert covered(out, box) > 0.8


def test_a_restart_of_the_recording_gives_back_everything_and_links_nothing():
    frames = [*walking(10, 30), *walking(10, 30)]
    done = walk(TwoSidedTracker(), frames)
    assert [out.stamp_ns for out in done] == [frame.stamp_ns for frame in frames]
    first, second = ({int(t) for out in part for t in out.regions.track_ids}
                     for part in (done[:30], done[30:]))
    assert first == {0}
    assert second == {1}


def test_a_small_step_back_is_no_restart():
    stamps = [0.0, 0.1, 0.2, 0.15, 0.15, 0.3, 0.4]
    frames = [sighting(t, *(() if i == 3 else (walker(0, 0),))) for i, t in enumerate(stamps)]
    done = walk(TwoSidedTracker(), frames)
    assert [len(out.regions) for out in done] == [1] * 7
    assert {int(t) for out in done for t in out.regions.track_ids} == {0}


def test_a_change_of_size_ends_the_tracks():
    frames = [sighting(i / 10, *((walker(0, 0),) if i in {3, 8} else ()),
                       size_wh=SIZE if i < 6 else (320, 240)) for i in range(12)]
    done = walk(TwoSidedTracker(), frames)
    assert [len(out.regions) for out in done] == [1] * 12
    assert done[5].regions.track_ids.tolist() != done[6].regions.track_ids.tolist()


def test_a_stuck_clock_holds_no_more_than_a_window_of_frames():
    tracker = TwoSidedTracker(1.0)
    pending = 0
    for _ in range(1000):
        pending += 1 - len(tracker.push(sighting(5.0, walker(0, 0))))
        assert pending <= 101


def test_nothing_is_drawn_outside_the_image():
    frames = [
        sighting(i / 10, *((610.0 + 20 * i, 100.0, 640.0 + 20 * i, 130.0),) * (i < 2))
        for i in range(12)
    ]
    done = walk(TwoSidedTracker(), frames)
    for out in done:
        for box in out.regions.boxes_xyxy:
            assert box[0] < 640
    assert len(done[-1].regions) == 0


def test_window_0_gives_ids_only_and_at_once():
    tracker = TwoSidedTracker(0.0)
    for frame in walking(10, 10, missed=[4]):
        out, = tracker.push(frame)
        assert len(out.regions) == len(frame.regions)
    assert tracker.next_track_id == 1


def test_ids_go_on_where_another_run_stopped():
    tracker = TwoSidedTracker(first_track_id=70)
    done = walk(tracker, walking(10, 5))
    assert {int(t) for out in done for t in out.regions.track_ids} == {70}
    assert tracker.next_track_id == 71


def test_kinds_do_not_mix():
    frames = [sighting(i / 10, walker(0, 0), kind=Kind.FACE if i % 2 else Kind.BODY)
              for i in range(8)]
    done = walk(TwoSidedTracker(), frames)
    kinds = {(int(t), int(k)) for out in done
             for t, k in zip(out.regions.track_ids, out.regions.kinds, strict=True)}
    assert kinds == {(0, Kind.BODY), (1, Kind.FACE)}


def test_a_filled_region_holds_the_silhouettes_on_both_sides():
    inside = np.ones((40, 60), np.bool_)
    mask = Mask(inside, 100, 100)
    regions = Regions.of([(110, 110, 140, 130)], Kind.BODY, masks=[mask])
    frames = [Sighting(i * 10**8, regions if i in {0, 3} else Regions.empty(), SIZE)
              for i in range(4)]
    done = walk(TwoSidedTracker(), frames)
    hidden = masks.paste([done[1].regions.masks[0]], SIZE)
    assert hidden[100:140, 100:160].all()
    assert hidden.sum() < 60 * 80
    assert done[0].regions.masks == (mask,)


def test_people_are_carried_for_a_time_of_their_own():
    for kind, count in ((Kind.FACE, 10), (Kind.BODY, 4), (Kind.PLATE, 10)):
        frames = [sighting(i / 10, *((walker(0),) if i == 5 else ()), kind=kind)
                  for i in range(10)]
        done = walk(TwoSidedTracker(carry_s=0.5, body_carry_s=0.2), frames)
        assert sum(len(out.regions) for out in done) == count + (kind == Kind.BODY)


def test_two_who_cross_keep_their_ids():
    frames = []
    for i in range(30):
        a, b = 100.0 + 10 * i, 400.0 - 10 * i
        drawn = [(a, 200.0, a + 30, 230.0), (b, 205.0, b + 30, 235.0)]
        frames.append(sighting(i / 15, *(drawn if i % 2 else drawn[::-1])))
    done = walk(TwoSidedTracker(), frames)
    ends = [dict(zip(done[i].regions.track_ids.tolist(),
                     done[i].regions.boxes_xyxy[:, 1].tolist(), strict=True)) for i in (0, 29)]
    assert ends[0] == ends[1]


# A frame: step in ms, may be negative; regions as whole numbers; scene of the thumbnail.
_region = st.tuples(st.integers(-50, 650), st.integers(-50, 490), st.integers(1, 200),
                    st.integers(1, 200), st.sampled_from([0.05, 0.4, 0.9]))
_frame = st.tuples(st.sampled_from([-3000, -20, 0, 1, 16, 33, 66, 200, 1000, 5000]),
                   st.lists(_region, max_size=4), st.integers(0, 2))


@st.composite
def recordings(draw):
    stamp_ms, frames = 10_000, []
    for step_ms, regions, scene in draw(st.lists(_frame, max_size=40)):
        stamp_ms += step_ms
        frames.append(sighting(
            stamp_ms / 1000, *[(x, y, x + w, y + h) for x, y, w, h, _ in regions],
            scores=[r[4] for r in regions], thumbnail=texture(scene) if scene else None,
        ))
    return frames


@settings(max_examples=60, deadline=None)
@given(recordings(), st.sampled_from([0.0, 0.1, 1.0, 3.0]))
def test_whatever_comes_in_comes_out_in_order_once_and_never_less(frames, window_s):
    done = walk(TwoSidedTracker(window_s), frames)
    assert [out.stamp_ns for out in done] == [frame.stamp_ns for frame in frames]
    for frame, out in zip(frames, done, strict=True):
        count = len(frame.regions)
        assert np.array_equal(out.regions.boxes_xyxy[:count], frame.regions.boxes_xyxy)
        assert np.array_equal(out.regions.scores[:count], frame.regions.scores)
        assert (out.regions.origins[:count] == Origin.DETECTED).all()
        assert (out.regions.origins[count:] != Origin.DETECTED).all()
        ids = out.regions.track_ids.tolist()
        assert NO_TRACK not in ids
        assert len(set(ids[:count])) == count


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_two_runs_give_the_same(frames):
    first, second = (walk(TwoSidedTracker(0.5), frames) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.regions.boxes_xyxy, b.regions.boxes_xyxy)
        assert np.array_equal(a.regions.track_ids, b.regions.track_ids)


@settings(max_examples=40, deadline=None)
@given(recordings(), st.sampled_from([0.1, 1.0]))
def test_no_frame_is_held_longer_than_its_window(frames, window_s):
    tracker = TwoSidedTracker(window_s)
    clock_ns, times_ns, released = 0, [], 0
    for before, frame in zip([None, *frames], frames, strict=False):
        step_ns = frame.stamp_ns - before.stamp_ns if before else 0
        clock_ns += max(step_ns, 10**7)
        released += len(tracker.push(frame))
        times_ns.append(clock_ns)
        for held_ns in times_ns[released:-1]:
            assert clock_ns - held_ns < window_s * 1e9
