# SPDX-License-Identifier: Apache-2.0
"""The datasets' own tools read what a study writes, and are named where they are missing."""

import os
import sys
import warnings

import pytest
from study_truth import CLASSES, dataset, predict_truth

from anon_ros.errors import ModelError
from anon_ros.study import official_tools

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')


@pytest.mark.parametrize('name', ['cityscapes', 'bdd100k'])
def test_the_official_tool_finds_the_truth_perfect(tmp_path, name):
    module = {'cityscapes': 'cityscapesscripts', 'bdd100k': 'bdd100k'}[name]
    if not os.environ.get('ANON_ROS_OFFICIAL'):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            pytest.importorskip(module, reason='an official tool; `make official` has it')
    labels, split = dataset(tmp_path, name)

    def score(predictions):
        return official_tools.evaluate_officially(name, official_tools.Task(
            predictions, tmp_path / 'set', split, labels, CLASSES))

    found = score(predict_truth(labels, tmp_path / 'p.json'))
    assert found.overall.ap == pytest.approx(100)
    assert {name: each.ap for name, each in found.by_class.items()} == pytest.approx(
        dict.fromkeys(CLASSES, 100))
    less = score(predict_truth(labels, tmp_path / 'q.json', without={1}))
    assert less.by_class['person'].ap == pytest.approx(0)
    assert less.by_class['car'].ap == pytest.approx(100)


def test_a_tool_that_is_missing_is_named(tmp_path, monkeypatch):
    empty = tmp_path / 'python'
    empty.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    empty.chmod(0o755)
    monkeypatch.setenv(official_tools.VARIABLE, str(empty))
    task = official_tools.Task(tmp_path / 'p.json', tmp_path, 'val', None, CLASSES)
    with pytest.raises(ModelError, match=r'bdd100k is not installed for .*official\.txt'):
        official_tools.evaluate_officially('bdd100k', task)
    monkeypatch.setenv(official_tools.VARIABLE, str(tmp_path / 'nowhere'))
    with pytest.raises(ModelError, match='nowhere: cannot be started'):
        official_tools.evaluate_officially('cityscapes', task)


def test_only_instance_masks_have_other_tools():
    assert official_tools.has_official_tool('bdd100k', 'instances')
    assert not official_tools.has_official_tool('coco', 'instances')
    assert not official_tools.has_official_tool('bdd100k', 'detection')
