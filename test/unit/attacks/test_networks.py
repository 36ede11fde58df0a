# SPDX-License-Identifier: Apache-2.0
"""The networks of the extra `attack`, and one that the user brings."""

import cv2
import numpy as np
import pytest

from anon_ros.attacks.dlib_weights import build_recognizer
from anon_ros.attacks.extra import missing_packages
from anon_ros.attacks.interface import Identity, Look, Picture
from anon_ros.attacks.own_network import OwnNetwork
from anon_ros.attacks.plate_reader import guessed_share, right_share
from anon_ros.core.regions import Kind
from anon_ros.errors import ModelError

needs_extra = pytest.mark.skipif(
    bool(missing_packages()), reason=f'the extra attack is not installed: {missing_packages()}')


def face(seed):
    random = np.random.default_rng(seed)
    image = cv2.GaussianBlur(random.integers(0, 255, (120, 120, 3), np.uint8), (0, 0), 6)
    return Picture(np.ascontiguousarray(image), np.array([20, 15, 95, 105], np.float32),
                   np.ones((120, 120), bool))


@needs_extra
def test_the_rebuilt_recognizer_agrees_with_dlib():
    import dlib

    from anon_ros.attacks.dlib_faces import RECOGNIZER_FILE, DlibFaces, models_folder

    ours = DlibFaces(is_exact=True)
    pictures = [face(seed) for seed in range(3)]
    theirs = dlib.face_recognition_model_v1(str(models_folder() / RECOGNIZER_FILE))
    chips = [chip for each in pictures for chip in ours.chips(each)]
    expected = np.array(theirs.compute_face_descriptor(chips)).reshape(3, 2, 128).mean(axis=1)
    assert np.abs(ours.describe(pictures) - expected).max() < 1e-4
    assert np.abs(DlibFaces().describe(pictures) - expected).max() < 0.05
    assert ours.describe([]).shape == (0, 128)


def test_other_files_are_no_recognizer(tmp_path):
    path = tmp_path / 'weights.dat'
    path.write_bytes(b'\x01\x02\x01\x40' * 50)
    with pytest.raises(ModelError, match=r'weights\.dat'):
        build_recognizer(path)
    with pytest.raises(ModelError, match='cannot read'):
        build_recognizer(tmp_path / 'missing.dat')


@needs_extra
def test_a_plate_is_read_in_the_clear_and_not_through_gray():
    from anon_ros.attacks.plate_reader import PlateReader

    looks = []
    for text in ('AB12CDE', 'KLM4567', 'B310VLV'):
        image = np.full((60, 240, 3), 240, np.uint8)
        cv2.putText(image, text, (12, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 3)
        gray = np.full_like(image, 128)
        box = np.array([0, 0, 240, 60], np.float32)
        looks.append((text, Look(image, gray, box, np.ones((60, 240), bool))))
    reader = PlateReader('gray')
    assert reader.read(looks[0][1].picture('clear')).text == 'AB12CDE'
    people = [Identity(text, Kind.PLATE, (look,) * 2) for text, look in looks * 4]
    rows = reader.attack(people)
    assert {each.measure: each.value for each in rows} == {'read': 0.0, 'characters': 0.0}
    leaking = [
        Identity(each.name, each.kind, tuple(
            Look(look.clear_bgr, look.clear_bgr, look.box_xyxy, look.hole) for look in each.looks))
        for each in people
    ]
    assert {each.value for each in reader.attack(leaking) if each.measure == 'read'} == {1.0}


def test_characters_count_in_their_order():
    assert right_share('AB12', 'AB12') == 1
    assert right_share('B12', 'AB12') == 0.75
    assert right_share('', 'AB12') == 0
    assert guessed_share(['AB', 'CD'], ['AB', 'CD']) == 0
    assert guessed_share(['AB', 'AB'], ['AB', 'AB']) == 1


@pytest.fixture
def mean_network(tmp_path):
    """A network whose descriptor is the mean colour."""
    onnx = pytest.importorskip('onnx')
    helper, kinds = onnx.helper, onnx.TensorProto
    node = helper.make_node('GlobalAveragePool', ['crop'], ['point'])
    graph = helper.make_graph(
        [node], 'mean',
        [helper.make_tensor_value_info('crop', kinds.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info('point', kinds.FLOAT, [1, 3, 1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    path = tmp_path / 'mean.onnx'
    onnx.save(model, path)
    return path


def test_a_network_of_the_users_own_is_one_setting(mean_network):
    own = OwnNetwork(mean_network, Kind.FACE)
    red = np.zeros((50, 50, 3), np.uint8)
    red[..., 2] = 255
    box, hole = np.array([10, 10, 40, 40], np.float32), np.ones((50, 50), bool)
    point = own.describe([Picture(red, box, hole)])[0]
    assert own.name == 'mean'
    assert point == pytest.approx(np.array([1, -1, -1]) / np.sqrt(3), abs=1e-3)
    with pytest.raises(ModelError):
        OwnNetwork(mean_network.with_name('none.onnx'), Kind.FACE)
