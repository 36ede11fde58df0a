# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from anon_ros.detection.network import NetworkOptions, available_cores
from anon_ros.detection.onnx_network import OnnxNetwork
from anon_ros.detection.runtime import load_network
from anon_ros.errors import ModelError, SettingError

onnx = pytest.importorskip('onnx')


@pytest.fixture
def convolution_path(tmp_path):
    """A network at a declared size of 8x8: 'blurred' is a 3x3 box sum per channel."""
    helper, tensor = onnx.helper, onnx.TensorProto
    kernel = onnx.numpy_helper.from_array(np.ones((3, 1, 3, 3), np.float32), 'kernel')
    nodes = [
        helper.make_node('Conv', ['image', 'kernel'], ['blurred'], group=3, pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['blurred'], ['positive']),
        helper.make_node('ReduceMax', ['image'], ['peak'], axes=[2, 3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, 'test',
        [helper.make_tensor_value_info('image', tensor.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info('positive', tensor.FLOAT, (1, 3, 8, 8)),
         helper.make_tensor_value_info('peak', tensor.FLOAT, (1, 3))],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    path = tmp_path / 'convolution.onnx'
    onnx.save(model, path)
    return path


def openvino_network(path, **options):
    return load_network(path, device='cpu', is_exact=True, **options)


def onnx_network(path, **options):
    options['input_shapes'] = tuple(options.get('input_shapes', {}).items())
    return OnnxNetwork(path, NetworkOptions(device='cpu', **options), None)


ENGINES = pytest.mark.parametrize('load', [openvino_network, onnx_network])


def box_sum(images):
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = images.shape[1:3]
    summed = sum(padded[:, y:y + height, x:x + width] for y in range(3) for x in range(3))
    return summed.transpose(0, 3, 1, 2)


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


@ENGINES
@pytest.mark.parametrize('shape', [(1, 8, 8, 3), (1, 5, 13, 3), (3, 8, 8, 3)])
def test_images_of_any_size_give_the_outputs_by_name(load, convolution_path, shape):
    images = random_images(*shape)
    outputs = load(convolution_path, threads=2, image_input=True).run(images)
    assert set(outputs) == {'positive', 'peak'}
    np.testing.assert_allclose(outputs['positive'], box_sum(images))
    np.testing.assert_array_equal(outputs['peak'], images.max((1, 2)))


@ENGINES
def test_a_network_of_the_other_channel_order_gets_it(load, convolution_path):
    images = random_images(1, 8, 8, 3)
    outputs = load(convolution_path, image_input=True, is_rgb=True).run(images)
    np.testing.assert_array_equal(outputs['peak'], images[..., ::-1].max((1, 2)))


@ENGINES
def test_planes_go_in_by_name(load, convolution_path):
    planes = np.full((1, 3, 4, 4), 2, np.float32)
    outputs = load(convolution_path).run({'image': planes})
    assert outputs['positive'][0, 0, 1, 1] == 18


@ENGINES
def test_only_the_wanted_outputs_are_computed(load, convolution_path):
    network = load(convolution_path, image_input=True, outputs=('peak',))
    assert set(network.run(random_images(1, 8, 8, 3))) == {'peak'}


@ENGINES
def test_outputs_belong_to_the_caller(load, convolution_path):
    network = load(convolution_path, image_input=True)
    first = network.run(random_images(1, 8, 8, 3))['positive']
    before = first.copy()
    network.run(random_images(1, 8, 8, 3, seed=1))
    np.testing.assert_array_equal(first, before)


@ENGINES
def test_threads_at_once_get_what_they_get_alone(load, convolution_path):
    network = load(convolution_path, threads=2, image_input=True)
    batches = [random_images(1, 40 + 8 * (i % 11), 64, 3, seed=i) for i in range(60)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(network.run, batches))
    for images, outputs in zip(batches, together, strict=True):
        np.testing.assert_allclose(outputs['positive'], box_sum(images))


@ENGINES
def test_an_image_view_that_is_not_contiguous_is_read_right(load, convolution_path):
    images = random_images(1, 16, 16, 3)[:, ::2, ::-1]
    outputs = load(convolution_path, image_input=True).run(images)
    np.testing.assert_allclose(outputs['positive'], box_sum(images))


@ENGINES
def test_nonsense_is_a_model_error(load, convolution_path, tmp_path):
    network = load(convolution_path)
    with pytest.raises(ModelError, match=r'convolution\.onnx'):
        network.run(np.zeros((1, 4, 8, 8), np.float32))
    with pytest.raises(ModelError, match=r'convolution\.onnx'):
        network.run({'picture': np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(ModelError, match='lacks an output'):
        load(convolution_path, outputs=('nothing',))
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'this is no network')
    with pytest.raises(ModelError, match=r'broken\.onnx'):
        load(broken)


@pytest.mark.parametrize('limit', ['MAX_COMPILED', 'MAX_COMPILED_VALUES'])
def test_a_network_that_meets_many_sizes_forgets_and_still_answers(
    convolution_path, monkeypatch, limit
):
    from anon_ros.detection import openvino_network as module
    monkeypatch.setattr(module, limit, 2 if limit == 'MAX_COMPILED' else 2 * 3 * 8 * 30)
    network = openvino_network(convolution_path, threads=2, image_input=True)
    batches = [random_images(1, 8, 20 + i % 4, 3, seed=i) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for images, outputs in zip(batches, pool.map(network.run, batches), strict=True):
            np.testing.assert_allclose(outputs['positive'], box_sum(images))
    assert len(network._compiled) == 2


def test_fixed_input_shapes_serve_every_size(convolution_path):
    network = openvino_network(
        convolution_path, image_input=True, input_shapes={'image': (1, -1, -1, 3)})
    for shape in [(1, 8, 8, 3), (1, 20, 6, 3)]:
        images = random_images(*shape)
        np.testing.assert_allclose(network.run(images)['positive'], box_sum(images))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r'gone\.onnx is not there'):
        load_network(tmp_path / 'gone.onnx')


def test_a_file_that_no_engine_reads_is_refused(tmp_path):
    path = tmp_path / 'weights.tflite'
    path.write_bytes(b'nonsense')
    with pytest.raises(ModelError, match=r'weights\.tflite'):
        load_network(path)


def test_an_unknown_device_is_refused(convolution_path):
    with pytest.raises(SettingError, match="'tpu' is none of auto, cpu, cuda:N"):
        load_network(convolution_path, device='tpu')


def test_a_gpu_that_is_not_there_is_refused_not_replaced(convolution_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this machine has what the test needs absent: CUDA in ONNX Runtime')
    with pytest.raises(ModelError, match='onnxruntime-gpu'):
        load_network(convolution_path, device='cuda:0')


def test_threads_default_to_the_cores_and_streams_to_the_threads():
    assert NetworkOptions().thread_count == available_cores() >= 1
    assert NetworkOptions(threads=3).stream_count == 3
    assert NetworkOptions(threads=3, streams=1).stream_count == 1


def test_tflite_runs_by_openvino(shared_dir):
    path = shared_dir / 'models' / 'movenet_single_pose_lightning_ptq.tflite'
    outputs = load_network(path, threads=1).run(random_images(1, 192, 192, 3))
    assert [array.shape for array in outputs.values()] == [(1, 1, 17, 3)]


def test_yolox_takes_sizes_other_than_its_own(shared_dir):
    network = load_network(shared_dir / 'models' / 'yolox_nano.onnx', image_input=True)
    shape = network.run(random_images(1, 384, 512, 3))['output'].shape
    assert shape == (1, 48 * 64 + 24 * 32 + 12 * 16, 85)
