# SPDX-License-Identifier: Apache-2.0
"""What labels prove: never more than is so, whatever is missed where."""

from dataclasses import replace

import numpy as np
import pytest

from anon_ros.audit.acceptance import (
    LEAST_EFFECTIVE,
    judge,
    percent,
    read_acceptance,
    write_acceptance,
)
from anon_ros.audit.binomial import lower_bound
from anon_ros.audit.labels import FrameLabels, HiddenLabel, Labels, MissedLabel
from anon_ros.errors import InputError, OutputError


def frame(hidden=1, missed=0, weight=1, height=20.0, kind='face', false=0):
    def box(i):
        return (30.0 * i, 0.0, 30.0 * i + 20, height)

    return FrameLabels(
        'x.png', '', '/cam', 0, 0, (10000, 1000), '', weight,
        (*(HiddenLabel(kind, box(i), True) for i in range(hidden)),
         *(HiddenLabel(kind, box(i), False) for i in range(false))),
        tuple(MissedLabel(kind, box(100 + i)) for i in range(missed)), True,
    )


def labels_of(frames, kinds=('face',)):
    return Labels('ab' * 32, 0, len(frames), sum(f.weight for f in frames), 0, kinds,
                  tuple(frames))


def test_one_face_a_frame_is_the_plain_bound():
    proved = judge(labels_of([frame()] * 298 + [frame(0, 1)] * 2))
    recall = proved.kinds[0].recall
    assert (recall.things, recall.missed, recall.frames) == (300, 2, 300)
    assert recall.effective == pytest.approx(300)
    assert recall.low == pytest.approx(lower_bound(298, 300))
    assert proved.sentences == (
        'With 95 % confidence at least 97.9 % of faces are hidden.',
        'With 95 % confidence nothing is missed in at least 97.9 % of the frames.',
    )


def test_many_faces_in_a_frame_count_as_one_look():
    one = judge(labels_of([frame(1)] * 60)).kinds[0].recall
    ten = judge(labels_of([frame(10)] * 60)).kinds[0].recall
    assert (one.things, ten.things) == (60, 600)
    assert one.low == pytest.approx(ten.low)


def test_unequal_weights_and_crowds_weaken_the_bound():
    even = judge(labels_of([frame(2)] * 60)).kinds[0].recall
    uneven = judge(labels_of([frame(2, weight=1 + i % 5) for i in range(60)])).kinds[0].recall
    crowds = judge(labels_of([frame(1 + 10 * (i % 2)) for i in range(60)])).kinds[0].recall
    assert uneven.low < even.low
    assert crowds.low < even.low


def test_regions_hidden_in_vain_do_not_count():
    recall = judge(labels_of([frame(1, false=20)] * 40)).kinds[0].recall
    assert recall.things == 40


def test_heights_have_their_own_intervals():
    low, high = frame(height=12.0), frame(height=200.0)
    frames = [low] * 40 + [frame(0, 1, height=12.0)] * 10 + [high] * 40
    heights = {each.from_px: each for each in judge(labels_of(frames)).kinds[0].heights}
    assert set(heights) == {8, 128}
    assert (heights[8].to_px, heights[128].to_px) == (16, None)
    small = heights[8].recall
    assert small.share == pytest.approx(0.8)
    assert small.interval_low < 0.8 < small.interval_high
    assert heights[128].recall.share == 1


def test_too_few_say_nothing():
    with pytest.raises(InputError, match='too few'):
        judge(labels_of([frame()] * (LEAST_EFFECTIVE - 1)))
    with pytest.raises(InputError, match='the sample shows none'):
        judge(labels_of([frame(0)] * 100))
    with pytest.raises(InputError, match='count as 20'):
        judge(labels_of([frame(50)] * 20))


def test_a_kind_with_too_few_is_said_to_have_too_few():
    proved = judge(labels_of([frame()] * 50 + [frame(kind='plate')], ('face', 'plate')))
    assert proved.sentences[0].startswith('With 95 % confidence')
    assert proved.sentences[1].startswith('Nothing can be said of plates')
    assert '%' not in proved.sentences[1]


def test_percents_are_rounded_down():
    assert percent(0.99999) == '99.9 %'
    assert percent(0.9) == '90.0 %'
    assert percent(1.0) == '100.0 %'
    assert percent(0.0) == '0.0 %'


def test_it_comes_back_from_the_file_as_it_was(tmp_path):
    proved = judge(labels_of([frame()] * 50 + [frame(0, 1)]))
    write_acceptance(proved, tmp_path / 'acceptance.json')
    assert read_acceptance(tmp_path / 'acceptance.json') == proved
    (tmp_path / 'acceptance.json').write_text('{}')
    with pytest.raises(InputError):
        read_acceptance(tmp_path / 'acceptance.json')
    with pytest.raises(OutputError):
        write_acceptance(proved, tmp_path / 'missing' / 'anon' / 'x.json')


@pytest.mark.parametrize('spread', ['even', 'clustered', 'strata'])
def test_the_bound_is_kept_in_95_of_100_samples(spread):
    random = np.random.default_rng(5)
    population = []
    for i in range(2000):
        things = 1 + int(random.integers(4))
        share = {'even': 0.1, 'clustered': float(random.random() < 0.1),
                 'strata': 0.4 if i < 500 else 0.0}[spread]
        missed = int(random.binomial(things, share))
        population.append((things - missed, missed))
    missed, things = (sum(column) for column in (
        (row[1] for row in population), (sum(row) for row in population)))
    truth = 1 - missed / things
    kept = 0
    for _ in range(60):
        places = [i * 20 + int(random.integers(20)) for i in range(100)]
        drawn = [frame(*population[place], weight=20) for place in places]
        kept += judge(labels_of(drawn)).kinds[0].recall.low <= truth
    # Chance alone lets more than 11 of 60 fail in one of 10,000 tests.
    assert kept >= 49


def test_the_sentence_needs_a_share_to_be_proved():
    proved = judge(labels_of([frame()] * 50))
    kind = proved.kinds[0]
    silent = replace(kind, recall=replace(kind.recall, note='too few'))
    assert 'at least' not in silent.sentence
