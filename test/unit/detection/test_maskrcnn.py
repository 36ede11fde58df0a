# SPDX-License-Identifier: Apache-2.0
import hashlib
import http.server
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.core.settings import Settings
from anon_ros.detection import maskrcnn
from anon_ros.detection.maskrcnn import (
    EFFORTS,
    MaskRcnnDetector,
    RcnnEffort,
    holding,
    with_keypoints,
)
from anon_ros.detection.people import build_people_detector
from anon_ros.errors import ModelError, SettingError
from anon_ros.models.cards import ModelCard, WebSource
from anon_ros.models.store import ModelStore

SIZE_WH = (100, 80)


def poses_at(*boxes):
    keypoints = np.stack([np.full((17, 3), i, np.float32) for i in range(len(boxes))])
    return Regions.of(boxes, Kind.BODY, [0.5] * len(boxes), keypoints=keypoints)


def test_boxes_hold_their_masks_and_stay_in_the_image():
    boxes = np.array([[10, 10, 30, 40], [80, 60, 120, 100], [5, 5, 9, 9]], np.float32)
    masks = [Mask(np.ones((40, 4), bool), 12, 5), None, Mask(np.zeros((0, 0), bool), 0, 0)]
    held = holding(boxes, masks, SIZE_WH)
    assert held[0].tolist() == pytest.approx([9.4, 5, 30.6, 45])
    assert held[1].tolist() == pytest.approx([78.8, 58.8, 100, 80])


def test_each_pose_goes_to_the_surest_person_it_fits():
    people = Regions.of(
        [[0, 0, 20, 40], [2, 0, 22, 40], [60, 0, 80, 40]], Kind.BODY, [0.4, 0.9, 0.8],
        masks=[None, Mask(np.ones((2, 2), bool), 5, 5), None])
    merged = with_keypoints(people, poses_at([1, 0, 21, 40]))
    assert len(merged) == 3
    assert np.isnan(merged.keypoints[0]).all()
    assert (merged.keypoints[1] == 0).all()
    assert merged.masks[1] is people.masks[1]


def test_a_pose_without_a_person_is_a_person():
    people = Regions.of([[0, 0, 20, 40]], Kind.BODY, [0.4])
    merged = with_keypoints(people, poses_at([50, 0, 70, 40], [0, 0, 20, 41]))
    assert len(merged) == 2
    assert (merged.keypoints[0] == 1).all()
    assert (merged.keypoints[1] == 0).all()
    assert merged.masks == (None, None)


@pytest.mark.parametrize('people', [Regions.empty(), Regions.of([[0, 0, 9, 9]], Kind.BODY)])
def test_no_poses_leave_people_as_they_are(people):
    empty = Regions.of([], Kind.BODY, keypoints=np.zeros((0, 17, 3), np.float32))
    assert len(with_keypoints(people, empty)) == len(people)


def test_no_people_leave_the_poses():
    empty = Regions.of([], Kind.BODY)
    assert len(with_keypoints(empty, poses_at([0, 0, 9, 9]))) == 1


def test_missing_torchvision_is_named(monkeypatch, tmp_path):
    def refuse(name):
        raise ImportError(f'No module named {name!r}')

    monkeypatch.setattr(maskrcnn.importlib, 'import_module', refuse)
    with pytest.raises(ModelError, match='pip install torch torchvision'):
        build_people_detector(
            Settings(body_detector='maskrcnn'), ModelStore(offline_dir=tmp_path), 1)


@pytest.fixture(scope='module')
def torch():
    pytest.importorskip('torchvision')
    return pytest.importorskip('torch')


