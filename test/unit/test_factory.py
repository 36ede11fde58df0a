# SPDX-License-Identifier: Apache-2.0
"""Settings become objects."""

import numpy as np
import pytest

from anon_ros import factory
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.media.raw import RawImage, open_raw
from anon_ros.models.store import ModelStore


def hidden(settings):
    image = np.full((32, 32, 3), 100, np.uint8)
    frame = open_raw(RawImage(32, 32, 'bgr8', False, 96, image.tobytes()))
    regions = Regions.of([[8, 8, 24, 24]], Kind.FACE)
    return bytes(factory.build_anonymizer(settings).anonymize(frame, regions).payload)


def test_a_seed_repeats_a_pattern_and_none_is_a_secret():
    assert hidden(Settings(seed=5)) == hidden(Settings(seed=5))
    assert hidden(Settings(seed=5)) != hidden(Settings(seed=6))
    assert hidden(Settings()) != hidden(Settings())


def test_all_cores_or_as_many_as_set():
    assert factory.thread_count(Settings(threads=3)) == 3
    assert factory.thread_count(Settings()) >= 1


@pytest.mark.parametrize('method', ['pixelate', 'realistic'])
def test_keypoints_are_looked_for_where_a_generator_is_led_by_them(shared_dir, method):
    store = ModelStore(offline_dir=shared_dir / 'models')
    settings = Settings(target=('body',), method=(f'body={method}',), device='cpu', threads=1)
    factory.build_detector(settings, store)
    assert ('movenet' in [card.name for card in store.used]) == (method == 'realistic')
