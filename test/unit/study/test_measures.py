# SPDX-License-Identifier: Apache-2.0
"""What stands beside the accuracy: fixed networks that agree, and attackers."""

import cv2
import numpy as np
import pytest

from anon_ros.core.regions import Kind
from anon_ros.study.agreement import Tally, _count_boxes
from anon_ros.study.label_store import Labels, Thing
from anon_ros.study.privacy import LOOKS, attack_variant, gather


def boxes(*values):
    return np.array(values, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(('first', 'second', 'expected'), [
    ([], [], 1.0), ([], [[0, 0, 10, 10]], 0.0), ([[0, 0, 10, 10]], [], 0.0),
    ([[0, 0, 10, 10]], [[0, 0, 10, 9]], 1.0), ([[0, 0, 10, 10]], [[5, 5, 15, 15]], 0.0),
    ([[0, 0, 10, 10], [0, 0, 10, 10]], [[0, 0, 10, 10]], 2 / 3),
])
def test_boxes_agree_one_to_one(first, second, expected):
    tally = Tally()
    _count_boxes(tally, boxes(*first), boxes(*second))
    assert tally.f1 == pytest.approx(expected)


class FakeLabels:
    """A store in memory: image i shows person i % 3 at another place."""

    def __init__(self, count, attributes):
        self._count, self._attributes = count, attributes

    def __len__(self):
        return self._count

    def __getitem__(self, number):
        if number >= self._count:
            raise IndexError
        box = (10.0 + number, 10.0, 30.0 + number, 60.0)
        who = {'identity': f'p{number % 3}'} if self._attributes else {}
        crowd = Thing(1, (50.0, 10.0, 70.0, 60.0), '', is_ignored=True)
        return Labels(str(number), f'{number}.png', (80, 80), (
            Thing(1, box, '', attributes=who, face_xyxy=(12.0, 12.0, 22.0, 24.0)), crowd))


@pytest.fixture
def folders(tmp_path):
    random = np.random.default_rng(0)
    for name in ('clear', 'hidden'):
        (tmp_path / name).mkdir()
        for number in range(24):
            image = random.integers(0, 256, (80, 80, 3), np.uint8)
            cv2.imwrite(str(tmp_path / name / f'{number}.png'), image)
    return tmp_path / 'clear', tmp_path / 'hidden'


def test_people_who_are_known_by_name_have_several_looks(folders):
    people = gather(FakeLabels(24, attributes=True), *folders, Kind.BODY, 10)
    assert [len(each.looks) for each in people] == [LOOKS] * 3
    assert people[0].looks[0].hole.sum() == 20 * 50
    faces = gather(FakeLabels(24, attributes=True), *folders, Kind.FACE, 10)
    assert faces[0].looks[0].hole.sum() == 10 * 12
    strangers = gather(FakeLabels(24, attributes=False), *folders, Kind.BODY, 10)
    assert [len(each.looks) for each in strangers] == [1] * 10


def test_too_few_people_say_nothing(folders):
    people = gather(FakeLabels(24, attributes=True), *folders, Kind.BODY, 10)
    found = attack_variant(people, Kind.BODY, 'blur')
    assert found.recognized is None
    assert found.note == 'too few people to say anything'
