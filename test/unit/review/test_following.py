# SPDX-License-Identifier: Apache-2.0
"""Where a drawn box goes: with what it shows, and not across a cut."""

import math

import cv2
import numpy as np
import pytest
from bag_builder import picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reviewed import SIDE, SIZE_WH, YELLOW_BGR

from anon_ros.bench.time_clips import street_clip
from anon_ros.core import boxes
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import EncodingError
from anon_ros.review import flow
from anon_ros.review.following import LONGEST_S, Footage, Limits, trace

PERIOD_NS = 10**8
PEDESTRIAN, BICYCLIST = 9, 10


def scene(x, y, side=SIDE, seed=3):
    image = picture(seed=seed, size_wh=SIZE_WH, squares=())
    image[y:y + side, x:x + side] = YELLOW_BGR
    image[y + 4:y + 9, x + 4:x + 9] = (20, 20, 20)
    return image


def truth(i):
    return 12 + 4 * i, 40 + i


def footage(images, hidden=None, carry_s=0.0):
    def image(number):
        if images[number] is None:
            raise EncodingError('withheld')
        return images[number]

    return Footage(
        [i * PERIOD_NS for i in range(len(images))], image,
        lambda number: (hidden or {}).get(number, Regions.empty()), carry_s,
    )


def box_at(i):
    x, y = truth(i)
    return float(x), float(y), float(x + SIDE), float(y + SIDE)


def cover(box, i):
    return float(boxes.cover(np.array([box_at(i)], np.float32), np.array([box], np.float32))[0, 0])


@pytest.fixture(scope='module')
def movie():
    return [scene(*truth(i)) for i in range(26)]


def test_it_is_followed_backwards_and_forwards(movie):
    found = trace(footage(movie), {12: box_at(12)}, Limits()).boxes
    assert sorted(found) == list(range(26))
    assert found[12] == box_at(12)
    for i, box in found.items():
        assert cover(box, i) > 0.95, i
        assert (box[2] - box[0]) < 1.4 * SIDE


def test_between_two_drawn_boxes_no_frame_is_left_out(movie):
    blind = list(movie)
    for i in range(8, 14):
        blind[i] = scene(150, 100)  # hidden behind something, as it were
    found = trace(footage(blind), {5: box_at(5), 17: box_at(17)}, Limits(5, 17)).boxes
    assert sorted(found) == list(range(5, 18))
    for i in range(5, 18):
        assert cover(found[i], i) > 0.6, i


def test_it_stays_within_its_limits(movie):
    found = trace(footage(movie, carry_s=0.5), {12: box_at(12)}, Limits(10, 15)).boxes
    assert sorted(found) == list(range(10, 16))


def test_a_cut_ends_it(movie):
    cut = [*movie[:16], *(scene(*truth(i), seed=99) for i in range(16, 26))]
    found = trace(footage(cut, carry_s=0.5), {12: box_at(12)}, Limits()).boxes
    assert max(found) == 15


def test_withheld_frames_are_passed_over(movie):
    torn = list(movie)
    torn[14] = None
    found = trace(footage(torn), {12: box_at(12)}, Limits()).boxes
    assert 14 not in found
    assert cover(found[20], 20) > 0.9
    torn[12] = None
    assert trace(footage(torn), {12: box_at(12)}, Limits()).boxes == {12: box_at(12)}


def test_what_hides_it_already_takes_over(movie):
    hidden = {i: Regions.of([box_at(i)], Kind.FACE) for i in range(18, 26)}
    found = trace(footage(movie, hidden), {12: box_at(12)}, Limits()).boxes
    assert max(found) == 20


def test_it_is_carried_on_a_little_where_it_is_lost():
    # Small, so that its going is no cut of the camera.
    images = [scene(*truth(i), side=10) for i in range(16)]
    gone = [*images, *(picture(seed=3, size_wh=SIZE_WH, squares=()) for _ in range(10))]
    x, y = truth(12)
    box = float(x), float(y), x + 10.0, y + 10.0
    still = trace(footage(gone), {12: box}, Limits()).boxes
    carried = trace(footage(gone, carry_s=0.35), {12: box}, Limits()).boxes
    # It is looked for in a few frames before it is given up.
    assert 15 <= max(still) <= 18
    assert max(still) + 3 <= max(carried) <= max(still) + 4


def test_a_lone_frame_is_enough():
    assert trace(footage([scene(30, 30)]), {0: (30.0, 30.0, 50.0, 50.0)}, Limits()).boxes == {
        0: (30.0, 30.0, 50.0, 50.0)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(-300, 500), min_size=4, max_size=4))
