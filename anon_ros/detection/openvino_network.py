# SPDX-License-Identifier: Apache-2.0
"""Networks on the CPU, by OpenVINO."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import openvino as ov

from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anon_ros.detection.network import Array, NetworkOptions, Shape

# A network is kept compiled for these many sizes, and for inputs of these many values in all:
# what it needs besides is in proportion, about 8 bytes a value for each stream.
MAX_COMPILED = 24
MAX_COMPILED_VALUES = 150_000_000

_Sizes: TypeAlias = 'tuple[tuple[str, Shape], ...]'


class _Compiled:
    """A network for one size, and the requests that nobody uses right now."""

    def __init__(self, model: ov.CompiledModel, value_count: int) -> None:
        self.value_count = value_count
        self._model = model
        self._idle: deque[ov.InferRequest] = deque()

    def infer(self, named: Mapping[str, Array], output_names: tuple[str, ...]) -> dict[str, Array]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        request.infer(
            {name: np.ascontiguousarray(array) for name, array in named.items()},
            share_inputs=True,
        )
        # The request's own memory is written to again by whoever takes it next.
        outputs = {
            name: np.array(request.get_output_tensor(i).data)
            for i, name in enumerate(output_names)
        }
        self._idle.append(request)
        return outputs


class OpenVinoNetwork:
    """
    A network compiled by OpenVINO for the CPU.

    One compiled network serves all threads, each with a request of its own while it runs; it
    computes on as many streams as there are callers. A network meets few sizes (one for each
    camera and scale), so it is compiled for each of them, which is faster than one for any size.
    """

    def __init__(self, path: Path, options: NetworkOptions) -> None:
        """Read the file; raise ModelError where it is no network or lacks an output."""
        self._path = path
        self._options = options
        self._lock = threading.Lock()
        self._compiled: OrderedDict[_Sizes, _Compiled] = OrderedDict()
        self._model = self._read()
        self.input_names = tuple(port.any_name for port in self._model.inputs)
        self.output_names = tuple(port.any_name for port in self._model.outputs)

    def run(self, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name; see Network."""
        named = {self.input_names[0]: inputs} if isinstance(inputs, np.ndarray) else dict(inputs)
        if set(named) != set(self.input_names):
            raise ModelError(
                f'{self._path.name} takes {", ".join(self.input_names)}, not {", ".join(named)}')
        compiled = self._compiled_for(named)
        try:
            return compiled.infer(named, self.output_names)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f'{self._path.name} does not run: {_cause(error)}') from error

    def _read(self) -> ov.Model:
        try:
            model = _core().read_model(self._path)
        except RuntimeError as error:
            raise ModelError(f'{self._path} is no network: {_cause(error)}') from error
        if self._options.outputs:
            model = self._prune(model)
        if not self._options.image_input:
            return model
        return _with_image_input(model, self._options.is_rgb)

    def _prune(self, model: ov.Model) -> ov.Model:
        try:
            ports = [model.output(name) for name in self._options.outputs]
        except RuntimeError as error:
            raise ModelError(f'{self._path.name} lacks an output: {_cause(error)}') from error
        results = [ov.opset8.result(port.get_node().input_value(0)) for port in ports]
        pruned = ov.Model(results, model.get_parameters(), self._path.stem)
        for port, name in zip(pruned.outputs, self._options.outputs, strict=True):
            port.tensor.set_names({name})
        return pruned

    def _compiled_for(self, named: Mapping[str, Array]) -> _Compiled:
        sizes = self._options.input_shapes or tuple(
            (name, tuple(array.shape)) for name, array in named.items())
        with self._lock:
            if sizes not in self._compiled:
                values = sum(array.size for array in named.values())
                self._make_room(values)
                self._compiled[sizes] = _Compiled(self._compile(sizes), values)
            self._compiled.move_to_end(sizes)
            return self._compiled[sizes]

    def _make_room(self, value_count: int) -> None:
        """Drop what was used least recently; whoever still runs it finishes first."""
        while self._compiled and (
            len(self._compiled) >= MAX_COMPILED
            or value_count + sum(entry.value_count for entry in self._compiled.values())
            > MAX_COMPILED_VALUES
        ):
            self._compiled.popitem(last=False)

    def _compile(self, sizes: _Sizes) -> ov.CompiledModel:
        # ov.Model is changed by reshape, and what was compiled from it before is not.
        try:
            self._model.reshape({name: ov.PartialShape(list(shape)) for name, shape in sizes})
            return _core().compile_model(self._model, 'CPU', self._config())
        except RuntimeError as error:
            given = ', '.join(f'{name} {shape}' for name, shape in sizes)
            raise ModelError(
                f'{self._path.name} does not take {given}: {_cause(error)}') from error

    def _config(self) -> dict[str, Any]:
        return {
            'NUM_STREAMS': self._options.stream_count,
            'INFERENCE_NUM_THREADS': self._options.thread_count,
            'INFERENCE_PRECISION_HINT':
                'bf16' if _has_bfloat16() and not self._options.is_exact else 'f32',
            'ENABLE_CPU_PINNING': False,
        }


def _with_image_input(model: ov.Model, is_rgb: bool) -> ov.Model:
    steps = ov.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout('NHWC'))
    if is_rgb:
        steps.input().tensor().set_color_format(ov.preprocess.ColorFormat.BGR)
        steps.input().preprocess().convert_color(ov.preprocess.ColorFormat.RGB)
    steps.input().model().set_layout(ov.Layout('NCHW'))
    return steps.build()


@lru_cache(maxsize=1)
def _core() -> ov.Core:
    return ov.Core()


@lru_cache(maxsize=1)
def _has_bfloat16() -> bool:
    return 'BF16' in _core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def _cause(error: Exception) -> str:
    """Return the last line that says something; the ones before it name OpenVINO's sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
