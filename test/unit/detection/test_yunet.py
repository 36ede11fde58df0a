# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from anon_ros.detection.yunet import STRIDES_PX, YuNet, decode


def empty_outputs(height, width):
    outputs = {}
    for stride in STRIDES_PX:
        cells = (height // stride) * (width // stride)
        for part, size in (('cls', 1), ('obj', 1), ('bbox', 4)):
            outputs[f'{part}_{stride}'] = np.zeros((1, cells, size), np.float32)
    return outputs


def place(outputs, stride, width, row, column, certainty, shape):
    cell = row * (width // stride) + column
    outputs[f'cls_{stride}'][0, cell] = certainty[0]
    outputs[f'obj_{stride}'][0, cell] = certainty[1]
    outputs[f'bbox_{stride}'][0, cell] = shape


def test_nothing_gives_no_boxes():
    boxes, scores = decode(empty_outputs(64, 96), 96, 0.2)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize('stride', STRIDES_PX)
def test_a_cell_becomes_a_box(stride):
    outputs = empty_outputs(64, 96)
    place(outputs, stride, 96, 1, 2, (0.5, 0.5), (0.5, 0.25, np.log(2), np.log(3)))
    boxes, scores = decode(outputs, 96, 0.5)
    expected = np.array([[1.5, -0.25, 3.5, 2.75]]) * stride
    np.testing.assert_allclose(boxes, expected, rtol=1e-5)
    np.testing.assert_allclose(scores, [0.5])


def test_the_threshold_is_on_the_geometric_mean():
    outputs = empty_outputs(64, 96)
    place(outputs, 8, 96, 0, 0, (0.9, 0.4), (0, 0, 0, 0))
    assert len(decode(outputs, 96, 0.59)[0]) == 1
    assert len(decode(outputs, 96, 0.61)[0]) == 0


def test_a_wild_size_stays_finite():
    outputs = empty_outputs(64, 96)
    place(outputs, 32, 96, 0, 0, (1.1, 1.0), (0, 0, 1000, 1000))
    boxes, scores = decode(outputs, 96, 0.2)
    assert np.isfinite(boxes).all()
    assert scores[0] == 1


@pytest.mark.parametrize('size', [(1, 1), (7, 5), (33, 31), (10, 2000), (2000, 10)])
def test_any_size_of_image_runs(shared_dir, size):
    network = YuNet.load(shared_dir / 'models' / 'yunet_n_dynamic.onnx', 'cpu', 1)
    boxes, scores = network.candidates(np.zeros((*size, 3), np.uint8), 0.5)
    assert boxes.shape == (len(scores), 4)
