# SPDX-License-Identifier: Apache-2.0
"""A bag that is looked into in parts gives the same result as one done in one go, to the byte."""

from pathlib import Path

import numpy as np
import pytest
from bag_builder import MagentaDetector, picture
from video_packets import SIZE_WH, packets, write

from anon_ros import factory
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.bags.looks import Looks
from anon_ros.core.regions import Regions
from anon_ros.core.settings import Settings
from anon_ros.errors import BagError
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, Means, anonymize_bag
from anon_ros.runs.look import LookJob, PartOfBag, look_into

SETTINGS = Settings(target=('face',), threads=2, seed=7)
CAMERA, OTHER = '/camera/image_raw', '/other/compressed'


class Blinking(MagentaDetector):
    """Misses every seventh picture, whoever looks: what tracks are for."""

    def detect(self, image_bgr):
        found = super().detect(image_bgr)
        return Regions.empty() if int(image_bgr[5, 5].sum()) % 7 == 0 else found


def networks(detector):
    return factory.Networks(detector, None, ModelStore())


def parts(source, of, settings=SETTINGS, files=None):
    files = files or [f'{source.name}.mcap']
    return [
        look_into(LookJob(source, PartOfBag(file, number, of), 'made'), settings,
                  networks(Blinking()))
        for file in files for number in range(of)
    ]


def rewrite(source, target, looks=None, detector=None):
    means = Means(networks(detector or Blinking()), 0, looks)
    anonymize_bag(BagJob(source, target), SETTINGS, means=means)
    return target


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def regions_of(folder):
    return (folder / 'anon' / 'regions.jsonl').read_text()


@pytest.fixture
def source(builder, tmp_path):
    for i in range(40):
        stamp_ns = (i + 1) * 10**8
        builder.raw(CAMERA, stamp_ns, picture(seed=i, squares=((10 + i, 20),)))
        builder.text('/chatter', stamp_ns + 1, f'{i}')
        builder.jpeg(OTHER, stamp_ns + 2, picture(seed=i, squares=((60 - i, 30),)))
        if i == 17:
            builder.compressed(OTHER, stamp_ns + 3, b'no picture')
    return builder.write(tmp_path / 'source')


@pytest.mark.parametrize('of', [1, 3, 7])
def test_parts_change_nothing(source, tmp_path, of):
    whole = rewrite(source, tmp_path / 'whole')
    looked = parts(source, of)
    assert sum(part.frames for part in looked) == 81
    blind = MagentaDetector()
    split = rewrite(source, tmp_path / 'split', Looks.of([p.looks for p in looked], 'made'), blind)
    assert blind.calls == 0
    assert files_of(split) == files_of(whole)
    assert regions_of(split) == regions_of(whole)
    origins = {int(each) for frame in RegionsReader(split / 'anon' / 'regions.jsonl')
               for each in frame.regions.origins}
    assert len(origins) > 1, 'the tracks had nothing to fill in'


def test_what_was_not_looked_at_is_looked_at_when_it_is_rendered(source, tmp_path):
    whole = rewrite(source, tmp_path / 'whole')
    looked = parts(source, 4)
    rest = Blinking()
    split = rewrite(
        source, tmp_path / 'split', Looks.of([looked[0].looks, looked[2].looks], 'made'), rest)
    assert rest.calls == sum(looked[number].frames for number in (1, 3)) - 1
    assert files_of(split) == files_of(whole)


def test_groups_of_a_video_that_a_part_cuts_are_looked_into_again(tmp_path):
    images = [picture(seed=i, size_wh=SIZE_WH, squares=((10 + i, 20),), side=24)
              for i in range(36)]
    source = write(tmp_path / 'source', packets('libx264', images, 6), 'h264')
    whole = rewrite(source, tmp_path / 'whole')
    rest = Blinking()
    looked = parts(source, 4)
    split = rewrite(source, tmp_path / 'split', Looks.of([p.looks for p in looked], 'made'), rest)
    assert files_of(split) == files_of(whole)
    assert regions_of(split) == regions_of(whole)
    assert 0 < rest.calls < 36


def test_a_part_needs_its_own_file_only(builder, tmp_path):
    folder = tmp_path / 'drive'
    folder.mkdir()
    for number in range(3):
        for i in range(10):
            stamp_ns = (10 * number + i + 1) * 10**8
            builder.raw(CAMERA, stamp_ns, picture(seed=i, squares=((10 + i, 20),)))
        lone = builder.write(tmp_path / f'lone_{number}')
        builder.messages.clear()
        (lone / f'lone_{number}.mcap').rename(folder / f'drive_{number}.mcap')
    names = [f'drive_{number}.mcap' for number in range(3)]
    whole = rewrite(folder, tmp_path / 'whole')
    looked = []
    for name in names:
        alone = tmp_path / 'alone' / 'drive'
        alone.mkdir(parents=True, exist_ok=True)
        (alone / name).write_bytes((folder / name).read_bytes())
        looked += parts(alone, 1, files=[name])
        (alone / name).unlink()
    blind = MagentaDetector()
    split = rewrite(folder, tmp_path / 'split', Looks.of([p.looks for p in looked], 'made'), blind)
    assert blind.calls == 0
    assert files_of(split) == files_of(whole)
    assert set(files_of(whole)) == set(names)


def test_undecided_topics_are_told_where_the_bag_is_rewritten(builder, tmp_path):
    builder.raw(CAMERA, 1, picture())
    builder.raw('/depth', 1, np.zeros((8, 8, 1), np.uint16), encoding='16UC1')
    source = builder.write(tmp_path / 'source')
    assert parts(source, 1)[0].frames == 0


def test_a_damaged_file_is_named(source):
    path = source / 'source.mcap'
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(BagError, match=r'source\.mcap'):
        parts(Path(source), 2)
