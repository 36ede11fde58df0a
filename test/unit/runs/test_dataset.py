# SPDX-License-Identifier: Apache-2.0
"""Datasets anonymized by their annotations: who is hidden, what stays, and what is wrong."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from anon_ros.audit import rle
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.core.settings import Settings
from anon_ros.datasets.formats import create_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.runs.dataset import anonymize_dataset
from anon_ros.runs.dataset_job import DatasetJob

SIZE_WH = (160, 120)
PERSON, RIDER, CROWD, BARE = (10, 20), (60, 20), (110, 20), (60, 75)
KEYPOINTS = tuple((20.0, 30.0, 2.0) for _ in range(17))
PAPER = Settings(method=('mask-out',))


def block(at, **more):
    inside = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    inside[at[1]:at[1] + 40, at[0]:at[0] + 30] = True
    return Instance(rle=rle.encode(Mask(inside, 0, 0), SIZE_WH), **more)


def people():
    return (
        block(PERSON, id='1', category='person', keypoints=KEYPOINTS),
        block(RIDER, id='2', category='rider'),
        block(CROWD, id='3', category='person', is_crowd=True),
        block(BARE, id='4', category='person', is_ignored=True),
    )


def picture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    return cv2.imencode('.png', cv2.GaussianBlur(noise, (5, 5), 0))[1].tobytes()


def make(folder, name, count=2):
    """A dataset whose first image shows people; the others show nobody."""
    writer = create_dataset(folder, name, Problems())
    for number in range(count):
        core = f'town_000000_{number:06d}' if name == 'cityscapes' else str(number + 1)
        split = '10k/train' if name == 'bdd100k' else 'train'
        writer.add(
            ImageRecord(core, split, f'{split}/{number + 1}.jpg', SIZE_WH,
                        people() if number == 0 else ()), picture(number))
    writer.close()
    return folder


def photos(root):
    return sorted(
        path for path in root.rglob('*') if path.suffix in {'.jpg', '.png'}
        and not {'gtFine', 'labels'} & set(path.relative_to(root).parts))


def changed(source, target, at):
    """Whether the middle of somebody looks different."""
    (a, *_), (b, *_) = ([cv2.imread(str(path)) for path in photos(root)]
                        for root in (source, target))
    x, y = at[0] + 15, at[1] + 20
    return bool(np.abs(a[y - 5:y + 5, x - 5:x + 5].astype(int)
                       - b[y - 5:y + 5, x - 5:x + 5]).max() > 20)


def job(source, target, name, **more):
    return DatasetJob(source, target, name, **more)


@pytest.mark.parametrize('name', ['coco', 'cityscapes', 'bdd100k'])
def test_everybody_is_hidden_by_default(tmp_path, name):
    source = make(tmp_path / 'source', name)
    result = anonymize_dataset(job(source, tmp_path / 'out', name), Settings())
    assert all(changed(source, tmp_path / 'out', at) for at in (PERSON, RIDER, CROWD, BARE))
    assert result.manifest.regions_by_kind['body'] == 4
    assert result.untouched == {}
    old, new = photos(source), photos(tmp_path / 'out')
    assert [p.relative_to(source) for p in old] == [p.relative_to(tmp_path / 'out') for p in new]
    assert old[1].read_bytes() == new[1].read_bytes()
    assert old[0].read_bytes() != new[0].read_bytes()
    labels = [p for p in source.rglob('*') if p.is_file() and p not in old]
    assert labels
    for path in labels:
        assert path.read_bytes() == (tmp_path / 'out' / path.relative_to(source)).read_bytes()
    assert not (tmp_path / 'out.partial').exists()


@pytest.mark.parametrize(('name', 'untouched'), [
    # COCO: only whoever has keypoints; it has no word 'ignored', and the keypoints decide.
    ('coco', {'rider': 1, 'crowd': 1, 'without keypoints': 1}),
    ('cityscapes', {'rider': 1, 'crowd': 1}),
    ('bdd100k', {'rider': 1, 'crowd': 1, 'ignored': 1}),
])
def test_the_paper_leaves_people_and_the_run_says_so(tmp_path, name, untouched):
    source = make(tmp_path / 'source', name)
    if name == 'coco':
        file = source / 'annotations/instances_train.json'
        file.write_text(file.read_text().replace('"is_ignored": true', '"is_ignored": false'))
    result = anonymize_dataset(
        job(source, tmp_path / 'out', name, protocol='paper'), PAPER)
    assert result.untouched == untouched
    assert changed(source, tmp_path / 'out', PERSON)
    assert not changed(source, tmp_path / 'out', RIDER)
    assert not changed(source, tmp_path / 'out', CROWD)
    assert photos(source)[1].read_bytes() == photos(tmp_path / 'out')[1].read_bytes()


def test_the_paper_writes_full_quality_and_gray_128(tmp_path):
    source = make(tmp_path / 'source', 'bdd100k')
    anonymize_dataset(job(source, tmp_path / 'out', 'bdd100k', protocol='paper'), PAPER)
    data = photos(tmp_path / 'out')[0].read_bytes()
    frame = data.index(b'\xff\xc0')
    assert data[frame + 11] == 0x11
    quantization = data.index(b'\xff\xdb')
    assert set(data[quantization + 5:quantization + 69]) == {1}
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    middle = image[PERSON[1] + 15:PERSON[1] + 25, PERSON[0] + 10:PERSON[0] + 20]
    assert np.abs(middle.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(('change', 'settings', 'text'), [
    ({'protocol': 'paper'}, Settings(), "no method 'pixelate'"),
    ({'protocol': 'old'}, PAPER, 'none of safe, paper'),
    ({'region': 'plate'}, PAPER, 'none of face, body'),
    ({'format': 'voc'}, PAPER, 'there are coco'),
])
def test_what_cannot_be_is_said(tmp_path, change, settings, text):
    source = make(tmp_path / 'source', 'coco')
    with pytest.raises(UsageError, match=text):
        anonymize_dataset(
            replace(job(source, tmp_path / 'out', 'coco'), **change), settings)
    assert not list(tmp_path.glob('out*'))


class OneFace:
    """A face on the first person, and one where nobody is annotated."""

    def detect(self, image_bgr):
        del image_bgr
        return Regions.of([[15, 25, 27, 40], [130, 90, 142, 105]], Kind.FACE, [0.9, 0.8])


def test_faces_are_those_of_annotated_people_or_all(tmp_path):
    source = make(tmp_path / 'source', 'coco')
    for faces, count in (('all', 4), ('matched', 1)):
        result = anonymize_dataset(
            job(source, tmp_path / faces, 'coco', region='face', faces=faces), Settings(),
            detector=OneFace())
        assert result.manifest.regions_by_kind['face'] == count


def test_images_without_annotations_are_never_passed_on(tmp_path):
    source = make(tmp_path / 'source', 'coco')
    (source / 'test').mkdir()
    (source / 'test/secret.png').write_bytes(picture(9))
    (source / 'notes.txt').write_text('who is who')
    result = anonymize_dataset(job(source, tmp_path / 'out', 'coco'), Settings())
    assert not list((tmp_path / 'out').rglob('secret.png'))
    assert not (tmp_path / 'out/notes.txt').exists()
    assert result.left_out == {
        'a file that is no part of the dataset': 1,
        'an image that no chosen annotation names': 1}
    anonymize_dataset(
        job(source, tmp_path / 'faces', 'coco', region='face'), Settings(), detector=OneFace())
    assert (tmp_path / 'faces/test/secret.png').read_bytes() != picture(9)


def test_a_dataset_that_annotates_no_people_is_not_taken_for_one_without(tmp_path):
    source = make(tmp_path / 'source', 'coco')
    (source / 'annotations/person_keypoints_train.json').unlink()

    def only_cars(value):
        value['annotations'] = []
        value['categories'] = [{'id': 3, 'name': 'car'}]

    edit(coco(source), only_cars)
    result = anonymize_dataset(job(source, tmp_path / 'out', 'coco'), Settings())
    assert photos(tmp_path / 'out') == []
    assert result.left_out == {'no annotation says who is in it': 2}
    edit(coco(source), lambda v: v.update(categories=[{'id': 1, 'name': 'Pedestrian'}]))
    anonymize_dataset(job(source, tmp_path / 'people', 'coco'), Settings())
    assert len(photos(tmp_path / 'people')) == 2


def test_people_of_the_test_split_of_cityscapes_are_not_passed_on(tmp_path):
    source = make(tmp_path / 'source', 'cityscapes')
    for kind in ('leftImg8bit', 'gtFine'):
        shutil.move(source / kind / 'train', source / kind / 'test')
    result = anonymize_dataset(job(source, tmp_path / 'out', 'cityscapes'), Settings())
    assert photos(tmp_path / 'out') == []
    assert result.left_out == {'no annotation says who is in it': 2}


def read_tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob('*')
        if path.is_file() and path.name not in {'manifest.json', 'report.html'}}


class Killed(BaseException):
    """Nobody catches it, as with a power cut."""


@pytest.mark.parametrize('at', [1, 5])
def test_a_resumed_run_gives_the_same_bytes(tmp_path, at):
    source = make(tmp_path / 'source', 'coco', count=8)
    settings = Settings(threads=2, seed=1)
    anonymize_dataset(job(source, tmp_path / 'whole', 'coco'), settings)

    def kill(done, total):
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        anonymize_dataset(job(source, tmp_path / 'out', 'coco'), settings, progress=kill)
    assert not (tmp_path / 'out').exists()
    lines = tmp_path / 'out.partial/anon/regions.jsonl'
    lines.write_bytes(lines.read_bytes()[:-7])
    result = anonymize_dataset(job(source, tmp_path / 'out', 'coco', resume=True), settings)
    assert result.manifest.frames == 8
    assert read_tree(tmp_path / 'whole') == read_tree(tmp_path / 'out')


def test_nothing_is_overwritten(tmp_path):
    source = make(tmp_path / 'source', 'coco')
    (tmp_path / 'out').mkdir()
    with pytest.raises(OutputError, match='exists already'):
        anonymize_dataset(job(source, tmp_path / 'out', 'coco'), Settings())
    (tmp_path / 'new.partial').mkdir()
    with pytest.raises(OutputError, match='no dataset begun here'):
        anonymize_dataset(job(source, tmp_path / 'new', 'coco'), Settings())
    with pytest.raises(UsageError, match='inside'):
        anonymize_dataset(job(source, source / 'out', 'coco'), Settings())


def coco(source):
    return source / 'annotations/instances_train.json'


def edit(path, function):
    value = json.loads(path.read_text())
    function(value)
    path.write_text(json.dumps(value))


def drop_photo(source):
    (source / 'train/1.jpg').unlink()


def stray(source):
    edit(coco(source), lambda v: v['annotations'][0].update(image_id=99))
    edit(source / 'annotations/person_keypoints_train.json',
         lambda v: v['annotations'].clear())


def outside(source):
    edit(coco(source), lambda v: v['annotations'][0].update(
        segmentation=[[500, 500, 510, 500, 510, 510]]))


def two_points(source):
    edit(coco(source), lambda v: v['annotations'][0].update(segmentation=[[5, 5, 9, 9]]))


def wrong_size(source):
    edit(coco(source), lambda v: v['annotations'][0]['segmentation'].update(size=[7, 7]))


def contradicted(source):
    edit(coco(source), lambda v: v['annotations'][0].update(bbox=[0, 0, 1, 1]))


def unknown(source):
    edit(coco(source), lambda v: v['annotations'][0].update(category_id=77))
    edit(source / 'annotations/person_keypoints_train.json',
         lambda v: v['annotations'].clear())


def twice(source):
    edit(coco(source), lambda v: v['annotations'][1].update(id=v['annotations'][0]['id']))


def same_image(source):
    edit(coco(source), lambda v: v['images'][1].update(id=v['images'][0]['id']))


def resized(source):
    edit(coco(source), lambda v: [image.update(width=161) for image in v['images']])
    edit(coco(source), lambda v: v['annotations'].clear())
    edit(source / 'annotations/person_keypoints_train.json', lambda v: v['annotations'].clear())


def broken(source):
    (source / 'train/1.jpg').write_bytes(b'no picture')


@pytest.mark.parametrize(('damage', 'kind', 'named'), [
    (drop_photo, 'missing image', 'train/1.jpg 1'),
    (stray, 'annotation for an image that is not there', 'instances_train.json 1'),
    (outside, 'outline outside the image', 'instances_train.json 1'),
    (two_points, 'outline of 2 points', 'instances_train.json 1'),
    (wrong_size, 'run lengths of the wrong size', 'instances_train.json 1'),
    (contradicted, 'two files say different things', 'instances_train.json 1'),
    (unknown, 'unknown category', 'instances_train.json 1'),
    (twice, 'duplicate id', 'instances_train.json 1'),
    (same_image, 'duplicate id', 'instances_train.json 1'),
    (resized, 'mixed image sizes', 'train/1.jpg 1'),
    (broken, 'damaged image', 'train/1.jpg 1'),
])
def test_what_is_wrong_stops_the_run_or_is_left_out_and_counted(tmp_path, damage, kind, named):
    source = make(tmp_path / 'source', 'coco')
    damage(source)
    with pytest.raises(InputError, match=kind) as error:
        anonymize_dataset(job(source, tmp_path / 'out', 'coco'), Settings())
    assert named in str(error.value)
    assert not (tmp_path / 'out').exists()
    result = anonymize_dataset(
        job(source, tmp_path / 'skipped', 'coco', on_error='skip'), Settings())
    assert any(found.startswith(kind) for found in result.problems)
    said = json.loads((tmp_path / 'skipped/anon/problems.json').read_text())
    assert said['counts'] == result.problems
    assert named in said['first'][0]
    if damage is not stray:
        assert not (tmp_path / 'skipped/train/1.jpg').exists()


def test_a_city_with_an_underscore_is_named(tmp_path):
    source = make(tmp_path / 'source', 'cityscapes')
    folder = source / 'leftImg8bit/train'
    (folder / 'new_town').mkdir()
    shutil.copy(photos(source)[0], folder / 'new_town/new_town_000000_000000_leftImg8bit.png')
    with pytest.raises(InputError, match='a city name with an underscore'):
        anonymize_dataset(job(source, tmp_path / 'out', 'cityscapes'), Settings())
    result = anonymize_dataset(
        job(source, tmp_path / 'skipped', 'cityscapes', on_error='skip'), Settings())
    assert result.problems == {'a city name with an underscore': 1}
    assert len(photos(tmp_path / 'skipped')) == 2


@pytest.mark.parametrize(('text', 'error'), [
    ('{"images": [', 'damaged at byte'), ('17', 'neither an object nor a list'),
    ('{"images": [{"id": NaN}]}', 'NaN is no JSON number'), ('[] x', 'something follows'),
    ('{"annotations": [{"id": 1, "image_id": 1}]', 'damaged at byte'),
])
def test_damaged_json_is_named_with_its_place(tmp_path, text, error):
    source = make(tmp_path / 'source', 'coco')
    coco(source).write_text(text)
    with pytest.raises(InputError, match=error):
        anonymize_dataset(job(source, tmp_path / 'out', 'coco'), Settings())
