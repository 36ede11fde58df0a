# SPDX-License-Identifier: Apache-2.0
"""Labels as a file, and the images of each variant: made once, hashed, refused where unlike."""

import cv2
import numpy as np
import pytest

from anon_ros.audit import rle
from anon_ros.core.regions import Mask
from anon_ros.datasets.formats import create_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.study.label_store import LabelStore, store_split
from anon_ros.study.study_file import Dataset, Variant
from anon_ros.study.variants import job_of, make_variant, settings_of, survey

SIZE_WH = (80, 60)
DATASET = Dataset('coco', 'train', 'val', ('person', 'car'))
BLUR = Variant('body blur', 'body', 'mask-out')


def instance(identity, category, x, **more):
    inside = np.ones((30, 12), bool)
    return Instance(
        identity, category, rle=rle.encode(Mask(inside, x, 20), SIZE_WH),
        box_xyxy=(x, 20, x + 12, 50), **more)


@pytest.fixture
def root(tmp_path):
    writer = create_dataset(tmp_path / 'set', 'coco', Problems())
    points = tuple((20.0, 25.0, 2.0) for _ in range(17))
    random = np.random.default_rng(0)
    for number in (1, 2, 3):
        image = random.integers(0, 256, (60, 80, 3), np.uint8)
        writer.add(ImageRecord(
            str(number), 'train' if number < 3 else 'val', f'x/{number}.png', SIZE_WH, (
                instance(f'{number}1', 'person', 15, keypoints=points,
                         attributes={'identity': 'Ann'}),
                instance(f'{number}2', 'dog', 40),
                instance(f'{number}3', 'person', 60, is_crowd=True))),
            cv2.imencode('.png', image)[1].tobytes())
    writer.close()
    return tmp_path / 'set'


def stored(root, tmp_path, split='train'):
    return store_split(
        root, 'coco', split, DATASET.classes, tmp_path / f'labels/{split}.jsonl')


def test_labels_come_back_in_any_order(root, tmp_path):
    labels = stored(root, tmp_path)
    assert len(labels) == 2
    second = labels[1]
    assert second.path == 'train/2.png'
    person, crowd = second.things
    assert (person.label, person.is_ignored, crowd.is_ignored) == (1, False, True)
    assert person.attributes == {'identity': 'Ann'}
    assert person.mask(SIZE_WH).inside.sum() == 30 * 12
    assert labels[0].id == '1'


def test_labels_are_read_once_until_the_files_change(root, tmp_path):
    first = stored(root, tmp_path)
    stamp = first.path.stat().st_mtime_ns
    assert stored(root, tmp_path).path.stat().st_mtime_ns == stamp
    path = root / 'annotations/instances_train.json'
    path.write_text(path.read_text() + ' ')
    assert stored(root, tmp_path).path.stat().st_mtime_ns != stamp
    with pytest.raises(InputError, match="no split 'test'"):
        stored(root, tmp_path, 'test')
    with pytest.raises(InputError, match='no labels of a study'):
        LabelStore(tmp_path / 'nowhere.jsonl')


def test_a_variant_is_made_once_and_hides_people_only(root, tmp_path):
    target = tmp_path / 'variants/body blur'
    settings = settings_of(BLUR, 'cpu', 1)
    make_variant(BLUR, root, target, DATASET, settings)
    before, after = (cv2.imread(str(folder / 'train/1.png')) for folder in (root, target))
    assert (after[25:45, 17:25] == 128).all()
    assert (after[:, 60:] == before[:, 60:]).all()
    assert not (target / 'val').exists()
    stamp = (target / 'train/1.png').stat().st_mtime_ns
    make_variant(BLUR, root, target, DATASET, settings)
    assert (target / 'train/1.png').stat().st_mtime_ns == stamp
    other = Variant('body blur', 'body', 'blur')
    with pytest.raises(OutputError, match='other settings'):
        make_variant(other, root, target, DATASET, settings_of(other, 'cpu', 1))


def test_the_survey_counts_and_hashes_and_sees_a_change(root, tmp_path):
    labels = stored(root, tmp_path)
    first = survey(root, labels, tmp_path / 'cache.json')
    assert (first.images, first.missing) == (2, 0)
    assert survey(root, labels, tmp_path / 'cache.json') == first
    (root / 'train/1.png').write_bytes((root / 'train/2.png').read_bytes())
    assert survey(root, labels, tmp_path / 'cache.json').fingerprint != first.fingerprint
    (root / 'train/2.png').unlink()
    assert survey(root, labels, tmp_path / 'cache.json').missing == 1
    (root / 'train/1.png').unlink()
    with pytest.raises(InputError, match='none of the images'):
        survey(root, labels, tmp_path / 'cache.json')


@pytest.mark.parametrize(('variant', 'said'), [
    (Variant('a', 'body', 'melt'), r"variant 'a'.*'melt' is unknown"),
    (Variant('a', 'body', 'blur', options={'colour': 1}), "variant 'a'.*'colour' is unknown"),
    (Variant('a', 'nose', 'blur'), "variant 'a'.*nose"),
])
def test_variants_that_cannot_be_are_named(variant, said):
    with pytest.raises(UsageError, match=said):
        settings_of(variant, 'cpu', 1)


def test_options_reach_the_command_dataset(root, tmp_path):
    variant = Variant('a', 'face', 'blur', options={'faces': 'annotated', 'margin': 0.5})
    job = job_of(variant, root, tmp_path / 'x', DATASET)
    assert (job.faces, job.protocol, job.splits) == ('annotated', 'paper', ('train',))
    assert settings_of(variant, 'cpu', 1).margin == 0.5
    wrong = Variant('a', 'body', 'blur', protocol='loose')
    with pytest.raises(UsageError, match=r"variant 'a'.*'loose'"):
        make_variant(wrong, root, tmp_path / 'x', DATASET, settings_of(wrong, 'cpu', 1))
