# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from anon_ros.core import masks
from anon_ros.core.regions import Kind
from anon_ros.core.settings import Settings
from anon_ros.detection.deeplab import DeepLab
from anon_ros.detection.people import EFFORTS, PeopleDetector, PeopleEffort, build_people_detector
from anon_ros.detection.yolox import Yolox
from anon_ros.errors import ModelError
from anon_ros.models.store import ModelStore


class OneBox:
    """An engine in whose input a person fills cell (1, 1) of stride 8, twice as wide and high."""

    def run(self, inputs):
        rows, columns = inputs.shape[1] // 8, inputs.shape[2] // 8
        cells = np.zeros((rows * columns * 21 // 16, 85), np.float32)
        cells[columns + 1, :6] = 0.5, 0.5, np.log(2), np.log(2), 1.0, 0.9
        return {'output': cells[None]}


class Level:
    """An engine for which everything is equally far from a person."""

    def __init__(self, lead):
        self.lead = lead

    def run(self, inputs):
        shape = (1, 1, inputs.shape[1] // 16 + 1, inputs.shape[2] // 16 + 1)
        return {'lead': np.full(shape, self.lead, np.float32)}


def detector_of(lead, **options):
    effort = PeopleEffort((64,), (65,), threshold=0.0)
    return PeopleDetector(Yolox(OneBox()), DeepLab(Level(lead)), effort, **options)


@pytest.fixture(scope='module')
def store(shared_dir):
    return ModelStore(offline_dir=shared_dir / 'models')


def street(shared_dir, index):
    path = sorted((shared_dir / 'data/street/sequence').glob('*.jpg'))[index]
    labels = cv2.imread(str(path.with_name(f'{path.stem}_labels.png')), cv2.IMREAD_GRAYSCALE)
    return cv2.imread(str(path)), np.isin(labels, (9, 10))


@pytest.mark.parametrize('factor', [1, 2, 40])
def test_a_box_is_hidden_where_it_is_at_any_image_size(factor):
    image = np.zeros((64 * factor, 64 * factor, 3), np.uint8)
    regions = detector_of(-20).detect(image)
    assert regions.kinds.tolist() == [int(Kind.BODY)]
    whole = masks.paste(regions.masks, image.shape[1::-1])
    assert whole[4 * factor:20 * factor, 4 * factor:20 * factor].all()
    assert whole.mean() < 0.12
    assert regions.scores.tolist() == pytest.approx([0.9])


def test_boxes_hold_their_masks():
    image = np.zeros((1500, 1100, 3), np.uint8)
    regions = detector_of(-20).detect(image)
    np.testing.assert_array_equal(regions.boxes_xyxy[0], masks.mask_to_box(regions.masks[0]))


def test_an_image_full_of_people_is_hidden_all_over():
    image = np.zeros((50, 70, 3), np.uint8)
    regions = detector_of(5).detect(image)
    assert masks.paste(regions.masks, (70, 50)).all()


def test_a_least_score_leaves_out_what_is_below():
    image = np.zeros((64, 64, 3), np.uint8)
    assert len(detector_of(-20, least_score=0.89).detect(image)) == 1
    assert len(detector_of(-20, least_score=0.91).detect(image)) == 0


@pytest.mark.parametrize('shape', [(1, 1), (1, 300), (2000, 3)])
def test_odd_shapes_do_no_harm(shape):
    regions = detector_of(-20).detect(np.zeros((*shape, 3), np.uint8))
    assert np.isfinite(regions.boxes_xyxy).all()


def test_more_effort_costs_no_fewer_passes():
    passes = [len(e.boxes_px) + len(e.silhouettes_px) for e in EFFORTS.values()]
    assert passes == sorted(passes)


@pytest.mark.parametrize(('effort', 'least_cover', 'most_other'), [
    ('fast', 0.97, 0.05), ('balanced', 0.98, 0.05), ('thorough', 0.99, 0.08),
])
def test_riders_on_the_street_are_hidden(shared_dir, store, effort, least_cover, most_other):
    detector = build_people_detector(Settings(effort=effort), store, 1)
    image, people = street(shared_dir, 5)
    before = image.copy()
    whole = masks.paste(detector.detect(image).masks, (480, 360))
    assert whole[people].mean() >= least_cover
    assert whole[~people].mean() <= most_other
    np.testing.assert_array_equal(image, before)


def test_threads_see_the_same(shared_dir, store):
    detector = build_people_detector(Settings(effort='fast'), store, 2)
    images = [street(shared_dir, i)[0] for i in (0, 15, 30, 44)]
    alone = [detector.detect(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)


def test_keypoints_come_only_when_asked_for(shared_dir, store):
    image, _ = street(shared_dir, 5)
    settings = Settings(effort='fast', body_threshold=0.5)
    assert build_people_detector(settings, store, 1).detect(image).keypoints is None
    regions = build_people_detector(settings, store, 1, with_keypoints=True).detect(image)
    assert regions.keypoints.shape == (len(regions), 17, 3)
    assert (regions.scores >= 0.5).all()


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv('ANON_ROS_CACHE', str(tmp_path / 'cache'))
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models/yolox_nano.onnx').write_bytes(b'cut short')
    with pytest.raises(ModelError, match=r'yolox_nano\.onnx'):
        build_people_detector(Settings(), ModelStore(offline_dir=tmp_path / 'models'), 1)
