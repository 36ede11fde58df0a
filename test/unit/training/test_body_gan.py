# SPDX-License-Identifier: Apache-2.0
import csv

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed: training is not tested')

from anon_ros.errors import UsageError
from anon_ros.gan.conditions import POSE_MAPS
from anon_ros.gan.stylegan_unet import UNetShape
from anon_ros.gan.weights_file import load_weights, read_metadata
from anon_ros.training import body_gan, gan_training
from anon_ros.training.body_gan import BODY_SHAPE, body_recipe, train_body_gan
from anon_ros.training.body_look import LOOK_NUMBERS
from anon_ros.training.body_samples import BodyCrop
from anon_ros.training.gan_run import Recipe

SIZE_HW = (16, 8)
SHAPE = UNetShape(SIZE_HW, (4, 8, 8), z_dim=LOOK_NUMBERS, w_dim=8, condition_channels=POSE_MAPS)
RECIPE = Recipe(steps=6, batch=4, warm_up=2, uniformity=0.0, critic_channels=(4, 8, 8))


class Blocks:
    """A source of crops: a coloured block stands for a person."""

    def colour(self, random):
        return random.integers(0, 255, 3)

    def draw(self, random):
        image = np.full((*SIZE_HW, 3), random.integers(60, 200), np.uint8)
        silhouette = np.zeros(SIZE_HW, bool)
        silhouette[3:13, 3:6] = True
        image[silhouette] = self.colour(random)
        keypoints = np.ones((17, 3), np.float32)
        keypoints[:, 0], keypoints[:, 1] = 0.5, np.linspace(0.25, 0.75, 17)
        keypoints[:, 0] += np.where(np.arange(17) % 2, -0.1, 0.1)
        return BodyCrop(image, silhouette, keypoints)


class Red(Blocks):
    """All people wear red."""

    def colour(self, random):
        return 230 + random.integers(0, 20), 30, 30


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(body_gan, 'LOOK_BATCHES', 2)


def test_an_interrupted_training_reaches_the_same_weights(tmp_path, monkeypatch):
    whole, parts = tmp_path / 'whole.safetensors', tmp_path / 'parts.safetensors'
    train_body_gan(Blocks(), Blocks(), whole, RECIPE, shape=SHAPE)

    def stop(step, _steps, _losses):
        if step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(gan_training, 'CHECKPOINT_S', -1.0)
    with pytest.raises(KeyboardInterrupt):
        train_body_gan(Blocks(), Blocks(), parts, RECIPE, shape=SHAPE, progress=stop)
    assert not parts.exists()
    train_body_gan(Blocks(), Blocks(), parts, RECIPE, shape=SHAPE, resume=True)
    assert parts.read_bytes() == whole.read_bytes()
    with pytest.raises(UsageError, match='seed'):
        train_body_gan(Blocks(), Blocks(), parts, RECIPE, shape=SHAPE, resume=True, seed=1)


def test_a_training_learns_and_leaves_weights_log_and_pictures(tmp_path):
    out = tmp_path / 'new' / 'body.safetensors'
    recipe = Recipe(steps=60, batch=4, warm_up=60, uniformity=0.0, critic_channels=(4, 8, 8))
    train_body_gan(Red(), Red(), out, recipe, shape=SHAPE)
    assert load_weights(out).shape == SHAPE
    assert read_metadata(out)['shows'] == 'body'
    with out.with_suffix('.csv').open() as file:
        losses = [float(row['reconstruction']) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    assert out.with_suffix('.png').stat().st_size > 100


def test_what_is_shipped_fits_the_package():
    generator = body_gan.GanRun.start(
        BODY_SHAPE, body_recipe(10, 5, 16), 0, body_gan.LookEncoder()).generator
    assert sum(value.numel() for value in generator.state_dict().values()) * 2 < 8 << 20
    assert BODY_SHAPE.condition_channels == POSE_MAPS
    assert BODY_SHAPE.z_dim == LOOK_NUMBERS
