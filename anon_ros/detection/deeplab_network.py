# SPDX-License-Identifier: Apache-2.0
"""
The layers of DeepLab's quantized file, put together as a float network for OpenVINO.

OpenVINO cannot read the whole file: it turns the tiling of the pooled features the wrong way
round. So it reads the two branches before and the weights after, and what joins them is built
here. Nodes that round to 8 bit become what they also are, a limit of the range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
from openvino.frontend import FrontEndManager

from anon_ros.detection.openvino_network import OpenVinoNetwork
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from openvino import Model, Node, Output

    from anon_ros.core.regions import Float32Array

PEOPLE = (11, 12)
RIDDEN = (17, 18)
CLASS_COUNT = 19
_PARTS = tuple(
    f'{part}/Relu;{part}/add_fold;concat_projection/Conv2D_Fold;{part}/Conv2D_Fold;'
    f'{part}/BatchNorm_Fold/bias'
    for part in ('aspp0', 'image_pooling')
)
_WEIGHTS = (
    'concat_projection/Conv2D_Fold;concat_projection/weights_quant/FakeQuantWithMinMaxVars',
    'concat_projection/BatchNorm_Fold/bias',
    'logits/semantic/Conv2D;logits/semantic/weights_quant/FakeQuantWithMinMaxVars',
    'logits/semantic/BiasAdd;logits/semantic/Conv2D;logits/semantic/biases',
)
_ops = ov.opset13


class DeepLabNetwork(OpenVinoNetwork):
    """DeepLab at any size; (1, h, w, 3) uint8 RGB in, the lead of people out."""

    def _read(self) -> Model:
        try:
            return _build(self._path)
        except (RuntimeError, ValueError, AttributeError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ModelError(
                f'{self._path} is not the DeepLab network: {lines[-1] if lines else error!r}'
            ) from error


def _build(path: Path) -> Model:
    frontend = FrontEndManager().load_by_framework('tflite')
    file = frontend.load(str(path))
    places = [file.get_place_by_tensor_name(name) for name in (*_PARTS, *_WEIGHTS)]
    if None in places:
        raise ValueError('a layer is missing')
    file.override_all_outputs(places)
    model = frontend.convert(file)
    results = [result.input_value(0) for result in model.get_results()]
    weights = _values(results[len(_PARTS):], model)
    features, pooled = (_before_rounding(output) for output in results[:len(_PARTS)])
    _pool_any_size(model)
    _unpack_kernels(model)
    lead = _lead(features, pooled, weights)
    _limit_instead_of_rounding(model)
    return ov.Model([lead], model.get_parameters(), 'deeplab')


def _values(outputs: list[Output], model: Model) -> list[Float32Array]:
    """Return what outputs hold that depend on no image."""
    part = ov.Model(outputs, model.get_parameters(), 'weights')
    compiled = ov.Core().compile_model(part, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    found = compiled(np.zeros(tuple(part.input().shape), np.uint8))
    return [np.array(found[i], np.float32) for i in range(len(outputs))]


def _unpack_kernels(model: Model) -> None:
    """Make 8-bit kernels plain numbers: on two streams packed ones give nonsense in bfloat16."""
    ports = [
        node.input(1) for node in model.get_ops() if 'Convolution' in node.get_type_name()
        and node.input_value(1).get_node().get_type_name() != 'Constant'
    ]
    kernels = _values([port.get_source_output() for port in ports], model)
    for port, kernel in zip(ports, kernels, strict=True):
        port.replace_source_output(_ops.constant(kernel).output(0))


def _before_rounding(output: Output) -> Output:
    """Return the float features that the file's 8-bit output was made of."""
    node = output.get_node()
    while node.get_type_name() != 'Relu':
        node = node.input_value(0).get_node()
    return node.output(0)


def _pool_any_size(model: Model) -> None:
    for node in model.get_ops():
        if node.get_type_name() == 'AvgPool':
            mean = _ops.reduce_mean(node.input_value(0), np.array([2, 3]), keep_dims=True)
            node.output(0).replace(mean.output(0))


def _limit_instead_of_rounding(model: Model) -> None:
    for node in model.get_ops():
        if node.get_type_name() == 'FakeQuantize':
            low, high, low_out, high_out = (
                float(value.get_node().data.ravel()[0]) for value in node.input_values()[1:])
            scale = (high_out - low_out) / (high - low)
            limited: Any = _ops.clamp(node.input_value(0), low, high)
            if (scale, low_out) != (1.0, low):
                limited = _ops.multiply(limited, np.float32(scale))
                limited = _ops.add(limited, np.float32(low_out - low * scale))
            node.output(0).replace(limited.output(0))


def _lead(features: Output, pooled: Output, weights: list[Float32Array]) -> Node:
    """Return the head: join both branches, classify, take people's lead."""
    joining, joining_bias, classes, classes_bias = weights
    channels = features.partial_shape[1].get_length()
    joining = joining.reshape(len(joining), -1, 1, 1)
    # The pooled features are the same everywhere: their share is computed once and added.
    joined = _ops.add(
        _convolve(features, joining[:, -channels:]), _convolve(pooled, joining[:, :-channels]))
    joined = _ops.relu(_ops.add(joined, joining_bias.reshape(1, -1, 1, 1)))
    logits = _ops.add(
        _convolve(joined, classes.reshape(CLASS_COUNT, -1, 1, 1)),
        classes_bias.reshape(1, -1, 1, 1))
    others = tuple(i for i in range(CLASS_COUNT) if i not in (*PEOPLE, *RIDDEN))
    return _ops.subtract(_best(logits, PEOPLE), _best(logits, others), name='lead')


def _convolve(values: Output | Node, kernel: Float32Array) -> Node:
    constant = _ops.constant(np.ascontiguousarray(kernel))
    return _ops.convolution(values, constant, [1, 1], [0, 0], [0, 0], [1, 1])


def _best(logits: Node, classes: tuple[int, ...]) -> Node:
    chosen = _ops.gather(logits, np.array(classes), np.array(1))
    return _ops.reduce_max(chosen, np.array([1]), keep_dims=True)
