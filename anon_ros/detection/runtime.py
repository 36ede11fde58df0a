# SPDX-License-Identifier: Apache-2.0
"""One interface for every engine: OpenVINO on the CPU, ONNX Runtime on a GPU."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

from anon_ros.detection.network import NetworkOptions
from anon_ros.errors import ModelError, SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anon_ros.detection.network import Network, Shape

def load_network(  # noqa: PLR0913 - by keyword only, one for each option
    path: Path,
    *,
    device: str = 'auto',
    threads: int = 0,
    streams: int = 0,
    image_input: bool = False,
    input_shapes: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] = (),
    is_exact: bool = False,
    is_rgb: bool = False,
) -> Network:
    """
    Return the network of an .onnx or .tflite file, ready to run; see NetworkOptions.

    On a GPU, where device asks for one or is auto and there is one, ONNX Runtime runs it; on the
    CPU OpenVINO does, and ONNX Runtime where OpenVINO is not installed.
    Raises ModelError: the file is no network, an engine is missing or does not start.
    """
    options = NetworkOptions(
        device, threads, streams, image_input, tuple((input_shapes or {}).items()),
        tuple(outputs), is_exact, is_rgb,
    )
    if not path.is_file():
        raise ModelError(f'{path} is not there')
    gpu = _gpu_index(device) if path.suffix == '.onnx' else None
    if gpu is None and importlib.util.find_spec('openvino') is not None:
        from anon_ros.detection.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(path, options)
    if path.suffix != '.onnx' or importlib.util.find_spec('onnxruntime') is None:
        raise ModelError(f'no engine here runs {path.name}: pip install openvino')
    from anon_ros.detection.onnx_network import OnnxNetwork

    return OnnxNetwork(path, options, gpu)


def _gpu_index(device: str) -> int | None:
    """
    Return the GPU to use, or None for the CPU.

    Raises SettingError for a device of another form, ModelError for a GPU that is not to be had.
    """
    if device == 'cpu':
        return None
    if device == 'auto':
        return 0 if 'CUDAExecutionProvider' in _onnx_providers() else None
    found = re.fullmatch(r'cuda(?::(\d+))?', device)
    if not found:
        raise SettingError(f"device: '{device}' is none of auto, cpu, cuda:N")
    if 'CUDAExecutionProvider' not in _onnx_providers():
        raise ModelError(
            f'device {device}: ONNX Runtime has no CUDA here: pip install onnxruntime-gpu, '
            'or take device cpu'
        )
    return int(found.group(1) or 0)


def _onnx_providers() -> list[str]:
    if importlib.util.find_spec('onnxruntime') is None:
        return []
    import onnxruntime

    return list(onnxruntime.get_available_providers())
