# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from anon_ros.detection.yolox import Yolox, decode

SIZE_WH = (64, 32)
CELLS = 8 * 4 + 4 * 2 + 2 * 1


def raw(*cells):
    """Return raw output in which cells say so: index, x, y, log w, log h, object, person."""
    output = np.zeros((CELLS, 85), np.float32)
    for index, x, y, log_w, log_h, certainty, person in cells:
        output[index, :6] = x, y, log_w, log_h, certainty, person
    return output


def test_nothing_gives_no_box():
    boxes, scores = decode(raw(), SIZE_WH, 0.01)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize(('index', 'centre', 'side'), [
    (0, (4, 4), 8), (8 + 3, (28, 12), 8), (32, (8, 8), 16), (32 + 4 + 1, (24, 24), 16),
    (40 + 1, (48, 16), 32),
])
def test_cells_run_along_rows_the_finest_first(index, centre, side):
    boxes, scores = decode(raw((index, 0.5, 0.5, 0, 0, 0.8, 0.5)), SIZE_WH, 0.01)
    x, y = centre
    np.testing.assert_allclose(
        boxes, [[x - side / 2, y - side / 2, x + side / 2, y + side / 2]])
    np.testing.assert_allclose(scores, [0.4])


def test_width_and_height_are_not_mixed_up():
    boxes, _ = decode(raw((0, 0.5, 0.5, np.log(2), np.log(4), 1, 1)), SIZE_WH, 0.5)
    np.testing.assert_allclose(boxes, [[-4, -12, 12, 20]], rtol=1e-5)


def test_other_classes_are_no_people():
    output = raw((0, 0.5, 0.5, 0, 0, 0.9, 0.0))
    output[0, 6:] = 1
    assert len(decode(output, SIZE_WH, 0.01)[0]) == 0


def test_the_threshold_itself_still_counts():
    output = raw((0, 0.5, 0.5, 0, 0, 0.5, 0.5))
    assert len(decode(output, SIZE_WH, 0.25)[0]) == 1
    assert len(decode(output, SIZE_WH, 0.26)[0]) == 0


def test_absurd_sizes_stay_finite():
    boxes, scores = decode(raw((0, 0.5, 0.5, 500, 500, 2, 2)), SIZE_WH, 0.1)
    assert np.isfinite(boxes).all()
    assert scores.tolist() == [1.0]


@pytest.mark.parametrize(('size_wh', 'longest_px'), [
    ((480, 360), 512), ((480, 360), 768), ((333, 471), 512), ((1280, 720), 640),
])
def test_people_are_found_where_they_are_at_any_size(shared_dir, size_wh, longest_px):
    network = Yolox.load(shared_dir / 'models/yolox_nano.onnx', 'cpu', 1)
    image = cv2.imread(str(shared_dir / 'data/people/000000000785.jpg'))
    height, width = image.shape[:2]
    boxes, scores = network.candidates(cv2.resize(image, size_wh), 0.3, longest_px)
    best = boxes[scores.argmax()] * np.tile([width / size_wh[0], height / size_wh[1]], 2)
    # The skier of this photo, as annotated; within a tenth of her height.
    np.testing.assert_allclose(best, [281, 45, 500, 391], atol=35)
