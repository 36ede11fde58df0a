# SPDX-License-Identifier: Apache-2.0
"""What is written reads the same again, and silhouettes survive from format to format."""

import numpy as np
import pytest

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.datasets.formats import FORMATS, create_dataset, open_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance, silhouette

SIZE_WH = (64, 48)


def blob(seed, holes=False):
    random = np.random.default_rng(seed)
    inside = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    x, y = random.integers(0, 40), random.integers(0, 28)
    inside[y:y + 18, x:x + 14] = random.random((18, 14)) > (0.4 if holes else -1)
    inside[y + 2:y + 5, x + 18:x + 20] = True
    return rle.encode(Mask(inside, 0, 0), SIZE_WH)


def write(folder, name, records, image):
    writer = create_dataset(folder, name, Problems())
    for record in records:
        writer.add(record, image)
    writer.close()
    return list(open_dataset(folder, name, Problems()).records())


@pytest.fixture
def image():
    import cv2

    return cv2.imencode('.png', np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8))[1].tobytes()


def records():
    points = tuple((float(i), float(i % 7), 2.0) for i in range(17))
    people = (
        Instance('1', 'person', (4.0, 4.0, 30.5, 40.25), keypoints=points, rle=blob(1, True)),
        Instance('2', 'rider', rle=blob(2), is_occluded=True),
        Instance('3', 'car', rle=blob(3), is_crowd=True),
        Instance('4', 'bicycle', polygons=(((1.5, 2.5), (20.0, 3.0), (11.0, 31.5)),)),
    )
    return [ImageRecord('7', 'train', 'train/7.jpg', SIZE_WH, people, stamp_ms=1234),
            ImageRecord('8', 'train', 'train/8.jpg', SIZE_WH)]


def pixels(record):
    """The number of the instance at each pixel: a later one covers an earlier one."""
    seen = np.zeros((SIZE_WH[1], SIZE_WH[0]), int)
    for number, instance in enumerate(record.instances, 1):
        mask = silhouette(instance, SIZE_WH)
        if mask is not None:
            seen[masks.paste([mask], SIZE_WH)] = number
    return seen


@pytest.mark.parametrize('name', FORMATS)
def test_a_format_reads_what_it_wrote(tmp_path, name, image):
    once = write(tmp_path / 'once', name, records(), image)
    twice = write(tmp_path / 'twice', name, once, image)
    assert once == twice
    assert [len(each.instances) for each in once] == [4, 0]
    assert [i.category for i in once[0].instances] == ['person', 'rider', 'car', 'bicycle']
    assert [i.is_crowd for i in once[0].instances] == [False, False, True, False]


def test_silhouettes_survive_the_way_around(tmp_path, image):
    at = records()
    expected = [pixels(each) for each in at]
    for step, name in enumerate(('coco', 'cityscapes', 'bdd100k', 'coco')):
        at = write(tmp_path / str(step), name, at, image)
        for record, seen in zip(at, expected, strict=True):
            assert (pixels(record) == seen).all(), name


def test_coco_keeps_keypoints_ids_and_unknown_keys(tmp_path, image):
    given = records()
    read = write(tmp_path, 'coco', given, image)
    assert read[0].instances[0].keypoints == given[0].instances[0].keypoints
    assert [each.id for each in read] == ['7', '8']
    assert [each.id for each in read[0].instances] == ['1', '2', '3', '4']
    assert (tmp_path / 'annotations/person_keypoints_train.json').is_file()


def test_the_samples_go_around(tmp_path, shared_dir):
    people = shared_dir / 'data/people'
    source = open_dataset(
        people, 'coco', Problems(), annotations=people / 'test_coco.json')
    at = list(source.records())
    assert [len(each.instances) for each in at] == [1, 3, 5, 5]

    def seen(record):
        order = np.zeros((record.size_wh[1], record.size_wh[0]), int)
        for number, instance in enumerate(record.instances, 1):
            order[masks.paste([silhouette(instance, record.size_wh)], record.size_wh)] = number
        return order

    expected, root = [seen(each) for each in at], people
    for step, name in enumerate(('cityscapes', 'bdd100k', 'coco')):
        writer = create_dataset(tmp_path / str(step), name, Problems())
        for record in at:
            writer.add(record, root / record.path)
        writer.close()
        root = tmp_path / str(step)
        at = list(open_dataset(root, name, Problems()).records())
        assert [(seen(r) == e).all() for r, e in zip(at, expected, strict=True)] == [True] * 4


def test_the_sample_of_cityscapes_reads_without_polygons(tmp_path, shared_dir):
    sample = shared_dir / 'data/formats/cityscapes_sample'
    for kind in ('leftImg8bit', 'gtFine'):
        folder = tmp_path / kind / 'val/frankfurt'
        folder.mkdir(parents=True)
        for path in (sample / kind).iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    record, = open_dataset(tmp_path, 'cityscapes', Problems()).records()
    assert record.size_wh == (256, 128)
    assert {'road', 'car'} <= {each.category for each in record.instances}
    again = write(tmp_path / 'again', 'cityscapes', [record], tmp_path / record.path)
    for kind in ('labelIds', 'instanceIds'):
        name = f'gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_{kind}.png'
        import cv2

        old, new = (cv2.imread(str(root / name), cv2.IMREAD_UNCHANGED)
                    for root in (tmp_path, tmp_path / 'again'))
        assert (old == new).all()
    assert len(again) == 1


def test_the_samples_of_bdd100k_read(tmp_path, shared_dir, image):
    formats = shared_dir / 'data/formats'
    (tmp_path / 'images/10k/val').mkdir(parents=True)
    for name in ('80985724-bc3fece0.jpg', 'mask.jpg'):
        (tmp_path / 'images/10k/val' / name).write_bytes(image)
    rles = tmp_path / 'labels/ins_seg/rles'
    rles.mkdir(parents=True)
    (rles / 'ins_seg_val.json').write_bytes(
        (formats / 'scalabel/ins_seg_rle_sample.json').read_bytes())
    problems = Problems('skip')
    found = list(open_dataset(tmp_path, 'bdd100k', problems).records())
    assert found[0].size_wh == (1280, 720)
    assert len(found[0].instances) > 3
    assert set(problems.counts) <= {'missing image'}
    bitmasks = tmp_path / 'labels/ins_seg/bitmasks/val'
    bitmasks.mkdir(parents=True)
    (bitmasks / 'mask.png').write_bytes((formats / 'bdd100k/example_bitmask.png').read_bytes())
    (rles / 'ins_seg_val.json').unlink()
    record, = open_dataset(tmp_path, 'bdd100k', Problems()).records()
    assert record.instances
    assert all(each.rle for each in record.instances)
