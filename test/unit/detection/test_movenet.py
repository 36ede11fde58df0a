# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np

from anon_ros.detection.movenet import MoveNet


class Corners:
    """An engine that sees every keypoint at one place of its crop, and keeps the crop."""

    def __init__(self, y, x, score=0.5):
        self.output = np.tile(np.array([y, x, score], np.float32), (1, 1, 17, 1))

    def run(self, inputs):
        self.crop = inputs
        return {'keypoints': self.output}


def test_nobody_has_no_keypoints():
    network = MoveNet(Corners(0, 0))
    assert network.keypoints(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 4))).shape == (0, 17, 3)


def test_keypoints_are_placed_in_the_square_around_the_box():
    image = np.zeros((200, 300, 3), np.uint8)
    boxes = np.array([[100, 40, 140, 120], [0, 0, 60, 20]], np.float32)
    found = MoveNet(Corners(0.25, 1.0)).keypoints(image, boxes)
    np.testing.assert_allclose(found[0, 0], [160, 60, 0.5], atol=1e-4)
    np.testing.assert_allclose(found[1, 16], [60, -5, 0.5], atol=1e-4)


def test_the_crop_shows_the_box_in_rgb():
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:100, 120:170] = (10, 20, 200)
    engine = Corners(0, 0)
    MoveNet(engine).keypoints(image, np.array([[120, 50, 170, 100]], np.float32))
    assert engine.crop.shape == (1, 192, 192, 3)
    assert engine.crop[0, 96, 96].tolist() == [200, 20, 10]


def test_boxes_without_area_or_off_the_image_do_no_harm():
    boxes = np.array([[5, 5, 5, 5], [500, 500, 600, 700]], np.float32)
    found = MoveNet(Corners(0.5, 0.5)).keypoints(np.zeros((20, 20, 3), np.uint8), boxes)
    assert np.isfinite(found).all()


def test_scores_stay_in_their_range():
    boxes = np.array([[0, 0, 9, 9]], np.float32)
    found = MoveNet(Corners(0, 0, 1.25)).keypoints(np.zeros((20, 20, 3), np.uint8), boxes)
    assert found[..., 2].max() == 1


def test_the_network_finds_the_joints_of_a_person(shared_dir):
    network = MoveNet.load(
        shared_dir / 'models/movenet_single_pose_lightning_ptq.tflite', 1)
    truth = json.loads((shared_dir / 'data/people/test_coco.json').read_text())
    person = next(p for p in truth['annotations'] if p['image_id'] == 785)
    image = cv2.imread(str(shared_dir / 'data/people/000000000785.jpg'))
    x, y, width, height = person['bbox']
    box = np.array([[x, y, x + width, y + height]], np.float32)
    found = network.keypoints(image, box)[0, :, :2]
    expected = np.array(person['keypoints'], np.float32).reshape(17, 3)[:, :2]
    distances = np.linalg.norm(found - expected, axis=1) / height
    assert np.median(distances) < 0.05
