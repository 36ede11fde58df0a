# SPDX-License-Identifier: Apache-2.0
"""Networks on a GPU, or on a CPU without OpenVINO, by ONNX Runtime."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anon_ros.detection.network import Array, NetworkOptions

_ERRORS_ONLY = 3
# The engine's own errors have no common base but Exception.
_ENGINE_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError, ValueError, TypeError, NotImplementedError,
    *(kind for kind in vars(ort_state).values()
      if isinstance(kind, type) and issubclass(kind, Exception)),
)


class OnnxNetwork:
    """A network in ONNX Runtime; a session serves all threads."""

    def __init__(self, path: Path, options: NetworkOptions, gpu: int | None) -> None:
        """
        Start the session on GPU number gpu, or on the CPU for None.

        Raises ModelError: the file is no network, lacks an output, or the GPU does not start.
        """
        self._path = path
        self._options = options
        self._session = self._start(gpu)
        self.input_names = tuple(port.name for port in self._session.get_inputs())
        known = tuple(port.name for port in self._session.get_outputs())
        self.output_names = options.outputs or known
        missing = sorted(set(self.output_names) - set(known))
        if missing:
            raise ModelError(f'{path.name} lacks an output: {missing[0]}')

    def run(self, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name; see Network."""
        named = {self.input_names[0]: inputs} if isinstance(inputs, np.ndarray) else dict(inputs)
        if self._options.image_input:
            is_rgb = self._options.is_rgb
            named = {name: _to_planes(array, is_rgb) for name, array in named.items()}
        try:
            outputs = self._session.run(list(self.output_names), named)
        except _ENGINE_ERRORS as error:
            raise ModelError(f'{self._path.name} does not run: {_cause(error)}') from error
        return dict(zip(self.output_names, outputs, strict=True))

    def _start(self, gpu: int | None) -> ort.InferenceSession:
        settings = ort.SessionOptions()
        settings.log_severity_level = _ERRORS_ONLY
        settings.intra_op_num_threads = max(
            1, self._options.thread_count // self._options.stream_count)
        try:
            session = ort.InferenceSession(
                _with_open_sizes(self._path), settings, providers=_providers(gpu))
        except _ENGINE_ERRORS as error:
            raise ModelError(f'{self._path} is no network: {_cause(error)}') from error
        if gpu is not None and session.get_providers()[0] == 'CPUExecutionProvider':
            raise ModelError(
                f'{self._path.name}: GPU {gpu} does not start in ONNX Runtime; '
                'check its driver and CUDA libraries, or take device cpu'
            )
        return session


def _providers(gpu: int | None) -> list[str | tuple[str, dict[str, Any]]]:
    wanted: list[str | tuple[str, dict[str, Any]]] = ['CPUExecutionProvider']
    if gpu is None:
        return wanted
    wanted.insert(0, ('CUDAExecutionProvider', {'device_id': gpu}))
    if 'TensorrtExecutionProvider' in ort.get_available_providers():
        wanted.insert(0, ('TensorrtExecutionProvider', {
            'device_id': gpu, 'trt_fp16_enable': True, 'trt_engine_cache_enable': True,
        }))
    return wanted


def _with_open_sizes(path: Path) -> bytes | str:
    """
    Return the network with all sizes of its inputs and outputs left open.

    CenterFace and YOLOX declare the size of their export and run at any. Without the package
    onnx the file is taken as it is, and runs at its own size only.
    """
    if importlib.util.find_spec('onnx') is None:
        return str(path)
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's own error types are not public
        raise ModelError(f'{path} is no network: {_cause(error)}') from error
    for i, port in enumerate([*model.graph.input, *model.graph.output]):
        for axis, size in enumerate(port.type.tensor_type.shape.dim):
            size.dim_param = f'size_{i}_{axis}'
    return bytes(model.SerializeToString())


def _to_planes(images: Array, is_rgb: bool) -> Array:
    ordered = images[..., ::-1] if is_rgb else images
    return np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)


def _cause(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