def test_a_step_from_any_box_is_a_box_or_nothing(values):
    x_min, x_max = sorted(values[:2])
    y_min, y_max = sorted(values[2:])
    image = scene(60, 50)
    found = flow.step(image, image, (x_min, y_min, x_max, y_max))
    assert found is None or (found[2] >= found[0] and found[3] >= found[1]
                             and np.isfinite(found).all())


def test_flat_pictures_lose_it():
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert flow.step(flat, flat, (10.0, 10.0, 30.0, 30.0)) is None
    assert flow.step(flat, flat, (10.0, 10.0, 11.0, 30.0)) is None


def test_where_it_is_lost_a_person_has_to_look():
    images = [scene(*truth(i), side=10) for i in range(16)]
    gone = [*images, *(picture(seed=3, size_wh=SIZE_WH, squares=()) for _ in range(10))]
    x, y = truth(12)
    found = trace(footage(gone), {12: (float(x), float(y), x + 10.0, y + 10.0)}, Limits())
    assert found.doubts[max(found.boxes)] == 'lost'
    assert min(found.doubts) >= 16


def test_of_what_is_sure_nobody_has_to_look(movie):
    assert trace(footage(movie), {12: box_at(12)}, Limits()).doubts == {}


def test_where_followers_disagree_a_person_has_to_look(movie):
    blind = list(movie)
    for i in range(8, 14):
        blind[i] = scene(150, 100)
    found = trace(footage(blind), {5: box_at(5), 17: box_at(17)}, Limits(5, 17))
    assert set(found.doubts.values()) == {'unsure'}
    assert all(8 <= number <= 13 for number in found.doubts)


def test_what_is_unsure_is_hidden_wider(movie):
    dim = [cv2.addWeighted(image, 0.4, np.full_like(image, 90), 0.6, 0) for image in movie]
    noisy = [*movie[:14], *dim[14:]]
    sure, unsure = (
        trace(footage(some), {12: box_at(12)}, Limits()).boxes for some in (movie, noisy))
    assert unsure[20][2] - unsure[20][0] > sure[20][2] - sure[20][0]


def test_as_far_as_it_is_followed_is_told():
    still, once_a_second = scene(60, 50), [i * 10**9 for i in range(16)]
    one = Footage(once_a_second, lambda _: still, lambda _: Regions.empty(), 0.0)
    found = trace(one, {2: (60.0, 50.0, 80.0, 70.0)}, Limits())
    assert sorted(found.boxes) == list(range(2 + int(LONGEST_S) + 1))
    assert found.doubts == {2 + int(LONGEST_S): 'far'}


@pytest.mark.parametrize('start', ['first', 'middle'])
def test_real_people_stay_hidden_or_it_is_told(shared_dir, start):
    """Riders and pedestrians of a real drive, with the labels of their pixels."""
    clip = street_clip(shared_dir / 'data')
    paths = sorted((shared_dir / 'data' / 'street' / 'sequence').glob('*.jpg'))
    images = [cv2.imread(str(path)) for path in paths]
    labels = [cv2.imread(str(path.with_name(f'{path.stem}_labels.png')), 0) for path in paths]
    one = Footage([frame.stamp_ns for frame in clip.frames], lambda i: images[i],
                  lambda _: Regions.empty(), 0.0)
    people = {}
    for number, frame in enumerate(clip.frames):
        for box, person in zip(frame.boxes_xyxy.tolist(), frame.objects.tolist(), strict=True):
            people.setdefault(person, {})[number] = tuple(box)
    people.pop(-1, None)
    kept = told = 0
    for where in people.values():
        if len(where) < 15:
            continue
        numbers = sorted(where)
        drawn = numbers[0] if start == 'first' else numbers[len(numbers) // 2]
        found = trace(one, {drawn: where[drawn]}, Limits())
        covers = [share_of(labels[number], where[number], found.boxes.get(number))
                  for number in numbers]
        is_kept = min(covers) >= 0.8
        assert is_kept or found.doubts, (drawn, numbers[0], numbers[-1], covers)
        kept += is_kept
        told += not is_kept
    assert kept >= 2 * told, (kept, told)


def share_of(labels, box, hidden):
    """Return the share of a person's pixels that are hidden."""
    if hidden is None:
        return 0.0
    inside = [np.zeros(labels.shape, bool) for _ in range(2)]
    for mask, place in zip(inside, (box, hidden), strict=True):
        x_min, y_min = (max(math.floor(each), 0) for each in place[:2])
        x_max, y_max = (math.ceil(each) for each in place[2:])
        mask[y_min:y_max, x_min:x_max] = True
    person = inside[0] & np.isin(labels, (PEDESTRIAN, BICYCLIST))
    return float((person & inside[1]).sum() / person.sum())
