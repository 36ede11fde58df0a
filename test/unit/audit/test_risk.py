# SPDX-License-Identifier: Apache-2.0
"""What is odd comes first, with its reason; what is usual does not come at all."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.audit import risk
from anon_ros.audit.flags import NO_FACE, NO_VEHICLE
from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.manifest import FlagRecord
from anon_ros.core.regions import NO_TRACK, Kind, Origin, Regions

SIZE_WH = (640, 480)
STEP_NS = 10**8
INSIDE = [300, 200, 340, 240]


def region(box, track=NO_TRACK, score=0.9, kind=Kind.FACE, origin=Origin.DETECTED):
    return replace(
        Regions.of([box], kind, [score], origin=origin), track_ids=np.array([track])
    )


def frame(index, *parts, topic='/camera', outcome='anonymized', step_ns=STEP_NS):
    at_ns = index * step_ns
    regions = Regions.concatenate(parts)
    return FrameRegions(topic, index, at_ns + 5, at_ns, SIZE_WH, regions, outcome)


def reasons(frames, *arguments, **options):
    return [
        (each.index, item.reason)
        for each in risk.rank(frames, *arguments, **options) for item in each.risks
    ]


def test_nothing_odd_is_nothing():
    assert risk.rank([]) == []
    steady = [frame(i, region(INSIDE, 1)) for i in range(50)]
    assert risk.rank(steady) == []


def test_a_weak_track_is_shown_where_it_is_seen_best():
    frames = [frame(i, region(INSIDE, 1, 0.1 + i / 100)) for i in range(20)]
    found = risk.rank(frames)
    assert [(each.index, each.stamp_ns, each.log_ns) for each in found] == [
        (19, 19 * STEP_NS + 5, 19 * STEP_NS)]
    item = found[0].risks[0]
    assert (item.reason, item.track, item.kind, item.box_xyxy) == (
        risk.WEAK, 1, 'face', tuple(INSIDE))
    assert '20 times' in item.text
    assert '0.29' in item.text
    frames[3] = frame(3, region(INSIDE, 1, 0.6))
    assert risk.rank(frames) == []


def test_weak_regions_that_nobody_follows_count_one_by_one():
    frames = [frame(i, region(INSIDE, score=0.3)) for i in range(3)]
    assert reasons(frames) == [(i, risk.WEAK) for i in range(3)]


def test_what_comes_and_goes_inside_the_image_is_short_and_at_its_edge_not():
    def visit(box):
        return [frame(i, *([region(box, 1)] if 3 <= i < 5 else [])) for i in range(60)]

    assert reasons(visit(INSIDE)) == [(5, risk.SHORT)]
    assert reasons(visit([600, 200, 640, 240])) == []
    assert reasons(visit(INSIDE)[:5]) == [], 'the recording ended, not the track'


def test_a_gap_in_a_track_is_shown_where_it_begins():
    frames = [frame(i, *([] if i in {7, 8} else [region(INSIDE, 1)])) for i in range(20)]
    found = risk.rank(frames)
    assert [each.index for each in found] == [7]
    assert found[0].risks[0].reason == risk.GAP
    assert '0.20 s' in found[0].risks[0].text


def test_somebody_found_again_under_another_number_is_a_gap_too():
    def frames(other):
        return [frame(i, region(INSIDE, 1)) for i in range(10)] + [
            frame(i) for i in range(10, 15)
        ] + [frame(i, region(other, 2)) for i in range(15, 30)]

    assert reasons(frames([310, 205, 350, 245])) == [(10, risk.GAP)]
    assert reasons(frames([20, 20, 60, 60])) == []
    assert reasons(frames([310, 205, 450, 345])) == [], 'of another size'


def test_what_is_hidden_for_long_unseen_is_shown_in_the_middle():
    frames = [
        frame(i, region(INSIDE, 1, origin=Origin.FILLED if 5 <= i < 14 else Origin.DETECTED))
        for i in range(20)
    ]
    assert reasons(frames) == [(9, risk.UNSEEN)]
    short = [
        frame(i, region(INSIDE, 1, origin=Origin.FILLED if 5 <= i < 7 else Origin.DETECTED))
        for i in range(20)
    ]
    assert risk.rank(short) == []


def test_what_something_else_hides_is_not_lost():
    around = [290, 190, 350, 300]
    frames = [
        frame(i, *([] if i in {7, 8} else [region(INSIDE, 1)]),
              region(around, 2, kind=Kind.BODY)) for i in range(20)
    ]
    assert reasons(frames) == []
    switched = [frame(i, region(INSIDE, 1 if i < 10 else 2)) for i in range(20)]
    assert reasons(switched) == [], 'another number without a frame between them is no gap'


def test_many_weak_reasons_do_not_stand_before_a_strong_one():
    weak = [region([x, 100, x + 20, 120], score=0.3) for x in range(100, 500, 30)]
    frames = [frame(0, *weak)] + [
        frame(i, *([] if i == 7 else [region(INSIDE, 1)])) for i in range(1, 20)]
    found = risk.rank(frames)
    assert [each.index for each in found] == [7, 0]
    assert [(item.reason, count) for item, count in found[1].reasons] == [(risk.WEAK, len(weak))]


def test_a_crowd_that_is_gone_at_once_is_shown_and_one_that_thins_out_is_not():
    crowd = [region([i * 50, 100, i * 50 + 30, 130], i) for i in range(10)]
    gone = [frame(i, *(crowd if i < 10 else crowd[:2])) for i in range(30)]
    assert (10, risk.DROP) in reasons(gone)
    assert [reason for _, reason in reasons(gone)].count(risk.DROP) == 1
    slow = [frame(i, *crowd[:10 - i // 10]) for i in range(100)]
    assert risk.DROP not in [reason for _, reason in reasons(slow)]


def test_withheld_frames_are_neither_risky_nor_a_drop_nor_an_end():
    crowd = [region([i * 50, 100, i * 50 + 30, 130], i) for i in range(10)]
    frames = [
        frame(i, *([] if i == 10 else crowd), outcome='masked' if i == 10 else 'anonymized')
        for i in range(20)
    ]
    assert risk.rank(frames) == []


def test_flags_get_the_box_that_they_mean():
    tall, with_face, face = [10, 100, 60, 300], [200, 50, 300, 400], [230, 60, 260, 90]
    frames = [frame(
        3, region(tall, 1, kind=Kind.BODY), region(with_face, 2, kind=Kind.BODY), region(face, 3)
    )]
    flags = [FlagRecord(NO_FACE, '/camera', 3, 0, 'body'),
             FlagRecord(NO_VEHICLE, '/camera', 3, 0, 'plate'),
             FlagRecord(NO_FACE, '/camera', 99, 0, 'body')]
    found = risk.rank(frames, flags)
    assert len(found) == 1
    by_reason = {item.reason: item for item in found[0].risks}
    assert by_reason[NO_FACE].box_xyxy == tuple(tall)
    assert by_reason[NO_FACE].track == 1
    assert by_reason[NO_VEHICLE].box_xyxy is None


def test_what_another_detector_sees_comes_first():
    frames = [frame(i, region(INSIDE, 1, 0.2)) for i in range(5)]
    seen = risk.StillSeen('/camera', 2, 'face', 0.8, (1.0, 2.0, 30.0, 40.0))
    found = risk.rank(frames, still_seen=[seen])
    assert found[0].index == 2
    assert found[0].risks[0].reason == risk.STILL_SEEN
    assert found[0].score > found[1].score


def test_several_reasons_weigh_more_than_the_strongest_of_them():
    flags = [FlagRecord(NO_VEHICLE, '/camera', 0, 0, 'face')] * 2
    found = risk.rank([frame(0, region(INSIDE))], flags)[0]
    assert max(item.score for item in found.risks) < found.score < 1


def test_cameras_are_looked_at_apart():
    frames = [
        frame(i, *([] if topic == '/b' and i == 3 else [region(INSIDE, 1)]), topic=topic)
        for i in range(8) for topic in ('/a', '/b')
    ]
    found = risk.rank(frames)
    assert [(each.topic, each.index) for each in found] == [('/b', 3)]


def test_the_worst_of_very_many_are_kept():
    frames = [frame(i, region(INSIDE, score=0.4 * (i % 997) / 997)) for i in range(3000)]
    best, worst = risk.rank(frames, most=10), risk.rank(frames, most=5000)[:10]
    assert best == worst
    assert len(best) == 10


boxes = st.tuples(*[st.floats(0, 400)] * 2, *[st.floats(1, 200)] * 2).map(
    lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]])
parts = st.builds(region, boxes, st.integers(-1, 3), st.floats(0, 1), st.sampled_from(Kind),
                  st.sampled_from(Origin))


@given(st.lists(st.tuples(st.lists(parts, max_size=4), st.integers(0, 10**9)), max_size=30))
def test_whatever_comes_scores_are_shares_and_frames_are_named_once(rows):
    frames = [
        replace(frame(i, *each), log_ns=at_ns) for i, (each, at_ns) in enumerate(rows)
    ]
    found = risk.rank(frames)
    assert found == risk.rank(iter(frames))
    assert all(0 <= item.score < 1 for each in found for item in each.risks)
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
    keys = [(each.topic, each.index) for each in found]
    assert len(set(keys)) == len(keys) <= len(frames)
