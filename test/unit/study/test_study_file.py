# SPDX-License-Identifier: Apache-2.0
"""A study file says what is wrong with it, and those that come along are right."""

import copy

import pytest
import yaml

from anon_ros.errors import UsageError
from anon_ros.study.paper_numbers import ORIGINAL, paper_row
from anon_ros.study.study_file import FILES, Variant, load_study, parse_study

SMALL = yaml.safe_load((FILES / 'small.yaml').read_text())


def changed(**changes):
    content = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *folders, last = path.split('__')
        inner = content
        for name in folders:
            inner = inner[name]
        inner[last] = value
    return content


@pytest.mark.parametrize('name', [path.stem for path in FILES.glob('*.yaml')])
def test_files_that_come_along_can_be_read(name):
    study = load_study(name)
    assert [each.is_original for each in study.variants].count(True) == 1
    assert {'blur', 'mask-out', 'realistic'} <= {each.method for each in study.variants}


def test_the_papers_schedules_are_the_papers():
    coco, cityscapes, bdd = (
        load_study(name) for name in ('coco-keypoints', 'cityscapes', 'bdd100k'))
    assert (coco.task, coco.schedule.iterations, coco.schedule.steps, coco.model.start) == (
        'keypoints', 270000, (210000, 250000), 'imagenet')
    assert (cityscapes.schedule.iterations, cityscapes.schedule.batch,
            cityscapes.schedule.rate) == (24000, 8, 0.01)
    assert bdd.schedule.iterations == 36 * 3446
    assert bdd.schedule.steps == (24 * 3446, 33 * 3446)


@pytest.mark.parametrize(('content', 'said'), [
    (changed(dataset__frmat='coco'), "dataset: 'frmat' is unknown"),
    (changed(schedule__iteration=3), "schedule: 'iteration' is unknown"),
    (changed(task='panoptic'), "task: 'panoptic' is none of"),
    (changed(dataset__format='kitti'), "dataset.format: 'kitti' is none of"),
    (changed(schedule__iterations=0), 'schedule.iterations: 0 is less than 1'),
    (changed(schedule__iterations='many'), 'schedule.iterations is'),
    (changed(seeds=[]), 'seeds: 0 is less than 1'),
    (changed(seeds=[1, 1]), 'seeds: one is there twice'),
    (changed(model__backbone='vit'), "model.backbone: 'vit'"),
    (changed(variants=[]), 'exactly one has to be the original'),
    (changed(variants=[{'name': 'a'}, {'name': 'b'}]), 'exactly one has to be the original'),
    (changed(variants=[{'name': 'a'}, {'name': 'a', 'region': 'face', 'method': 'blur'}]),
     'the same name'),
    (changed(variants=[{'name': 'a'}, {'name': 'b/../..', 'region': 'face', 'method': 'blur'}]),
     'cannot be the name of a folder'),
    (changed(variants=[{'name': 'a'}, {'name': 'b', 'region': 'face'}]),
     'needs a region and a method'),
    (changed(variants=[{'name': 'a', 'regoin': 'x'}]), "variants: 'regoin' is unknown"),
    (changed(task='keypoints', dataset__classes=['car']), "learned of 'person' only"),
    ([], 'is no object'), (None, 'is no object'), ('x', 'is no object'),
])
def test_what_is_wrong_is_named(content, said):
    with pytest.raises(ValueError, match=said):
        parse_study(content)


def test_a_file_that_is_not_there_or_no_yaml_is_named(tmp_path):
    with pytest.raises(UsageError, match=r'those that come along are bdd100k, .*small'):
        load_study(str(tmp_path / 'none.yaml'))
    (tmp_path / 'bad.yaml').write_text('a: [')
    with pytest.raises(UsageError, match=r'bad\.yaml: no study file'):
        load_study(str(tmp_path / 'bad.yaml'))


def test_the_papers_numbers_stand_beside_the_same_methods_only():
    def row(**values):
        return paper_row(Variant('x', **values))

    assert row() is ORIGINAL
    assert row(region='body', method='blur').pedestrian_ap == 0.5
    assert row(region='face', method='blur', options={'faces': 'annotated'}).ap == 20.5
    assert row(region='body', method='realistic', options={'min_size': 32}).ap == 18.4
    assert row(region='body', method='realistic', options={'min_size': 31}) is None
    assert row(region='body', method='blur', protocol='safe') is None
    assert row(region='body', method='pixelate') is None
