# SPDX-License-Identifier: Apache-2.0
"""The truth, predicted, is perfect; less of it is less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_truth import CLASSES, dataset, predict_truth

from anon_ros.study.coco_evaluation import evaluate
from anon_ros.study.label_store import store_split
from anon_ros.study.pixels import average_precision


@pytest.mark.parametrize('task', ['detection', 'instances', 'keypoints'])
def test_the_truth_is_perfect_and_nothing_is_nothing(tmp_path, task):
    pytest.importorskip('pycocotools', reason='the extra `study`')
    labels, _ = dataset(tmp_path, 'coco')
    classes = ('person',) if task == 'keypoints' else CLASSES
    if task == 'keypoints':
        labels = store_split(
            tmp_path / 'set', 'coco', 'val', classes, tmp_path / 'labels/people.jsonl')
    found = evaluate(predict_truth(labels, tmp_path / 'p.json'), labels, classes, task)
    assert found.overall.ap == pytest.approx(100)
    assert found.overall.ap_small is None
    if task != 'keypoints':
        found = evaluate(
            predict_truth(labels, tmp_path / 'q.json', without={1}), labels, classes, task)
        assert found.overall.ap == pytest.approx(100 * 7 / 8)
        assert found.by_class['person'].ap == 0
        assert found.by_class['bicycle'].ap50 == pytest.approx(100)
    (tmp_path / 'none.json').write_text('[]')
    assert evaluate(tmp_path / 'none.json', labels, classes, task).overall.ap == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_pixel_precision_is_that_of_sorted_pixels(counts):
    hits, misses = (np.array(column, float) for column in zip(*counts, strict=True))
    found = average_precision(hits, misses)
    assert 0 <= found <= 1
    if not misses.any() and hits.any():
        assert found == pytest.approx(1)
    if not hits.any():
        assert found == 0
    more = average_precision(hits, misses + 1)
    assert more <= found + 1e-9
