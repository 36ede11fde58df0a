# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.core.regions import Kind
from anon_ros.core.settings import Settings
from anon_ros.detection.plates import PlateDetector, build_plate_detector, decode, search_scales
from anon_ros.errors import ModelError
from anon_ros.models.store import ModelStore


def cells_of(*plates, rows=8, columns=16):
    """Return cells that say so: each plate is row, column, score and four distances."""
    cells = np.zeros((5, rows, columns), np.float32)
    for row, column, *values in plates:
        cells[:, row, column] = values
    return cells


class OnePlate:
    """An engine that sees a plate at one place of the scene, whatever its scale."""

    def __init__(self, row_share, column_share, distances_share):
        self.place = row_share, column_share
        self.distances = distances_share
        self.shapes = []

    def run(self, inputs):
        self.shapes.append(inputs.shape)
        rows, columns = inputs.shape[1] // 8, inputs.shape[2] // 8
        cells = np.zeros((1, 5, rows, columns), np.float32)
        row, column = int(self.place[0] * rows), int(self.place[1] * columns)
        cells[0, :, row, column] = [0.9, *(share * inputs.shape[2] for share in self.distances)]
        return {'cells': cells}


def test_no_peak_gives_no_box():
    boxes, scores = decode(cells_of(), 0.1)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_distances_count_from_the_middle_of_the_cell():
    boxes, scores = decode(cells_of((2, 5, 0.75, 20, 6, 24, 10)), 0.5)
    np.testing.assert_allclose(boxes, [[44 - 20, 20 - 6, 44 + 24, 20 + 10]])
    np.testing.assert_allclose(scores, [0.75])


def test_the_threshold_itself_still_counts():
    cells = cells_of((2, 5, 0.5, 1, 1, 1, 1))
    assert len(decode(cells, 0.5)[0]) == 1
    assert len(decode(cells, 0.51)[0]) == 0


def test_a_lower_neighbour_is_no_peak_of_its_own():
    cells = cells_of((2, 5, 0.9, 9, 9, 9, 9), (3, 6, 0.8, 9, 9, 9, 9), (2, 8, 0.7, 9, 9, 9, 9))
    assert decode(cells, 0.1)[1].tolist() == pytest.approx([0.9, 0.7])


@given(row=st.integers(0, 7), column=st.integers(0, 15))
def test_every_cell_can_be_a_peak(row, column):
    boxes, _ = decode(cells_of((row, column, 0.9, 4, 4, 4, 4)), 0.5)
    np.testing.assert_allclose(boxes[0], [column * 8, row * 8, column * 8 + 8, row * 8 + 8])


def test_boxes_come_back_in_the_pixels_of_the_image():
    network = OnePlate(0.5, 0.5, (0.1, 0.05, 0.1, 0.05))
    found = PlateDetector(network, 0.5, 'fast').detect(np.zeros((1280, 2560, 3), np.uint8))
    assert network.shapes == [(1, 640, 1280, 3)]
    np.testing.assert_allclose(
        found.boxes_xyxy, [[1288 - 256, 648 - 128, 1288 + 256, 648 + 128]], rtol=1e-5)
    assert found.kinds.tolist() == [Kind.PLATE]


def test_one_plate_seen_at_two_scales_is_one_region():
    network = OnePlate(0.5, 0.5, (0.1, 0.05, 0.1, 0.05))
    found = PlateDetector(network, 0.5, 'thorough').detect(np.zeros((640, 1280, 3), np.uint8))
    assert [shape[2] for shape in network.shapes] == [960, 1280, 1920, 2560]
    assert len(found) == 1


def test_a_plate_at_the_edge_is_cut_off_there():
    network = OnePlate(0, 0, (0.1, 0.05, 0.1, 0.05))
    found = PlateDetector(network, 0.5, 'fast').detect(np.zeros((640, 1280, 3), np.uint8))
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 132, 68]])


@pytest.mark.parametrize(('effort', 'longest_px', 'expected'), [
    ('fast', 1280, [1.0]), ('fast', 3840, [1 / 3]), ('fast', 100, [3.0]),
    ('balanced', 1280, [1.0, 1.5]), ('balanced', 2560, [0.5, 1.0]),
    ('balanced', 7680, [1 / 6, 0.5]), ('balanced', 100, [3.0]),
    ('thorough', 3840, [0.25, 1 / 3, 1.0, 4 / 3]),
])
def test_scales_follow_the_size_of_the_image(effort, longest_px, expected):
    assert search_scales(effort, longest_px) == pytest.approx(expected)


def test_the_shipped_network_finds_every_plate_of_a_clear_frame(shared_dir, tmp_path):
    cv2 = pytest.importorskip('cv2')
    detector = build_plate_detector(
        Settings(device='cpu', effort='fast'), ModelStore(tmp_path), 1)
    image = cv2.imread(str(shared_dir / 'data' / 'plates' / 'valid' / 'day_001_00522.jpg'))
    found = detector.detect(image).boxes_xyxy
    for x, y in ((949, 380), (439, 577)):
        inside = (found[:, :2] < (x, y)).all(axis=1) & (found[:, 2:] > (x, y)).all(axis=1)
        assert inside.sum() == 1


@pytest.mark.parametrize('effort', ['fast', 'balanced', 'thorough'])
@pytest.mark.parametrize('shape', [(1, 1), (3, 700), (97, 61), (720, 1280)])
def test_any_size_is_taken_and_a_flat_image_holds_nothing(effort, shape, tmp_path):
    detector = build_plate_detector(
        Settings(device='cpu', effort=effort), ModelStore(tmp_path), 1)
    assert len(detector.detect(np.full((*shape, 3), 90, np.uint8))) == 0


def test_a_higher_threshold_of_the_settings_finds_no_more(shared_dir, tmp_path):
    cv2 = pytest.importorskip('cv2')
    image = cv2.imread(str(shared_dir / 'data' / 'plates' / 'valid' / 'day_001_00522.jpg'))
    counts = [
        len(build_plate_detector(
            Settings(device='cpu', plate_threshold=threshold), ModelStore(tmp_path), 1,
        ).detect(image))
        for threshold in (0.01, 0.5, 1.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1] >= 2
    assert counts[2] == 0


def test_damaged_weights_are_refused(tmp_path):
    (tmp_path / 'plates.onnx').write_bytes(b'no network')
    with pytest.raises(ModelError, match='sha256'):
        build_plate_detector(Settings(), ModelStore(tmp_path, offline_dir=tmp_path), 1)
