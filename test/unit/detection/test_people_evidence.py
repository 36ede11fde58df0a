# SPDX-License-Identifier: Apache-2.0
"""Whatever passes the threshold is in a silhouette, and what is sure is hidden whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import masks
from anon_ros.detection import people_evidence
from anon_ros.detection.people_evidence import box_evidence, gather, painted

SHAPE = (60, 80)
SIZE_WH = (80, 60)
NOBODY = -20.0


def lead_of(*patches, value=5.0):
    """Return a lead in which patches y0, y1, x0, x1 are people."""
    lead = np.full(SHAPE, NOBODY, np.float32)
    for y_min, y_max, x_min, x_max in patches:
        lead[y_min:y_max, x_min:x_max] = value
    return lead


def people_in(lead, boxes=(), scores=(), threshold=0.0):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return gather(lead, boxes, np.array(scores, np.float32), threshold)


def hidden(people):
    return masks.paste([person.mask for person in people], SIZE_WH)


def test_nothing_seen_gives_nobody():
    assert people_in(lead_of()) == []


def test_a_weak_box_without_a_silhouette_is_nobody():
    assert people_in(lead_of(), [[10, 10, 30, 50]], [0.02]) == []


def test_a_sure_box_without_a_silhouette_is_hidden_whole():
    (person,) = people_in(lead_of(), [[10, 10, 30, 50]], [0.9])
    assert hidden([person])[10:50, 10:30].all()
    assert person.score == pytest.approx(0.9)


def test_a_box_with_a_silhouette_is_hidden_as_far_as_it_goes():
    lead = lead_of((12, 48, 15, 27))
    (person,) = people_in(lead, [[10, 10, 30, 50]], [0.9])
    np.testing.assert_array_equal(hidden([person]), lead > 0)


def test_a_silhouette_outside_every_box_is_a_region_of_its_own():
    lead = lead_of((12, 48, 15, 27), (5, 10, 60, 64), (40, 50, 50, 60))
    people = people_in(lead, [[10, 10, 30, 50]], [0.9])
    assert len(people) == 3
    np.testing.assert_array_equal(hidden(people), lead > 0)
    assert 0.4 < people[1].score < people_evidence.BOXLESS_TRUST
    assert people[1].score > people_in(lead_of((5, 10, 60, 64), value=1.0))[0].score


def test_what_sticks_out_of_a_box_is_hidden_too():
    lead = lead_of((12, 58, 15, 27))
    people = people_in(lead, [[10, 10, 30, 40]], [0.9])
    assert hidden(people)[12:58, 15:27].all()
    assert len(people) == 2


def test_a_sliver_beside_a_person_belongs_to_it():
    lead = lead_of((12, 48, 15, 27), (46, 51, 27, 34))
    people = people_in(lead, [[10, 10, 25, 50]], [0.9])
    assert len(people) == 1
    np.testing.assert_array_equal(hidden(people), lead > 0)


def test_a_sliver_goes_to_whom_it_touches_most():
    lead = lead_of((12, 48, 10, 24), (12, 48, 30, 44), (40, 44, 24, 30), (30, 40, 28, 30))
    boxes = [[10, 10, 22, 50], [32, 10, 44, 50]]
    people = people_in(lead, boxes, [0.9, 0.8])
    assert len(people) == 2
    assert people[1].mask.x < 30
    np.testing.assert_array_equal(hidden(people), lead > 0)


def test_a_box_lets_a_faint_silhouette_pass_and_only_in_it():
    lead = lead_of((12, 48, 12, 28), (12, 48, 60, 70), value=-2.0)
    people = people_in(lead, [[10, 10, 30, 50]], [0.5])
    assert hidden(people)[12:48, 12:28].all()
    assert not hidden(people)[:, 40:].any()


def test_holes_are_closed():
    lead = lead_of((12, 48, 15, 27))
    lead[20:30, 19:23] = NOBODY
    assert hidden(people_in(lead, [[10, 10, 30, 50]], [0.9]))[12:48, 15:27].all()
    assert hidden(people_in(lead))[12:48, 15:27].all()


def test_weak_boxes_are_no_people_of_their_own():
    lead = lead_of((12, 48, 12, 68), value=-1.0)
    people = people_in(lead, [[10, 10, 40, 50], [40, 10, 70, 50]], [0.2, 0.25])
    assert len(people) == 1
    assert hidden(people)[12:48, 12:68].all()


def test_many_boxes_of_one_person_are_one_region():
    lead = lead_of((12, 48, 12, 28))
    boxes = [[10, 10, 30, 50], [11, 10, 31, 50], [10, 9, 29, 49]]
    assert len(people_in(lead, boxes, [0.5, 0.9, 0.3])) == 1


def test_neighbours_are_two_regions_that_share_no_gap():
    lead = lead_of((12, 48, 12, 48))
    people = people_in(lead, [[10, 10, 30, 50], [30, 10, 50, 50]], [0.8, 0.9])
    assert len(people) == 2
    assert hidden(people)[12:48, 12:48].all()


def test_a_lower_threshold_never_hides_less():
    rng = np.random.default_rng(3)
    lead = rng.normal(-3, 4, SHAPE).astype(np.float32)
    many = hidden(people_in(lead, [[10, 10, 30, 50]], [0.1], threshold=-2))
    few = hidden(people_in(lead, [[10, 10, 30, 50]], [0.1], threshold=1))
    assert (many | ~few).all()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(*[st.floats(-30, 110, width=32)] * 4, st.floats(0, 1, width=32)),
             max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_every_pixel_that_passes_is_hidden(found, seed):
    rng = np.random.default_rng(seed)
    lead = np.kron(rng.normal(-4, 5, (12, 16)), np.ones((5, 5))).astype(np.float32)
    boxes = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)]
                      for a, b, c, d, _ in found], np.float32).reshape(-1, 4)
    scores = [score for *_, score in found]
    passes = masks.without_specks(lead > 0, people_evidence.SPECK_PX)
    assert (hidden(people_in(lead, boxes, scores)) | ~passes).all()


def test_evidence_grows_with_the_score_until_it_is_sure():
    boxes = np.tile(np.array([[0, 0, 10, 20]], np.float32), (5, 1))
    evidence = box_evidence(boxes, np.array([0, 0.005, 0.02, 0.1, 0.9], np.float32), 480)
    assert evidence[0] == evidence[1]
    assert evidence[1] < evidence[2] < evidence[3] == evidence[4]


def test_evidence_is_larger_for_small_people_and_never_negative():
    boxes = np.array([[0, 0, 5, 10], [0, 0, 20, 45], [0, 0, 90, 300]], np.float32)
    evidence = box_evidence(boxes, np.full(3, 0.02, np.float32), 480)
    assert evidence[0] > evidence[1] > evidence[2] >= 0


def test_size_is_relative_to_the_image():
    scores = np.full(1, 0.05, np.float32)
    box = np.array([[0, 0, 20, 45]], np.float32)
    np.testing.assert_allclose(
        box_evidence(box, scores, 480), box_evidence(box * 4, scores, 1920), rtol=1e-5)


def test_painted_takes_the_largest_and_cuts_at_the_edges():
    boxes = np.array([[-5, -5, 2, 2], [1, 1, 99, 99], [200, 0, 300, 9]], np.float32)
    canvas = painted(boxes, np.array([3, 2, 9], np.float32), (4, 4))
    assert canvas.tolist() == [[3, 3, 0, 0], [3, 3, 2, 2], [0, 2, 2, 2], [0, 2, 2, 2]]


def test_specks_are_left_out_on_purpose():
    lead = lead_of((5, 6, 5, 5 + people_evidence.SPECK_PX - 1))
    assert people_in(lead) == []
