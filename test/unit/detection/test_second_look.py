# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.bench.scenes import SceneMaker
from anon_ros.core.boxes import cover
from anon_ros.detection.pyramid import plan_passes, search
from anon_ros.detection.second_look import MOST_DOUBTFUL, SURE_SCORE, look_again
from anon_ros.detection.yunet import YuNet


class SameEverywhere:
    """Finds, in every cell of the sheet, a box in its middle; keeps the sheets it was shown."""

    def __init__(self, score=0.9, size_wh=(32, 32)):
        self.score = score
        self.half = np.array(size_wh) / 2
        self.sheets = []

    def candidates(self, image_bgr, *_):
        self.sheets.append(image_bgr.copy())
        rows, columns = image_bgr.shape[0] // 64, image_bgr.shape[1] // 64
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)
        centres = grid * 64 + 32
        boxes = np.concatenate([centres - self.half, centres + self.half], 1).astype(np.float32)
        return boxes, np.full(len(boxes), self.score, np.float32)


def look(finder, boxes, scores, image=None, below_px=48):
    image = np.zeros((200, 300, 3), np.uint8) if image is None else image
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return look_again(finder, image, boxes, np.array(scores, np.float32), below_px)


def test_nothing_to_look_at_runs_nothing():
    finder = SameEverywhere()
    assert look(finder, [], []).shape == (0,)
    assert finder.sheets == []


def test_doubtful_small_boxes_get_the_mean():
    scores = look(SameEverywhere(0.9), [[10, 10, 20, 20], [50, 50, 62, 62]], [0.1, 0.3])
    np.testing.assert_allclose(scores, [0.5, 0.6])


def test_sure_and_large_boxes_keep_their_score():
    finder = SameEverywhere()
    scores = look(finder, [[10, 10, 20, 20], [50, 50, 110, 110]], [SURE_SCORE, 0.1])
    np.testing.assert_allclose(scores, [SURE_SCORE, 0.1])
    assert finder.sheets == []


def test_what_is_not_seen_again_loses_half():
    scores = look(SameEverywhere(size_wh=(8, 8)), [[10, 10, 20, 20]], [0.4])
    np.testing.assert_allclose(scores, [0.2])


def test_narrow_boxes_are_expected_narrow():
    finder = SameEverywhere(0.8, (16, 32))
    np.testing.assert_allclose(look(finder, [[10, 10, 20, 30]], [0.4]), [0.6])


def test_the_second_look_is_enlarged_centred_and_mirrored():
    image = np.zeros((200, 300, 3), np.uint8)
    image[100:108, 150:154] = 255
    finder = SameEverywhere()
    look(finder, [[150, 100, 158, 108]], [0.1], image)
    cell = finder.sheets[0][:64, :64, 0]
    assert cell[20:44, 36:46].min() > 200
    assert cell[20:44, 18:28].max() < 50
    assert cell[:8].max() == 0


@pytest.mark.parametrize('count', [1, 16, 17, 40, MOST_DOUBTFUL + 50])
def test_many_boxes_share_one_sheet_of_few_sizes(count):
    finder = SameEverywhere(1.0)
    scores = look(finder, [[5, 5, 15, 15]] * count, np.linspace(0.5, 0.1, count))
    sheet, = finder.sheets
    assert sheet.shape[1] == 1024
    assert (sheet.shape[0] // 64).bit_count() == 1
    looked_at = min(count, MOST_DOUBTFUL)
    np.testing.assert_allclose(
        scores[:looked_at], (np.linspace(0.5, 0.1, count)[:looked_at] + 1) / 2, rtol=1e-5)
    np.testing.assert_allclose(scores[looked_at:], np.linspace(0.5, 0.1, count)[looked_at:])


sides = st.floats(-40, 340)


@settings(max_examples=60)
@given(x=sides, y=sides, width=st.floats(0.01, 60), height=st.floats(0.01, 60),
       size=st.sampled_from([(1, 1), (3, 300), (200, 2), (200, 300)]))
def test_boxes_anywhere_are_looked_at(x, y, width, height, size):
    image = np.full((*size, 3), 7, np.uint8)
    image.flags.writeable = False
    score, = look(SameEverywhere(), [[x, y, x + width, y + height]], [0.2], image, 100)
    assert 0.1 <= score <= 0.55 + 1e-6


def test_small_faces_gain_on_the_street(shared_dir):
    scene = next(SceneMaker(shared_dir / 'data').scenes(
        5, 1, 10, size_wh=(960, 540), heights_px=(11, 14)))
    network = YuNet.load(shared_dir / 'models' / 'yunet_n_dynamic.onnx', 'cpu', 1)
    boxes, first = search(network, scene.image_bgr, plan_passes((2.0, 0.5)), 0.05)
    second = look_again(network, scene.image_bgr, boxes, first, 24)
    on_face = cover(boxes, scene.faces_xyxy).max(axis=1) > 0.5
    assert on_face.any()
    assert not on_face.all()
    assert second[on_face].mean() > first[on_face].mean()
    assert second[on_face].mean() - second[~on_face].mean() > (
        first[on_face].mean() - first[~on_face].mean())
