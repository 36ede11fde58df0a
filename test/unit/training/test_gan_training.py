# SPDX-License-Identifier: Apache-2.0
import csv
import json

import cv2
import numpy as np
import pytest

from anon_ros.errors import InputError, UsageError

torch = pytest.importorskip('torch', reason='torch is not installed: training is not tested')

from anon_ros.gan.stylegan_unet import UNetShape  # noqa: E402 - they need torch
from anon_ros.gan.weights_file import load_weights  # noqa: E402
from anon_ros.training import gan_run  # noqa: E402
from anon_ros.training.face_gan import train_face_gan  # noqa: E402
from anon_ros.training.face_samples import (  # noqa: E402
    FaceSampleMaker,
    load_faces,
    split_faces,
)
from anon_ros.training.gan_networks import spread_of  # noqa: E402
from anon_ros.training.gan_run import GanRun, Recipe, crowding, hole_distance  # noqa: E402
from anon_ros.training.gan_samples import HoleBatch  # noqa: E402

SHAPE = UNetShape((16, 16), (4, 8, 8), z_dim=4, w_dim=8)
RECIPE = Recipe(steps=6, batch=4, warm_up=2, critic_channels=(4, 8, 8))


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / 'faces'
    folder.mkdir()
    entries = []
    for number in range(13):
        image = np.full((64, 64, 3), 40 + 10 * number, np.uint8)
        image[16:48, 20:44] = (90, 140, 200)
        cv2.imwrite(str(folder / f'{number}.png'), image)
        entries.append({'file': f'{number}.png', 'face_box': [20 / 64, 0.25, 44 / 64, 0.75]})
    (folder / 'faces.json').write_text(json.dumps(entries))
    return folder


def a_batch(data_dir, count=4):
    maker = FaceSampleMaker(load_faces(data_dir), size_px=16, seed=1)
    return HoleBatch.of([maker.make(0, number) for number in range(count)])


def test_a_hole_covers_the_face_whatever_the_warp(data_dir):
    maker = FaceSampleMaker(load_faces(data_dir), size_px=64, seed=0)
    for number in range(60):
        sample = maker.make(0, number)
        red = sample.image_rgb[..., 0].astype(int) - sample.image_rgb[..., 2]
        face = (red > red.max() - 20) & (red > 20)
        # The box itself is uncertain by 4 %, and a turned face has corners.
        assert (face & sample.known).sum() <= 0.25 * face.sum()
        assert 0.1 < 1 - sample.known.mean() < 0.95


def test_a_sample_depends_on_seed_step_and_number_only(data_dir):
    faces = load_faces(data_dir)
    first = FaceSampleMaker(faces, size_px=32, seed=3)
    again = FaceSampleMaker(faces, size_px=32, seed=3)
    other = FaceSampleMaker(faces, size_px=32, seed=4)
    first.make(0, 0)
    assert np.array_equal(first.make(7, 2).image_rgb, again.make(7, 2).image_rgb)
    assert not np.array_equal(first.make(7, 2).image_rgb, other.make(7, 2).image_rgb)


def test_what_is_held_out_is_never_learnt_from(data_dir):
    faces = load_faces(data_dir)
    learnt, held_out = split_faces(faces)
    assert len(learnt) + len(held_out) == len(faces)
    assert not {id(face) for face in learnt} & {id(face) for face in held_out}
    assert len(held_out) == 2


@pytest.mark.parametrize('damage', [
    '[]x',
    '[{"file": "0.png"}]',
    '[{"file": "no.png", "face_box": [0, 0, 1, 1]}]',
    '[{"file": "0.png", "face_box": [0, 1]}]',
])
def test_a_damaged_list_is_named(data_dir, damage):
    (data_dir / 'faces.json').write_text(damage)
    with pytest.raises(InputError, match=r'faces\.json'):
        load_faces(data_dir)


def test_an_interrupted_training_reaches_the_same_weights(data_dir, tmp_path, monkeypatch):
    whole, parts = tmp_path / 'whole.safetensors', tmp_path / 'parts.safetensors'
    train_face_gan(data_dir, whole, RECIPE, shape=SHAPE)

    def stop(step, _steps, _losses):
        if step == 4:
            raise KeyboardInterrupt

    from anon_ros.training import gan_training

    monkeypatch.setattr(gan_training, 'CHECKPOINT_S', -1.0)
    with pytest.raises(KeyboardInterrupt):
        train_face_gan(data_dir, parts, RECIPE, shape=SHAPE, progress=stop)
    assert not parts.exists()
    train_face_gan(data_dir, parts, RECIPE, shape=SHAPE, resume=True)
    assert parts.read_bytes() == whole.read_bytes()


def test_a_training_leaves_weights_log_curves_and_pictures(data_dir, tmp_path):
    out = tmp_path / 'new' / 'face.safetensors'
    recipe = Recipe(steps=40, batch=4, warm_up=20, critic_channels=(4, 8, 8))
    train_face_gan(data_dir, out, recipe, shape=SHAPE)
    assert load_weights(out).shape == SHAPE
    with out.with_suffix('.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['step'] for row in rows] == ['20', '40']
    assert rows[0]['discriminator'] == ''
    assert float(rows[1]['discriminator']) > 0
    assert 'discriminator: ' in out.with_suffix('.svg').read_text()
    sheet = cv2.imread(str(out.with_suffix('.png')))
    assert sheet.shape == (8 * 16 * 2, 8 * 16 * 2, 3)


def test_painting_is_learnt_and_the_critic_moves(data_dir):
    batch = a_batch(data_dir, 8)
    recipe = Recipe(steps=400, batch=8, warm_up=60, critic_channels=(4, 8, 8))
    run = GanRun.start(SHAPE, recipe, 0)
    first = run.learn(batch)
    for _ in range(50):
        last = run.learn(batch)
    assert last['reconstruction'] < 0.7 * first['reconstruction']
    before = run.critic.leave.weight.detach().clone()
    run.step = 64
    assert run.learn(batch).keys() == set(gan_run.LOSSES)
    assert not torch.equal(before, run.critic.leave.weight)


def test_a_checkpoint_of_something_else_is_refused(data_dir, tmp_path):
    run = GanRun.start(SHAPE, RECIPE, 0)
    path = tmp_path / 'run.pt'
    path.write_bytes(b'no checkpoint')
    with pytest.raises(InputError, match=r'run\.pt'):
        run.load(path)
    run.save(path)
    with pytest.raises(UsageError, match='seed 0, not 5'):
        GanRun.start(SHAPE, RECIPE, 5).load(path)
    other = UNetShape((16, 16), (4, 8, 12), z_dim=4, w_dim=8)
    with pytest.raises(InputError, match=r'run\.pt'):
        GanRun.start(other, RECIPE, 0).load(path)


def test_only_the_hole_counts(data_dir):
    batch = a_batch(data_dir)
    outside = batch.img + batch.mask
    assert hole_distance(outside, batch) == 0
    assert hole_distance(batch.img + 1, batch) > 0.9


def test_codes_that_are_spread_are_less_crowded():
    same = torch.ones(8, 4)
    assert crowding(torch.eye(8)) < crowding(same + 0.01 * torch.eye(8)[:, :4])


def test_the_spread_is_that_of_the_group():
    same = torch.ones(4, 3, 2, 2)
    assert spread_of(same).shape == (4, 1, 2, 2)
    assert spread_of(same).max() < 1e-3
    assert spread_of(torch.randn(4, 3, 2, 2)).min() > 0.1
