# SPDX-License-Identifier: Apache-2.0
"""Who is hidden, and which faces belong to whom."""

import numpy as np
import pytest

from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.datasets.protocols import (
    annotated_faces,
    check_paper_method,
    choose,
    match_faces,
    paper_sampling,
    to_regions,
)
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.errors import UsageError

SIZE_WH = (100, 80)
POINTS = tuple((1.0, 1.0, 1.0) for _ in range(17))
NOWHERE = tuple((0.0, 0.0, 0.0) for _ in range(17))
OUTLINE = (((10.0, 10.0), (30.0, 10.0), (30.0, 60.0), (10.0, 60.0)),)


def person(**more):
    return Instance('1', more.pop('category', 'person'), polygons=OUTLINE, **more)


@pytest.mark.parametrize(('instance', 'name', 'reason'), [
    (person(keypoints=POINTS), 'coco', None),
    (person(keypoints=NOWHERE), 'coco', 'without keypoints'),
    (person(), 'coco', 'without keypoints'),
    (person(), 'cityscapes', None),
    (person(), 'bdd100k', None),
    (person(category='rider'), 'cityscapes', 'rider'),
    (person(is_crowd=True), 'cityscapes', 'crowd'),
    (person(is_ignored=True), 'bdd100k', 'ignored'),
    (Instance('1', 'person', (1.0, 1.0, 5.0, 5.0)), 'bdd100k', 'without outline'),
])
def test_the_paper_skips_whom_its_scripts_skip(instance, name, reason):
    record = ImageRecord('1', 'train', '1.jpg', SIZE_WH, (instance, person(category='car')))
    chosen, skipped = choose(record, name, 'paper')
    assert skipped == ({} if reason is None else {reason: 1})
    assert chosen == ([instance] if reason is None else [])
    assert choose(record, name, 'safe') == ([instance], {})


def test_the_paper_has_three_methods():
    for method in ('blur', 'mask-out', 'realistic'):
        check_paper_method(method)
    with pytest.raises(UsageError, match="no method 'pixelate'"):
        check_paper_method('pixelate')


def test_people_become_silhouettes_or_boxes_and_grow():
    people = [person(), Instance('2', 'rider', (50.0, 10.0, 60.5, 30.0))]
    regions = to_regions(people, SIZE_WH)
    assert regions.boxes_xyxy.tolist() == [[10, 10, 30, 60], [50, 10, 60.5, 30]]
    assert regions.masks[1] is None
    grown = to_regions(people, SIZE_WH, growth=0.02)
    assert grown.masks[0].inside.sum() > regions.masks[0].inside.sum() + 4 * 60
    assert grown.boxes_xyxy[0].tolist() == [7, 7, 33, 63]
    with pytest.raises(ValueError, match='person without outline or box: 9'):
        to_regions([Instance('9', 'person')], SIZE_WH)


def body(x, y, width, height):
    return Mask(np.ones((height, width), bool), x, y)


def bodies(*masks):
    return Regions.of([
        [m.x, m.y, m.x + m.inside.shape[1], m.y + m.inside.shape[0]] for m in masks
    ], Kind.BODY, masks=masks)


def test_each_person_gets_one_face_the_best():
    people = bodies(body(10, 10, 20, 50), body(60, 10, 20, 50))
    faces = Regions.of(
        [[12, 10, 24, 24], [14, 12, 20, 18], [62, 10, 74, 24], [90, 60, 99, 70]], Kind.FACE,
        [0.5, 0.9, 0.4, 0.99])
    kept = match_faces(faces, people, SIZE_WH)
    assert kept.boxes_xyxy.tolist() == [[12, 10, 24, 24], [62, 10, 74, 24]]


def test_a_face_that_hardly_touches_a_person_belongs_to_nobody():
    people = bodies(body(0, 0, 50, 80))
    faces = Regions.of([[48, 0, 58, 10]], Kind.FACE)
    assert len(match_faces(faces, people, SIZE_WH)) == 0
    assert len(match_faces(Regions.empty(), people, SIZE_WH)) == 0
    assert len(match_faces(faces, Regions.empty(), SIZE_WH)) == 0


def test_people_without_silhouette_match_by_their_box():
    people = Regions.of([[10, 10, 30, 60]], Kind.BODY)
    faces = Regions.of([[12, 10, 24, 24]], Kind.FACE)
    assert len(match_faces(faces, people, SIZE_WH)) == 1


def test_keypoints_come_along_where_they_are_asked_for():
    half = POINTS[:8] + NOWHERE[8:]
    people = [
        person(keypoints=half), Instance('2', 'rider', (50.0, 10.0, 60.5, 30.0)),
        person(keypoints=tuple((1.0, 2.0, 2.0) for _ in range(17)))]
    assert to_regions(people, SIZE_WH).keypoints is None
    keypoints = to_regions(people, SIZE_WH, with_keypoints=True).keypoints
    assert keypoints.shape == (3, 17, 3)
    assert (keypoints[0, :8] == 1).all()
    assert np.isnan(keypoints[0, 8:]).all()
    assert np.isnan(keypoints[1]).all()
    assert (keypoints[2] == [1, 2, 1]).all()
    assert to_regions([], SIZE_WH, with_keypoints=True).keypoints.shape == (0, 17, 3)


def test_styles_are_drawn_as_in_the_papers_scripts():
    assert [paper_sampling(name, Kind.FACE) for name in ('coco', 'cityscapes', 'bdd100k')] == [
        'mean', 'mean', 'multi-modal']
    assert paper_sampling('coco', Kind.BODY) == 'multi-modal'


def test_annotated_faces_are_instances_or_of_the_whole_body():
    instances = (
        Instance('1', 'face', (1.0, 2.0, 5.0, 8.0)), person(),
        person(extra={'coco': {'face_box': [10, 20, 4, 6], 'face_valid': True}}),
        person(extra={'coco': {'face_box': [0, 0, 0, 0], 'face_valid': False}}),
    )
    record = ImageRecord('1', 'train', '1.jpg', SIZE_WH, instances)
    assert annotated_faces(record).boxes_xyxy.tolist() == [[1, 2, 5, 8], [10, 20, 14, 26]]
    damaged = (person(extra={'coco': {'face_box': 'x', 'face_valid': True}}),)
    with pytest.raises(ValueError, match='no list of four numbers'):
        annotated_faces(ImageRecord('1', 'train', '1.jpg', SIZE_WH, damaged))