@pytest.fixture(scope='module')
def served(torch, tmp_path_factory):
    """Return a store whose cards point at a server that has weights nobody trained."""
    folder = tmp_path_factory.mktemp('weights')
    torch.manual_seed(0)
    detection = maskrcnn._import('torchvision.models.detection')
    backbone = partial(
        maskrcnn._import('torchvision.models.detection.backbone_utils').resnet_fpn_backbone,
        backbone_name='resnet50', weights=None)
    models = {
        'maskrcnn': detection.MaskRCNN(backbone(), num_classes=91),
        'keypointrcnn': detection.KeypointRCNN(backbone(), num_classes=2),
    }
    for name, model in models.items():
        torch.save(model.state_dict(), folder / f'{name}.pth')
    handler = partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cards = {name: card_of(folder / f'{name}.pth', server.server_port) for name in models}
        yield ModelStore(tmp_path_factory.mktemp('cache'), cards=cards)
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *_):
        pass


def card_of(path, port):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ModelCard(
        name=path.stem, task='', file=path.name, sha256=digest[:8], size_bytes=0, licence='',
        source=WebSource(f'http://127.0.0.1:{port}/{path.name}'), input='')


@pytest.fixture
def detector(served, monkeypatch):
    # Small images, because two whole networks run on a CPU here. Without training every class is
    # about as likely as any other, so the least score is low.
    monkeypatch.setitem(maskrcnn.EFFORTS, 'fast', RcnnEffort(96, 160, 0.3, 0.5))
    monkeypatch.setattr(maskrcnn, 'MOST_PEOPLE', 20)
    settings = Settings(
        body_detector='maskrcnn', effort='fast', device='cpu', body_threshold=0.001)
    return build_people_detector(settings, served, 1, with_keypoints=True)


def test_weights_are_fetched_loaded_and_run(detector):
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3)).astype(np.uint8)
    regions = detector.detect(image)
    assert len(regions) > 0
    assert set(regions.kinds.tolist()) == {int(Kind.BODY)}
    assert regions.keypoints.shape == (len(regions), 17, 3)
    assert regions.boxes_xyxy.min() >= -5
    assert regions.boxes_xyxy[:, 2].max() <= 205


def test_images_of_a_batch_do_not_disturb_each_other(detector):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((90, 120), (60, 130))]
    batch = detector.detect_batch(images)
    with ThreadPoolExecutor(2) as pool:
        threads = list(pool.map(detector.detect, images))
    assert all(len(regions) for regions in batch)
    assert [len(regions) for regions in batch] == [len(regions) for regions in threads]


def test_only_sure_people_count(torch):
    output = {
        'boxes': torch.tensor([[10.0, 10, 30, 50]]).repeat(4, 1),
        'scores': torch.tensor([0.9, 0.9, 0.2, 0.3]), 'labels': torch.tensor([1, 2, 1, 1]),
        'masks': torch.ones(4, 1, 28, 28),
    }
    detector = MaskRcnnDetector(lambda _: [output], EFFORTS['fast'], torch.device('cpu'))
    regions = detector.detect(np.zeros((60, 80, 3), np.uint8))
    np.testing.assert_allclose(regions.scores, [0.9, 0.3])
    assert all(mask is not None for mask in regions.masks)


def test_damaged_weights_are_refused(torch, tmp_path):
    path = tmp_path / 'maskrcnn.pth'
    torch.save({'some': torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r'maskrcnn\.pth is not the network'):
        maskrcnn.load_rcnn(path, EFFORTS['fast'], torch.device('cpu'), has_keypoints=False)
    path.write_bytes(b'nothing of the kind')
    with pytest.raises(ModelError, match=r'maskrcnn\.pth is not the network'):
        maskrcnn.load_rcnn(path, EFFORTS['fast'], torch.device('cpu'), has_keypoints=False)


@pytest.mark.parametrize(('device', 'error'), [('cuda:7', ModelError), ('warp', SettingError)])
def test_devices_that_are_not_to_be_had_are_named(torch, device, error):
    with pytest.raises(error, match=device):
        maskrcnn._torch_device(device)


def test_an_engine_that_refuses_is_a_model_error(torch):
    def refuse(_):
        raise RuntimeError('out of memory\nmore lines')

    detector = MaskRcnnDetector(refuse, EFFORTS['fast'], torch.device('cpu'))
    with pytest.raises(ModelError, match='out of memory'):
        detector.detect(np.zeros((8, 8, 3), np.uint8))
