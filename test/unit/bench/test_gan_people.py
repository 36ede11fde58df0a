# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed: generators are not measured')

from anon_ros.bench import gan_people
from anon_ros.core import masks
from anon_ros.detection.yolox import Yolox


@pytest.fixture(scope='module')
def people(shared_dir):
    return gan_people.held_out_people(shared_dir / 'data', 3)


def test_people_stand_whole_in_the_frame_and_joints_on_them(people):
    for person in people:
        width, height = gan_people.FRAME_WH
        assert person.image_bgr.shape == (height, width, 3)
        x_min, y_min, x_max, y_max = person.box_xyxy
        assert x_min >= 0
        assert y_min >= 0
        assert x_max <= width
        assert y_max <= height
        assert y_max - y_min > 0.8 * gan_people.HEIGHTS_PX[0]
        inside = masks.paste([person.mask], gan_people.FRAME_WH)
        columns, rows = person.keypoints[:, :2].astype(int).T
        assert inside[rows.clip(0, height - 1), columns.clip(0, width - 1)].mean() > 0.8


def test_the_same_people_come_again(people, shared_dir):
    again = gan_people.held_out_people(shared_dir / 'data', 2)
    for first, second in zip(people, again, strict=False):
        assert np.array_equal(first.image_bgr, second.image_bgr)
        assert np.array_equal(first.keypoints, second.keypoints)


def test_a_box_hides_more_than_a_silhouette_and_both_all_of_the_person(people):
    anonymizer = gan_people.anonymizer_of('mask-out')
    for person in people:
        inside = masks.paste([person.mask], gan_people.FRAME_WH)
        changed = {}
        for kind in gan_people.REGIONS:
            shown = gan_people.hidden_person(anonymizer, person, kind, 0)
            assert (shown[inside] == 128).all()
            changed[kind] = (shown != person.image_bgr).any(axis=2)
        assert changed['silhouette'].sum() < changed['box'].sum()
    assert gan_people.hidden_person(None, people[0], 'box', 0) is people[0].image_bgr


def test_who_is_seen_is_found_and_who_is_not_there_is_not(people, shared_dir):
    network = Yolox.load(shared_dir / 'models/yolox_nano.onnx', 'cpu', 1, 1)
    found = [gan_people.is_found(network, p.image_bgr, p.box_xyxy, 768) for p in people]
    assert sum(found) >= 2
    for person in people:
        nobody = np.full_like(person.image_bgr, 90)
        assert not gan_people.is_found(network, nobody, person.box_xyxy, 768)
        elsewhere = person.box_xyxy + np.float32(400)
        assert not gan_people.is_found(network, person.image_bgr, elsewhere, 768)
