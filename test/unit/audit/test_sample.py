# SPDX-License-Identifier: Apache-2.0
"""A sample has its share of everything, each frame the same chance, and can be drawn again."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.audit.frame_regions import FrameRegions
from anon_ros.audit.sample import HOUR_NS, draw_sample
from anon_ros.core.regions import Kind, Regions

FIRST = [('/b', 8), ('/a', 9), ('/a', 14), ('/a', 19)]


def frame(index, topic='/a', at_ns=None, count=0, outcome='anonymized'):
    regions = Regions.of([[5 * i, 0, 5 * i + 4, 9] for i in range(count)], Kind.FACE)
    at_ns = index if at_ns is None else at_ns
    return FrameRegions(topic, index, at_ns, at_ns, (640, 480), regions, outcome)


def draw(frames, size, seed=0, root='root'):
    return draw_sample([frames], size, seed=seed, root=root)


def keys(sample):
    return [(each.frame.topic, each.frame.index) for each in sample.frames]


def mixed():
    """Return frames of two topics of unequal length, three hours, few and many regions."""
    return [
        frame(i, '/a' if i % 4 else '/b', i * HOUR_NS // 200, (0, 2, 12)[i % 3])
        for i in range(600)
    ]


def test_it_is_repeatable_and_each_seed_and_result_has_its_own():
    frames = mixed()
    assert keys(draw(frames, 60)) == keys(draw(frames, 60))
    assert keys(draw(frames, 60)) != keys(draw(frames, 60, seed=1))
    assert keys(draw(frames, 60)) != keys(draw(frames, 60, root='other'))
    first = keys(draw(mixed()[:40], 4))
    assert first == FIRST, 'draws never change'


def test_topics_hours_and_fullness_have_their_share():
    frames = mixed()
    sample = draw(frames, 60)
    assert sample.population == 600

    def strata(rows):
        return Counter(
            (row.topic, row.log_ns // HOUR_NS, len(row.regions)) for row in rows)

    of_all, drawn = strata(frames), strata(each.frame for each in sample.frames)
    assert set(drawn) == set(of_all)
    for stratum, count in of_all.items():
        assert abs(drawn[stratum] - count / 10) < 2


def test_withheld_frames_are_counted_and_not_drawn():
    frames = [frame(i, outcome='masked' if i % 2 else 'unchanged') for i in range(20)]
    sample = draw(frames, 100)
    assert (sample.population, sample.excluded) == (10, 10)
    assert [index for _, index in keys(sample)] == list(range(0, 20, 2))
    assert {each.weight for each in sample.frames} == {1}


def test_many_recordings_are_drawn_from_as_one():
    frames = mixed()
    sample = draw_sample([frames[:100], [], frames[100:]], 60, seed=0, root='root')
    assert keys(sample) == keys(draw(frames, 60))
    assert [each.bag for each in sample.frames] == [
        0 if each.frame.index < 100 else 2 for each in sample.frames]


def test_nothing_gives_nothing():
    assert draw([], 10).frames == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 250), st.integers(0, 2**31))
def test_weights_add_up_and_blocks_are_of_nearly_one_length(population, size, seed):
    sample = draw([frame(i) for i in range(population)], size, seed)
    weights = [each.weight for each in sample.frames]
    assert len(weights) == min(size, population)
    assert sum(weights) == population
    assert max(weights) - min(weights) <= 1
    assert len(set(keys(sample))) == len(weights)


def test_every_frame_has_the_same_chance():
    frames = [frame(i, count=i % 5) for i in range(50)]
    drawn = Counter(key for seed in range(500) for key in keys(draw(frames, 10, seed)))
    assert len(drawn) == 50
    assert all(abs(count - 100) < 45 for count in drawn.values())
