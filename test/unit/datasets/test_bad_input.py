# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a Cityscapes or BDD100K tree is named with file and id."""

import json
import shutil

import cv2
import numpy as np
import pytest

from anon_ros.audit import rle
from anon_ros.core.regions import Mask
from anon_ros.datasets import bdd100k, cityscapes
from anon_ros.datasets.formats import create_dataset, open_dataset
from anon_ros.datasets.polygons import flatten
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.errors import InputError, UsageError

SIZE_WH = (64, 48)
SQUARE = [[5, 5], [20, 5], [20, 20], [5, 20]]


def block(x, identity, category='person', **more):
    inside = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    inside[10:30, x:x + 10] = True
    return Instance(identity, category, rle=rle.encode(Mask(inside, 0, 0), SIZE_WH), **more)


def make(root, name):
    image = cv2.imencode('.jpg', np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8))[1].tobytes()
    writer = create_dataset(root, name, Problems())
    split = '10k/val' if name == 'bdd100k' else 'val'
    for number in range(2):
        core = f'town_000000_{number:06d}'
        writer.add(ImageRecord(core, split, f'{core}.jpg', SIZE_WH, (
            block(4, '1'), block(30, '2', 'rider'))), image)
    writer.close()
    return root


def edit(path, function):
    value = json.loads(path.read_text())
    function(value)
    path.write_text(json.dumps(value))


def polygons(root):
    return root / 'gtFine/val/town/town_000000_000000_gtFine_polygons.json'


def ids(root):
    return root / 'gtFine/val/town/town_000000_000000_gtFine_instanceIds.png'


def rles(root):
    return root / 'labels/ins_seg/rles/ins_seg_val.json'


CITYSCAPES = [
    (lambda r: edit(polygons(r), lambda v: v['objects'][0].update(polygon=[[1, 1], [2, 2]])),
     'outline of 2 points', 'object 0'),
    (lambda r: edit(polygons(r), lambda v: v['objects'][1].update(
        polygon=[[90, 90], [99, 90], [99, 99]])), 'outline outside the image', 'object 1'),
    (lambda r: edit(polygons(r), lambda v: v['objects'][0].update(label='dragon')),
     'unknown category', 'dragon'),
    (lambda r: edit(polygons(r), lambda v: v.update(imgWidth=65)), 'mixed image sizes', '65x48'),
    (lambda r: edit(polygons(r), lambda v: v['objects'].pop(1)),
     'instanceIds and polygons differ', '25000'),
    (lambda r: ids(r).write_bytes(b'x'), 'damaged PNG', 'town_000000_000000'),
    (lambda r: polygons(r).write_text('{'), 'damaged JSON', 'town_000000_000000'),
    (lambda r: (r / 'leftImg8bit/val/town/town_000000_000000_leftImg8bit.png').unlink(),
     'annotation for an image that is not there', 'town_000000_000000'),
    (lambda r: (r / 'leftImg8bit/val/town/town_000000_000000_leftImg8bit.png').rename(
        r / 'leftImg8bit/val/town/town_0_leftImg8bit.png'),
     'a file name that is none of Cityscapes', 'town_0'),
]
BDD = [
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][0]['rle'].update(size=[9, 9])),
     'run lengths of the wrong size', 'town_000000_000000.jpg 1'),
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][0]['rle'].update(counts='PP')),
     'run lengths of the wrong size', 'town_000000_000000.jpg 1'),
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][1].update(category='dragon')),
     'unknown category', 'dragon'),
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][1].update(id='1')), 'duplicate id', 'label'),
    (lambda r: edit(rles(r), lambda v: v[1].update(name=v[0]['name'])), 'duplicate id', 'frame'),
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][0].update(
        poly2d=[{'vertices': [[1, 1], [2, 2]], 'types': 'LL', 'closed': True}])),
     'outline of 2 points', '.jpg 1'),
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][0].update(
        poly2d=[{'vertices': [[1, 1], [2, 2], [3, 1]], 'types': 'LLCC', 'closed': True}])),
     'damaged annotation', 'types'),
    (lambda r: edit(rles(r), lambda v: v[0]['labels'][0].update(
        box2d={'x1': 9, 'y1': 0, 'x2': 1, 'y2': 4})), 'damaged annotation', 'inside out'),
    (lambda r: (r / 'images/10k/val/town_000000_000000.jpg').unlink(), 'missing image',
     'town_000000_000000'),
    (lambda r: edit(rles(r), lambda v: v[0].update(name='../secret.jpg')), 'frame without a name',
     'secret'),
]


@pytest.mark.parametrize(
    ('name', 'damage', 'kind', 'named'),
    [('cityscapes', *each) for each in CITYSCAPES] + [('bdd100k', *each) for each in BDD])
def test_it_is_named_and_counted(tmp_path, name, damage, kind, named):
    root = make(tmp_path, name)
    damage(root)
    with pytest.raises(InputError, match=kind) as error:
        list(open_dataset(root, name, Problems('stop')).records())
    assert named in str(error.value)
    problems = Problems('skip')
    found = list(open_dataset(root, name, problems).records())
    assert problems.counts.get(kind) == 1 or any(key.startswith(kind) for key in problems.counts)
    assert any(named in str(each) for each in problems.first)
    assert sum(not record.problems for record in found) >= 1
    bad = [record for record in found if record.problems]
    assert len(bad) <= 1


