# SPDX-License-Identifier: Apache-2.0
"""The examples of the documentation run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.demo.bag import make_demo_bag

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / 'docs' / 'examples'


def run(name, *arguments, models=None):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    if models is not None:
        environment['ANON_ROS_MODELS'] = str(models)
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)], env=environment,
        capture_output=True, text=True, check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_anonymize_a_bag(tmp_path, shared_dir):
    pytest.importorskip('skimage')
    make_demo_bag(tmp_path / 'source', seconds=1.0)
    output = run('anonymize_a_bag.py', tmp_path / 'source', tmp_path / 'target',
                 models=shared_dir / 'models')
    assert '0 of 20 frames withheld' in output
    assert output.count(' faces\n') == 20


def test_hide_known_boxes(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.jpg'), image)
    run('hide_known_boxes.py', tmp_path / 'a.jpg', tmp_path / 'b.jpg')
    before, after = cv2.imread(str(tmp_path / 'a.jpg')), cv2.imread(str(tmp_path / 'b.jpg'))
    assert (before[32:48, 40:60] != after[32:48, 40:60]).any(axis=2).mean() > 0.9
    assert np.array_equal(before[:14], after[:14])
