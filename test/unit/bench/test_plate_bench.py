# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from anon_ros.bench.plates import bench_plates, best_cover, measure_plates, shrink
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.detection.plates import PlateDetector
from anon_ros.detection.runtime import load_network
from anon_ros.models.store import ModelStore
from anon_ros.training.plate_frames import PlateFrame, load_plate_frames

NOTHING = np.zeros((0, 4), np.float32)


def frame(*boxes, is_night=False):
    plates = np.array(boxes, np.float32).reshape(-1, 4)
    return PlateFrame('a.jpg', np.zeros((72, 128, 3), np.uint8), plates, NOTHING, is_night)


class Fixed:
    def __init__(self, *boxes):
        self.boxes = boxes

    def detect(self, image_bgr):
        assert image_bgr.ndim == 3
        return Regions.of(np.array(self.boxes, np.float32).reshape(-1, 4), Kind.PLATE)


def test_no_region_covers_nothing():
    assert best_cover(np.ones((2, 4), np.float32), NOTHING).tolist() == [0, 0]


def test_two_halves_do_not_make_a_whole():
    plate = np.array([[0, 0, 10, 4]], np.float32)
    halves = np.array([[0, 0, 5, 4], [5, 0, 10, 4]], np.float32)
    assert best_cover(plate, halves).tolist() == pytest.approx([0.5])


def test_the_table_tells_day_night_and_heights_apart():
    frames = [frame((10, 10, 30, 14)), frame((10, 10, 18, 12), (60, 10, 90, 17), is_night=True)]
    table = measure_plates(Fixed((10, 10, 30, 14), (100, 50, 110, 60)), frames)
    shares = {group.name: (group.plates, group.covered) for group in table.groups}
    assert shares == {
        'all': (3, pytest.approx(2 / 3)), 'day': (1, 1.0), 'night': (2, 0.5),
        '20-31 px': (1, 1.0), '32-47 px': (1, 1.0), 'from 48 px': (1, 0.0),
    }
    assert table.false_per_frame == 1.0
    assert table.ms_per_frame >= 0


def test_a_shrunk_frame_keeps_its_size_and_its_plates_their_place():
    large = frame((10, 10, 30, 20))
    large.image_bgr[10:20, 10:30] = 255
    small = shrink(large, 0.5)
    assert small.image_bgr.shape == large.image_bgr.shape
    assert small.plates_xyxy.tolist() == [[37, 23, 47, 28]]
    assert (small.image_bgr[23:28, 37:47] == 255).all()
    assert small.image_bgr.sum() == 5 * 10 * 3 * 255


def test_the_margin_counts():
    frames = [frame((10, 10, 30, 20))]
    assert measure_plates(Fixed((12, 11, 28, 19)), frames, 0.0).groups[0].covered == 0
    assert measure_plates(Fixed((12, 11, 28, 19)), frames, 0.15).groups[0].covered == 1


def test_frames_without_plates_give_only_false_regions():
    table = measure_plates(Fixed((12, 11, 28, 19)), [frame()])
    assert table.groups == ()
    assert table.false_per_frame == 1.0


def test_the_shipped_network_covers_the_plates_it_never_saw(shared_dir, tmp_path):
    settings = Settings(device='cpu', effort='fast')
    tables = bench_plates(shared_dir / 'data' / 'plates', settings, ModelStore(tmp_path), 1)
    assert set(tables) == {'as they are', 'half size'}
    for table in tables.values():
        assert table.frames == 36
        assert min(group.covered for group in table.groups) >= 0.95
        assert table.false_per_frame < 3


def test_a_machine_without_bfloat16_finds_as_much(shared_dir, tmp_path):
    frames = load_plate_frames(shared_dir / 'data' / 'plates', 'valid')[::4]
    exact = load_network(
        ModelStore(tmp_path).path('plates'), device='cpu', threads=1, image_input=True,
        is_exact=True,
    )
    table = measure_plates(PlateDetector(exact, 0.4, 'fast'), frames)
    assert table.groups[0].covered == 1.0