def test_bitmasks_are_read_where_there_are_no_run_lengths(tmp_path):
    root = make(tmp_path, 'bdd100k')
    exact = [[i.rle for i in r.instances]
             for r in open_dataset(root, 'bdd100k', Problems()).records()]
    shutil.rmtree(root / 'labels/ins_seg/rles')
    drawn = list(open_dataset(root, 'bdd100k', Problems()).records())
    assert [[i.rle for i in r.instances] for r in drawn] == exact
    shutil.rmtree(root / 'labels/ins_seg/bitmasks')
    outlined = list(open_dataset(root, 'bdd100k', Problems()).records())
    assert [[i.rle for i in r.instances] for r in outlined] == exact


def test_a_bitmask_with_one_id_of_two_categories_is_damaged():
    image = np.zeros((4, 4, 4), np.uint8)
    image[0, :2, 3] = 1
    image[0, 0, 2], image[0, 1, 2] = 1, 3
    with pytest.raises(ValueError, match='id 1 has category 3'):
        bdd100k.decode_bitmask(image)
    with pytest.raises(ValueError, match='four channels'):
        bdd100k.decode_bitmask(np.zeros((4, 4), np.uint8))


def test_a_bitmask_has_the_bits_of_bdd100k():
    image = bdd100k.encode_bitmask(
        [block(4, '7', 'car', is_occluded=True, is_crowd=True), block(30, '9')], SIZE_WH)
    assert image[15, 5].tolist() == [0, 4 | 2, 3, 1]
    assert image[15, 35].tolist() == [0, 0, 1, 2]
    assert image[0, 0].tolist() == [0, 0, 0, 0]


def test_boxes_include_their_last_pixel():
    label = {'id': '1', 'category': 'person', 'box2d': {'x1': 3, 'y1': 4, 'x2': 10.5, 'y2': 20}}
    instance = bdd100k.parse_label(label, 1, SIZE_WH)
    assert instance.category == 'person'
    assert instance.box_xyxy == (3, 4, 11.5, 21)
    written = bdd100k.format_label(instance, SIZE_WH, box=True)
    assert written['category'] == 'pedestrian'
    assert written['box2d'] == label['box2d']


def test_ignored_words_are_read_as_bdd100k_does():
    instance = bdd100k.parse_label({'id': 1, 'category': 'other person'}, 1, SIZE_WH)
    assert (instance.category, instance.is_ignored) == ('person', True)


def test_curves_become_lines():
    circle = [(0, 5), (0, 8), (2, 10), (5, 10), (8, 10), (10, 8), (10, 5), (10, 2), (8, 0),
              (5, 0), (2, 0), (0, 2)]
    flat = np.array(flatten(circle, 'LCC' * 4))
    assert len(flat) == 4 * 16
    distance = np.linalg.norm(flat - 5, axis=1)
    assert 4.8 < distance.min() <= distance.max() < 5.2
    assert flatten(circle, 'CC' + 'LCC' * 3 + 'L') != []
    for letters in ('LC' * 6, 'C' * 12, 'LLL', 'LCX' * 4, 'LCCCC' + 'LCC' * 2 + 'L'):
        with pytest.raises(ValueError, match='types'):
            flatten(circle, letters)


def test_deleted_objects_are_left_out_and_never_written():
    value = {'imgWidth': 64, 'imgHeight': 48, 'objects': [
        {'label': 'person', 'polygon': SQUARE, 'deleted': 1},
        {'label': 'rider', 'polygon': SQUARE, 'deleted': 0},
        {'label': 'persongroup', 'polygon': SQUARE}]}
    size_wh, instances = cityscapes.parse_polygons(value)
    assert size_wh == (64, 48)
    assert [(i.category, i.is_crowd) for i in instances] == [('rider', False), ('person', True)]
    written = cityscapes.format_polygons(instances, size_wh)
    assert 'deleted' not in json.dumps(written)
    assert [each['label'] for each in written['objects']] == ['rider', 'persongroup']
    assert written['objects'][0]['polygon'] == SQUARE


def test_later_polygons_cover_earlier_ones():
    value = {'imgWidth': 64, 'imgHeight': 48, 'objects': [
        {'label': 'road', 'polygon': [[0, 0], [63, 0], [63, 47], [0, 47]]},
        {'label': 'person', 'polygon': SQUARE},
        {'label': 'car', 'polygon': [[10, 10], [40, 10], [40, 40], [10, 40]]},
        {'label': 'license plate', 'polygon': SQUARE}]}
    size_wh, instances = cityscapes.parse_polygons(value)
    seen = cityscapes.with_visible(instances, size_wh, None)
    labels, numbers = cityscapes.draw_ids(seen, size_wh)
    assert (labels[12, 12], numbers[12, 12]) == (26, 26000)
    assert (labels[6, 6], numbers[6, 6]) == (24, 24000)
    assert (labels[47, 63], numbers[47, 63]) == (7, 7)
    again = cityscapes.with_visible(instances, size_wh, numbers)
    assert again == seen


@pytest.mark.parametrize(('name', 'text'), [
    ('coco', 'no COCO dataset'), ('cityscapes', 'no Cityscapes dataset'),
    ('bdd100k', 'no BDD100K dataset')])
def test_an_empty_folder_is_no_dataset(tmp_path, name, text):
    with pytest.raises(InputError, match=text):
        open_dataset(tmp_path, name, Problems())
    with pytest.raises(InputError, match='no such folder'):
        open_dataset(tmp_path / 'nothing', name, Problems())
    if name != 'coco':
        with pytest.raises(UsageError, match='names a COCO file'):
            open_dataset(tmp_path, name, Problems(), annotations=tmp_path / 'x.json')


@pytest.mark.parametrize('name', ['coco', 'cityscapes', 'bdd100k'])
def test_an_unknown_split_is_named(tmp_path, name):
    root = make(tmp_path, name)
    with pytest.raises(InputError, match="no split 'july'"):
        open_dataset(root, name, Problems(), splits=['july'])
