# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from anon_ros.errors import InputError, UsageError

torch = pytest.importorskip('torch', reason='torch is not installed: training is not tested')

from anon_ros.training import plate_run, plate_samples, plates  # noqa: E402 - they need torch
from anon_ros.training.plate_loss import generalized_iou, targets_of  # noqa: E402
from anon_ros.training.plate_network import PlateNetwork  # noqa: E402
from anon_ros.training.plate_samples import Sample  # noqa: E402

NOTHING = np.zeros((0, 4), np.float32)
# torch's own exporter and engine warn about what they will change some day.
pytestmark = [
    pytest.mark.filterwarnings('ignore::DeprecationWarning'),
    pytest.mark.filterwarnings('ignore::UserWarning'),
]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(plates, 'BATCH', 2)
    for pool in ('DRAWN_PLATES', 'DISTRACTORS', 'LENSES', 'BACKGROUNDS'):
        monkeypatch.setattr(plate_samples, pool, 6)
    folder = tmp_path / 'data'
    (folder / 'train').mkdir(parents=True)
    rng = np.random.default_rng(0)
    entries = []
    for name in ('day_1.png', 'night_1.png'):
        image = rng.integers(0, 120, (180, 320, 3), dtype=np.uint8)
        image[60:80, 100:180] = 250
        cv2.imwrite(str(folder / 'train' / name), image)
        entries.append({'file': name, 'plates_xyxy': [[100, 60, 180, 80]]})
    (folder / 'train.json').write_text(json.dumps(entries))
    return folder


def sample(plates_xyxy, ignored_xyxy=NOTHING, size=128):
    return Sample(np.zeros((size, size, 3), np.uint8),
                  np.array(plates_xyxy, np.float32).reshape(-1, 4),
                  np.array(ignored_xyxy, np.float32).reshape(-1, 4))


def test_the_cell_of_the_centre_is_the_top_and_knows_the_edges():
    targets = targets_of(sample([[20, 40, 60, 52]]))
    assert targets.scores.max() == 1
    assert targets.scores[0, 5, 5] == 1
    np.testing.assert_allclose(
        targets.distances[:, 5, 5] * 8, [44 - 20, 44 - 40, 60 - 44, 52 - 44])
    assert targets.box_weights[0, 5, 5] == 1
    assert targets.box_weights[0, 0, 0] == 0


def test_an_empty_sample_asks_for_nothing():
    targets = targets_of(sample([]))
    assert targets.scores.max() == 0
    assert targets.box_weights.max() == 0
    assert targets.score_weights.min() == 1


def test_what_is_ignored_costs_nothing_but_never_a_plate():
    targets = targets_of(sample([[20, 40, 60, 52]], [[0, 0, 128, 128]]))
    assert targets.score_weights[0, 10, 10] == 0
    assert targets.score_weights[0, 5, 5] == 1


def test_every_plate_at_the_edge_still_has_a_cell():
    targets = targets_of(sample([[0, 0, 8, 7], [100, 121, 128, 128]]))
    assert (targets.scores == 1).sum() == 2
    assert targets.distances.min() > 0


def test_generalized_iou_of_equal_and_nested_boxes():
    box = torch.tensor([2.0, 1.0, 2.0, 1.0]).reshape(1, 4, 1, 1)
    assert generalized_iou(box, box).item() == pytest.approx(1)
    assert generalized_iou(box / 2, box).item() == pytest.approx(0.25)
    crossed = torch.tensor([1.0, 2.0, 1.0, 2.0]).reshape(1, 4, 1, 1)
    assert generalized_iou(crossed, box).item() == pytest.approx(4 / 12 - 4 / 16)


def test_a_resumed_run_reaches_the_same_weights(data_dir, tmp_path):
    whole, parts = tmp_path / 'whole.onnx', tmp_path / 'parts.onnx'
    plates.train_plates(data_dir, whole, steps=6, seed=1)

    def stop(step, steps, loss):
        assert steps == 6
        assert np.isfinite(loss)
        if step == 4:
            raise KeyboardInterrupt

    monkey = pytest.MonkeyPatch()
    monkey.setattr(plates, 'CHECKPOINT_S', -1.0)
    with pytest.raises(KeyboardInterrupt):
        plates.train_plates(data_dir, parts, steps=6, seed=1, progress=stop)
    monkey.undo()
    plates.train_plates(data_dir, parts, steps=6, seed=1, resume=True)
    first, second = (torch.load(path.with_suffix('.pt')) for path in (whole, parts))
    assert first['step'] == second['step'] == 6
    assert first['mistaken_xyxy'] == second['mistaken_xyxy']
    for name, value in first['average'].items():
        assert torch.equal(value, second['average'][name]), name


def test_the_exported_network_answers_like_the_trained_one(data_dir, tmp_path):
    ort = pytest.importorskip('onnxruntime')
    path = plates.train_plates(data_dir, tmp_path / 'new' / 'p.onnx', steps=2, seed=1)
    network = PlateNetwork().eval()
    network.load_state_dict(torch.load(path.with_suffix('.pt'))['average'])
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 96)).astype(np.float32)
    cells = ort.InferenceSession(str(path)).run(None, {'images': images})[0]
    with torch.no_grad():
        logits, distances = network(torch.from_numpy(images))
    assert cells.shape == (2, 5, 8, 12)
    np.testing.assert_allclose(cells[:, :1], torch.sigmoid(logits), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(cells[:, 1:], distances * 8, rtol=1e-3, atol=1e-3)


def test_the_log_has_a_row_for_every_few_steps(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(plate_run, 'LOG_STEPS', 2)
    plates.train_plates(data_dir, tmp_path / 'p.onnx', steps=5, seed=1)
    rows = (tmp_path / 'p.csv').read_text().split()
    assert rows[0] == 'step,score_loss,box_loss,seconds'
    assert [row.split(',')[0] for row in rows[1:]] == ['2', '4']


def test_a_checkpoint_of_another_seed_or_none_at_all_is_refused(data_dir, tmp_path):
    path = plates.train_plates(data_dir, tmp_path / 'p.onnx', steps=1, seed=1)
    with pytest.raises(UsageError, match='begun with seed 1, not 2'):
        plates.train_plates(data_dir, path, steps=2, seed=2, resume=True)
    path.with_suffix('.pt').write_bytes(b'damaged')
    with pytest.raises(InputError, match=r'p\.pt'):
        plates.train_plates(data_dir, path, steps=2, seed=1, resume=True)


def test_the_rate_rises_and_falls():
    rates = [plate_run.learning_rate(step, 1000) for step in range(1000)]
    assert rates[0] < rates[50] < rates[99]
    assert rates[200] > rates[500] > rates[999] > 0
