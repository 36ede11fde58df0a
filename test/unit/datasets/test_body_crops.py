# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed: training is not tested')

from anon_ros.datasets.body_crops import (
    HELD_EVERY,
    LEAST_HEIGHT_PX,
    CocoBodies,
    body_crops,
    images_beside,
)
from anon_ros.errors import InputError

SIZE_HW = (80, 48)
GREEN, GRAY = (40, 200, 60), (128, 128, 128)


def person(identity, x, y, wide, tall, **more):
    """An annotation of a person who is a rectangle."""
    points = [[x + wide / 2, y + tall * (i + 0.5) / 17, 2] for i in range(17)]
    corners = [x, y, x + wide, y, x + wide, y + tall, x, y + tall]
    return {
        'id': identity, 'image_id': 1, 'category_id': 1, 'bbox': [x, y, wide, tall],
        'area': wide * tall, 'iscrowd': 0, 'segmentation': [corners],
        'keypoints': [number for point in points for number in point], 'num_keypoints': 17,
        **more}


def write(folder, annotations, size_wh=(320, 240)):
    image = np.full((size_wh[1], size_wh[0], 3), GRAY, np.uint8)
    for each in annotations:
        x, y, wide, tall = (int(value) for value in each['bbox'])
        image[y:y + tall, x:x + wide] = GREEN
    (folder / 'val').mkdir(parents=True)
    cv2.imwrite(str(folder / 'val/1.png'), image)
    content = {
        'images': [{'id': 1, 'file_name': '1.png', 'width': size_wh[0], 'height': size_wh[1]}],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person'}, {'id': 3, 'name': 'car'}]}
    path = folder / 'annotations/person_keypoints_val.json'
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path


def test_everybody_of_use_becomes_a_crop(tmp_path):
    annotations = [
        person(1, 40, 30, 40, 120), person(2, 150, 60, 30, 90),
        person(3, 400, 60, 10, LEAST_HEIGHT_PX - 1), person(4, 430, 10, 20, 60, iscrowd=1),
        person(5, 460, 100, 20, 80, keypoints=[0] * 51), person(6, 500, 10, 20, 60, category_id=3),
        person(7, 560, 10, 20, 60, segmentation=[])]
    path = write(tmp_path, annotations, (640, 240))
    crops = list(body_crops(path, tmp_path / 'val', SIZE_HW))
    assert len(crops) == 2
    for crop in crops:
        assert crop.image_rgb.shape == (*SIZE_HW, 3)
        green = (crop.image_rgb[..., 1].astype(int) - crop.image_rgb[..., 0]) > 1
        assert not (green & ~crop.silhouette).any()
        assert 0.2 < crop.silhouette.mean() <= 0.75
        for x, y, seen in crop.keypoints:
            assert seen == 2
            assert crop.silhouette[int(y * SIZE_HW[0]), int(x * SIZE_HW[1])]


def test_a_person_at_the_edge_of_the_image_is_not_repeated_beyond(tmp_path):
    path = write(tmp_path, [person(1, 280, 20, 40, 220)])
    crop, = body_crops(path, tmp_path / 'val', SIZE_HW)
    columns = np.flatnonzero(crop.silhouette.any(axis=0))
    rows = np.flatnonzero(crop.silhouette.any(axis=1))
    assert len(columns) / len(rows) == pytest.approx(40 / 220, abs=0.08)


def test_learnt_and_held_out_are_different_people(tmp_path):
    count = HELD_EVERY + 2
    annotations = [person(i, 8 * i, 20, 6, 60 + i) for i in range(count)]
    learnt, held = CocoBodies.open(write(tmp_path, annotations), tmp_path / 'val', SIZE_HW)
    assert len(learnt) == count - 2
    assert len(held) == 2
    one = learnt.draw(np.random.default_rng(5))
    same = learnt.draw(np.random.default_rng(5))
    assert np.array_equal(one.image_rgb, same.image_rgb)
    same.image_rgb[:] = 0
    same.keypoints[:] = 0
    again = learnt.draw(np.random.default_rng(5))
    assert np.array_equal(one.image_rgb, again.image_rgb)
    assert np.array_equal(one.keypoints, again.keypoints)
    assert one.silhouette.dtype == bool


def test_an_image_of_another_size_or_none_is_left_out(tmp_path):
    path = write(tmp_path, [person(1, 40, 30, 40, 120), person(2, 150, 60, 30, 90)])
    cv2.imwrite(str(tmp_path / 'val/1.png'), np.zeros((10, 10, 3), np.uint8))
    assert list(body_crops(path, tmp_path / 'val', SIZE_HW)) == []
    (tmp_path / 'val/1.png').unlink()
    with pytest.raises(InputError, match='fewer than two people'):
        CocoBodies.open(path, tmp_path / 'val', SIZE_HW)


def test_images_are_looked_for_where_coco_has_them(tmp_path):
    path = write(tmp_path, [person(1, 40, 30, 40, 120)])
    assert images_beside(path) == tmp_path / 'val'
    assert images_beside(tmp_path / 'other/people.json') == tmp_path / 'other'


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r'nowhere\.json'):
        list(body_crops(tmp_path / 'nowhere.json', tmp_path, SIZE_HW))


def test_real_photos_with_annotations_are_read(shared_dir):
    folder = shared_dir / 'data/people'
    crops = list(body_crops(folder / 'test_coco.json', folder, SIZE_HW))
    assert len(crops) >= 4
    for crop in crops:
        seen = crop.keypoints[crop.keypoints[:, 2] == 2]
        rows = (seen[:, 1] * SIZE_HW[0]).astype(int).clip(0, SIZE_HW[0] - 1)
        columns = (seen[:, 0] * SIZE_HW[1]).astype(int).clip(0, SIZE_HW[1] - 1)
        assert crop.silhouette[rows, columns].mean() > 0.7
