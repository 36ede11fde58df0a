# SPDX-License-Identifier: Apache-2.0
import json
import math

import numpy as np
import pytest

from anon_ros.bench.faces import FaceTally, deface_finder, hidden_boxes, measure_faces
from anon_ros.bench.scenes import Scene
from anon_ros.core.boxes import grow
from anon_ros.core.regions import Kind, Regions

NOTHING = np.zeros((0, 4), np.float32)
FACES = np.array([[10, 10, 20, 20], [50, 50, 80, 90], [100, 10, 200, 138]], np.float32)


def scene_of(faces=FACES, people=None):
    return Scene(np.zeros((200, 300, 3), np.uint8), np.array(faces, np.float32), people)


def tally_of(hidden, scene=None):
    hidden = np.array(hidden, np.float32).reshape(-1, 4)
    tally, = measure_faces({'test': lambda _: hidden}, [scene or scene_of()])
    return tally


def test_faces_are_counted_by_height():
    tally = tally_of(FACES)
    assert tally.faces == {8: 1, 16: 0, 32: 1, 64: 1}
    assert tally.covered == tally.faces
    assert tally.recall() == 1
    assert tally.false_regions == 0
    assert math.isnan(tally.recall(16, 32))


def test_nothing_hidden_covers_nothing():
    tally = tally_of(NOTHING)
    assert tally.recall() == 0
    assert tally.hidden_share == 0


@pytest.mark.parametrize(('x_max', 'is_covered'), [(18, True), (17, False)])
def test_four_fifths_of_a_face_have_to_be_hidden(x_max, is_covered):
    assert tally_of([[10, 10, x_max, 20]]).covered[8] == is_covered


def test_two_regions_cover_a_face_together():
    assert tally_of([[10, 10, 15, 20], [15, 10, 20, 20]]).covered[8] == 1


def test_regions_beside_faces_are_false_unless_people_are_known_there():
    people = np.zeros((200, 300), bool)
    people[150:160, 250:260] = True
    hidden = [[250, 150, 262, 162], [0, 150, 10, 160], [-50, -50, -10, -10]]
    assert tally_of(hidden).false_regions == 2
    assert tally_of(hidden, scene_of(people=people)).false_regions == 1


def test_all_detectors_see_the_same_frames_and_loading_does_not_count():
    seen = {'a': [], 'b': []}
    scenes = [scene_of(), scene_of(FACES[:1])]

    def finder(name):
        def find(image):
            seen[name].append(id(image))
            return NOTHING
        return find

    tallies = measure_faces({name: finder(name) for name in seen}, scenes)
    first, second = (id(scene.image_bgr) for scene in scenes)
    assert seen == {'a': [first, first, second], 'b': [first, first, second]}
    assert [len(tally.wall_s) for tally in tallies] == [2, 2]


def test_the_row_is_plain_data():
    row = tally_of(FACES[:1]).to_mapping()
    assert json.loads(json.dumps(row))['recall_8_16_px'] == 1
    assert row['frames'] == 1
    assert row['faces'] == 3
    assert row['recall'] == round(1 / 3, 4)


def test_what_is_detected_is_hidden_with_its_margin():
    class Fixed:
        def detect(self, _):
            return Regions.of([[10, 10, 20, 30]], Kind.FACE)

    find = hidden_boxes(Fixed(), lambda boxes: grow(boxes, 0.1))
    np.testing.assert_allclose(find(np.zeros((50, 50, 3), np.uint8)), [[9, 8, 21, 32]])


def test_an_empty_tally_has_no_recall():
    assert math.isnan(FaceTally('nobody').recall())
    row = json.loads(json.dumps(FaceTally('nobody').to_mapping(), allow_nan=False))
    assert row['recall'] is None
    assert 'median_wall_s' not in row


def test_deface_finds_a_face(shared_dir):
    pytest.importorskip('deface', reason='it is what the bench compares with')
    from anon_ros.bench.scenes import SceneMaker
    scene = next(SceneMaker(shared_dir / 'data').scenes(
        7, 1, faces_per_scene=1, size_wh=(640, 360), heights_px=(80, 90)))
    tally, = measure_faces({'deface': deface_finder()}, [scene])
    assert tally.recall() == 1
