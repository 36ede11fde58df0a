# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from anon_ros.detection.deeplab import DeepLab, to_network_input
from anon_ros.errors import ModelError

WEIGHTS = 'models/deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite'


class Fixed:
    """An engine that says the same of every image."""

    def __init__(self, values):
        self.values = np.asarray(values, np.float32)[None, None]

    def run(self, inputs):
        self.inputs = inputs
        return {'lead': self.values}


@pytest.mark.parametrize(('size_wh', 'longest_px', 'expected_hw'), [
    ((480, 360), 689, (513, 689)), ((480, 360), 1361, (1025, 1361)),
    ((1920, 1080), 689, (385, 689)), ((360, 480), 689, (689, 513)),
    ((5000, 3), 689, (17, 689)), ((1, 1), 17, (17, 17)),
])
def test_sides_are_a_multiple_of_16_and_1(size_wh, longest_px, expected_hw):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    assert to_network_input(image, longest_px).shape == (1, *expected_hw, 3)


def test_colours_are_turned_round():
    image = np.zeros((33, 33, 3), np.uint8)
    image[..., 0] = 200
    assert to_network_input(image, 33)[0, 5, 5].tolist() == [0, 0, 200]


def test_samples_lie_on_the_edges_of_the_image():
    lead = DeepLab(Fixed([[0, 1, 2], [4, 5, 6]])).lead(np.zeros((9, 9, 3), np.uint8), 33, (5, 3))
    np.testing.assert_allclose(
        lead, [[0, 0.5, 1, 1.5, 2], [2, 2.5, 3, 3.5, 4], [4, 4.5, 5, 5.5, 6]], atol=0.05)


@pytest.mark.parametrize('absurd', [np.nan, 1e5, -1e5, np.inf])
def test_figures_that_cannot_be_true_stop_the_run(absurd):
    network = DeepLab(Fixed([[0, 1], [absurd, 0]]))
    with pytest.raises(ModelError, match='nonsense'):
        network.lead(np.zeros((9, 9, 3), np.uint8), 33, (5, 3))


def test_a_file_that_is_no_network_is_refused(tmp_path, shared_dir):
    broken = tmp_path / 'deeplab.tflite'
    broken.write_bytes(b'nothing of the kind')
    with pytest.raises(ModelError, match=r'deeplab\.tflite is not the DeepLab network'):
        DeepLab.load(broken)
    with pytest.raises(ModelError, match='is not the DeepLab network'):
        DeepLab.load(shared_dir / 'models/movenet_single_pose_lightning_ptq.tflite')


@pytest.mark.parametrize('streams', [1, 2, 3])
def test_people_lead_where_they_are_on_any_number_of_streams(shared_dir, streams):
    network = DeepLab.load(shared_dir / WEIGHTS, 3, streams)
    frame = shared_dir / 'data/street/sequence'
    path = sorted(frame.glob('*.jpg'))[10]
    image = cv2.imread(str(path))
    labels = cv2.imread(str(path.with_name(f'{path.stem}_labels.png')), cv2.IMREAD_GRAYSCALE)
    lead = network.lead(image, 689, (480, 360))
    people = np.isin(labels, (9, 10))
    assert lead.shape == (360, 480)
    assert (lead[people] > -2).mean() > 0.9
    assert (lead[~people] > -2).mean() < 0.06
