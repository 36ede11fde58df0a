# SPDX-License-Identifier: Apache-2.0
"""A training is a function of its seed: interrupted or not, alone or not, on a small network."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

WHY = 'the extra `study`; `make study` has it'
torch = pytest.importorskip('torch', reason=WHY)
pytest.importorskip('torchvision', reason=WHY, exc_type=ImportError)

from anon_ros.audit import rle  # noqa: E402
from anon_ros.core.regions import Mask  # noqa: E402
from anon_ros.datasets.formats import create_dataset  # noqa: E402
from anon_ros.datasets.problems import Problems  # noqa: E402
from anon_ros.datasets.records import ImageRecord, Instance  # noqa: E402
from anon_ros.errors import InputError, ModelError, UsageError  # noqa: E402
from anon_ros.study.curves import Curve, read_curve  # noqa: E402
from anon_ros.study.job import TrainingJob, is_complete, read_trained  # noqa: E402
from anon_ros.study.label_store import LabelStore, store_split  # noqa: E402
from anon_ros.study.networks import build_network, load_checkpoint  # noqa: E402
from anon_ros.study.predicting import Finder  # noqa: E402
from anon_ros.study.samples import Order, Places, Samples, to_target  # noqa: E402
from anon_ros.study.study_file import Model, PixelReading, Schedule  # noqa: E402
from anon_ros.study.training import rate_at  # noqa: E402
from anon_ros.study.worker import do_training  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SIZE_WH = (96, 64)
SMALL = Model('small', 'scratch', (64,), 96, 64)
SHORT = Schedule(4, 2, 0.01, warm_up=2, steps=(3,), precision='full', checkpoint_every=2)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('set')
    writer = create_dataset(folder / 'data', 'coco', Problems())
    random = np.random.default_rng(0)
    for number in range(8):
        image = random.integers(0, 90, (64, 96, 3), np.uint8)
        x = int(random.integers(0, 70))
        image[12:56, x:x + 20] = 250
        inside = np.ones((44, 20), bool)
        points = tuple((x + 10.0, 14.0 + 2 * i, 2.0) for i in range(17))
        writer.add(ImageRecord(
            str(number + 1), 'train' if number < 6 else 'val', f'{number}.png', SIZE_WH, (
                Instance('', 'person', rle=rle.encode(Mask(inside, x, 12), SIZE_WH),
                         box_xyxy=(x, 12, x + 20, 56), keypoints=points),)),
            cv2.imencode('.png', image)[1].tobytes())
        if number >= 6:
            (folder / 'pixels').mkdir(exist_ok=True)
            cv2.imwrite(str(folder / f'pixels/{number}.png'), image)
            labels = np.zeros((64, 96), np.uint8)
            labels[12:56, x:x + 20] = 9
            cv2.imwrite(str(folder / f'pixels/{number}_labels.png'), labels)
    writer.close()
    for split in ('train', 'val'):
        store_split(folder / 'data', 'coco', split, ('person',),
                    folder / f'labels/{split}.jsonl')
    return folder


def job(root, **more):
    values = {
        'variant': 'original', 'seed': 3, 'task': 'instances', 'classes': ('person',),
        'model': SMALL, 'schedule': SHORT, 'fingerprint': 'a', 'val_fingerprint': 'b',
        'images': str(root / 'data'), 'labels': str(root / 'labels/train.jsonl'),
        'val_images': str(root / 'data'), 'val_labels': str(root / 'labels/val.jsonl'),
        'pixel_readings': (PixelReading('street', str(root / 'pixels'), (9,)),),
        'device': 'cpu', 'threads': 1, **more}
    return TrainingJob(**values)


def trained(the_job, folder):
    do_training(the_job, folder)
    return read_trained(folder).weights_sha256, (folder / 'predictions.json').read_text()


def test_a_seed_repeats_an_interruption_changes_nothing_and_done_is_done(root, tmp_path):
    first = trained(job(root), tmp_path / 'a')
    stamp = (tmp_path / 'a/weights.pt').stat().st_mtime_ns
    assert trained(job(root), tmp_path / 'a') == first
    assert (tmp_path / 'a/weights.pt').stat().st_mtime_ns == stamp
    code = (
        'import sys, os; from pathlib import Path; from anon_ros.study import training, worker; '
        'from anon_ros.study.job import read_job; old = training._Run._checkpoint; '
        'training._Run._checkpoint = lambda self: (old(self), os.kill(os.getpid(), 9)); '
        'worker.main(sys.argv[1:])')
    from anon_ros.study.job import write_job

    path = write_job(job(root), tmp_path / 'b')
    killed = subprocess.run(
        [sys.executable, '-c', code, str(path)], cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -9
    assert (tmp_path / 'b/checkpoint.pt').is_file()
    assert trained(job(root), tmp_path / 'b') == first
    assert trained(job(root, seed=4), tmp_path / 'c') != first
    assert [row['iteration'] for row in read_curve(tmp_path / 'b/curve.csv')] == [4]


def test_new_readings_are_read_without_training_again(root, tmp_path):
    plain = job(root, pixel_readings=())
    trained(plain, tmp_path)
    stamp = (tmp_path / 'weights.pt').stat().st_mtime_ns
    assert not is_complete(job(root), tmp_path)
    trained(job(root), tmp_path)
    assert (tmp_path / 'weights.pt').stat().st_mtime_ns == stamp
    assert [each.name for each in read_trained(tmp_path).pixel_results] == ['street']


def test_a_reading_may_look_at_larger_images_than_the_test_does(root):
    network = build_network(SMALL, 'instances', 1)
    sizes = []
    network.backbone.register_forward_pre_hook(
        lambda _, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    finder = Finder(network, torch.device('cpu'), SMALL)
    image = np.zeros((90, 180, 3), np.uint8)
    finder.find(image)
    finder.find(image, 128)
    finder.find(image)
    assert sizes == [(64, 96), (128, 256), (64, 96)]


@pytest.mark.parametrize('task', ['detection', 'keypoints'])
def test_other_tasks_train_and_predict(root, tmp_path, task):
    short = replace(SHORT, iterations=1, precision='mixed')
    _, found = trained(job(root, task=task, schedule=short), tmp_path)
    assert all('segmentation' not in each for each in json.loads(found))
    assert read_trained(tmp_path).iterations == 1


def test_two_processes_share_a_batch(root, tmp_path):
    from anon_ros.study.job import write_job

    path = write_job(job(root, pixel_readings=()), tmp_path / 'two')
    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         '-m', 'anon_ros.study.worker', str(path)], cwd=ROOT, check=False, capture_output=True,
        text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert result.returncode == 0, result.stderr[-2000:]
    assert read_trained(tmp_path / 'two').iterations == SHORT.iterations


def test_identity_is_what_the_result_depends_on(root):
    same = job(root, device='cuda', loaders=3, threads=7, images='/elsewhere')
    assert same.key == job(root).key
    for changed in (job(root, seed=9), job(root, fingerprint='z'), job(root, task='detection'),
                    job(root, schedule=replace(SHORT, rate=1.0))):
        assert changed.key != job(root).key


def test_every_image_is_seen_once_an_epoch_and_processes_share_slots():
    order = Order(range(7), 3, 5)
    seen = [order.at(*divmod(place, 3)) for place in range(14)]
    assert sorted(seen[:7]) == sorted(seen[7:]) == list(range(7))
    assert seen[:7] != seen[7:]
    whole = [place for batch in Places(1, replace(SHORT, batch=3)) for place in batch]
    parts = [[place for batch in Places(1, replace(SHORT, batch=3), i, 2) for place in batch]
             for i in (0, 1)]
    assert sorted(parts[0] + parts[1]) == whole == list(range(3, 12))


def test_mirrored_samples_are_mirrored_all_over(root):
    labels = LabelStore(root / 'labels/train.jsonl')
    order = Order([2], 1, 0)
    for task in ('instances', 'keypoints'):
        plain, mirrored = (
            Samples(root / 'data', labels, task, replace(SHORT, flip=flip), order)[0]
            for flip in (0.0, 1.0))
        assert torch.equal(plain.image.flip(-1), mirrored.image)
        x_min, _, x_max, _ = plain.target['boxes'][0].tolist()
        assert mirrored.target['boxes'][0, [0, 2]].tolist() == [96 - x_max, 96 - x_min]
        if task == 'instances':
            assert torch.equal(plain.target['masks'].flip(-1), mirrored.target['masks'])
        else:
            left = plain.target['keypoints'][0, 5, 0]
            assert mirrored.target['keypoints'][0, 6, 0] == 96 - left
    assert set(to_target(labels[0], 'detection')) == {'boxes', 'labels'}


def test_rates_rise_and_step_down():
    schedule = Schedule(100, 1, 1.0, warm_up=10, steps=(50, 80))
    rates = [rate_at(i, schedule) for i in (0, 5, 10, 49, 50, 80)]
    assert rates == pytest.approx([0.001, 0.5005, 1, 1, 0.1, 0.01])


def test_starts_that_cannot_be_are_named(tmp_path):
    with pytest.raises(ModelError, match='nobody published weights of the small backbone'):
        build_network(replace(SMALL, start='coco'), 'instances', 1)
    (tmp_path / 'x.pt').write_bytes(b'nothing')
    with pytest.raises(InputError, match='no checkpoint'):
        build_network(replace(SMALL, start=str(tmp_path / 'x.pt')), 'instances', 1)
    torch.save({'network': {'other': torch.ones(3)}}, tmp_path / 'y.pt')
    with pytest.raises(InputError, match='none of the weights'):
        build_network(replace(SMALL, start=str(tmp_path / 'y.pt')), 'instances', 1)


def test_a_checkpoint_of_other_classes_leaves_the_heads_fresh(tmp_path):
    torch.manual_seed(0)
    first = build_network(SMALL, 'instances', 3)
    torch.save({'network': first.state_dict()}, tmp_path / 'w.pt')
    second = build_network(replace(SMALL, start=str(tmp_path / 'w.pt')), 'instances', 1)
    name = 'backbone.stem.0.weight'
    assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    fresh = load_checkpoint(second, tmp_path / 'w.pt')
    assert fresh
    assert all('predictor' in each or 'mask_fcn_logits' in each for each in fresh)


def test_r50_is_the_papers_network():
    network = build_network(Model('resnet50', 'scratch', (64,), 96, 64), 'instances', 8)
    count = sum(each.numel() for each in network.parameters())
    assert count == pytest.approx(44e6, rel=0.02)
    assert network.roi_heads.box_predictor.cls_score.out_features == 9


def test_damage_is_named(root, tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/checkpoint.pt').write_bytes(b'x')
    with pytest.raises(InputError, match='remove it to start anew'):
        do_training(job(root), tmp_path / 'a')
    with pytest.raises(UsageError, match='no image has anything to learn'):
        do_training(job(root, images=str(tmp_path)), tmp_path / 'b')
    wild = replace(SHORT, rate=1e30, warm_up=0)
    with pytest.raises(InputError, match='diverged in iteration'):
        do_training(job(root, schedule=wild), tmp_path / 'c')


def test_a_curve_drops_what_was_written_beyond_the_checkpoint(tmp_path):
    path = tmp_path / 'curve.csv'
    with Curve(path, 0, is_written=True) as curve:
        for i in range(1, 31):
            curve.write(i, 0.1, {'loss': 1.0})
    path.write_text(path.read_text() + '40,0.')
    with Curve(path, 20, is_written=True) as curve:
        for i in range(21, 31):
            curve.write(i, 0.1, {'loss': 2.0})
    assert [(row['iteration'], row['loss']) for row in read_curve(path)] == [
        (10, 1.0), (20, 1.0), (30, 2.0)]
