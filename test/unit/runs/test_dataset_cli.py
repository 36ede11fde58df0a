# SPDX-License-Identifier: Apache-2.0
"""What `anon-ros dataset` and `anon-ros export` say and how they end."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from anon_ros.audit.manifest import is_anonymized
from anon_ros.bench.datasets import digest, make_dataset
from anon_ros.cli.main import app
from anon_ros.errors import InputError


@pytest.fixture
def source(tmp_path):
    root = tmp_path / 'source'
    (root / 'annotations').mkdir(parents=True)
    (root / 'train').mkdir()
    for name in ('1.png', 'other.png'):
        image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
        cv2.imwrite(str(root / 'train' / name), image)
    (root / 'annotations/instances_train.json').write_text(json.dumps({
        'images': [{'id': 1, 'file_name': '1.png', 'width': 80, 'height': 60}],
        'categories': [{'id': 1, 'name': 'person'}],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [5, 5, 30, 40],
                         'segmentation': [[5, 5, 35, 5, 35, 45, 5, 45]], 'iscrowd': 0}]}))
    return root


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_dataset_with_an_image_that_nobody_annotated_ends_with_3(source, tmp_path):
    result = run('dataset', source, tmp_path / 'out', '--format', 'coco', '--json')
    assert result.exit_code == 3, result.output
    said = json.loads(result.stdout)
    assert said['regions']['body'] == said['images'] == 1
    assert said['left_out'] == {'an image that no chosen annotation names': 1}
    assert is_anonymized(tmp_path / 'out')
    assert sorted(p.name for p in (tmp_path / 'out/train').iterdir()) == ['1.png']
    chosen = run('dataset', source, tmp_path / 'one', '--format', 'coco', '--split', 'train')
    assert chosen.exit_code == 0, chosen.output
    assert 'hidden: ' in chosen.stdout
    assert 'left out: an image that no chosen annotation names: 1' in chosen.stdout


def test_bad_usage_is_one_line_and_2(source, tmp_path):
    result = run('dataset', source, tmp_path / 'out', '--format', 'coco', '--protocol', 'paper')
    assert result.exit_code == 2
    assert result.stderr.count('\n') == 1
    assert 'name --method blur or mask-out or realistic' in result.stderr
    for arguments, text in (
        (('--distance', '5'), '--distance needs'), (('--shares', '1,2'), 'no train,val,test'),
    ):
        result = run('export', source, tmp_path / 'out', '--format', 'coco', *arguments)
        assert result.exit_code == 2
        assert text in result.stderr
    result = run('export', source, tmp_path / 'out', '--format', 'coco')
    assert result.exit_code == 2
    assert 'no manifest says that it is anonymized' in result.stderr


def test_the_bench_tiles_the_samples(shared_dir, tmp_path):
    make_dataset(tmp_path / 'tiled', shared_dir / 'data/people', 5)
    value = json.loads((tmp_path / 'tiled/annotations/instances_train.json').read_text())
    assert len(value['images']) == 5
    assert len(value['annotations']) == len({a['id'] for a in value['annotations']}) == 15
    assert digest(tmp_path / 'tiled') == digest(tmp_path / 'tiled')
    with pytest.raises(InputError, match='nothing in it'):
        digest(tmp_path / 'none')
