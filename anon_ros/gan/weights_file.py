# SPDX-License-Identifier: Apache-2.0
"""
Our own weights: safetensors in half precision that say of themselves which network they are.

The metadata's one entry, `anon_ros`, is a JSON object: `kind`, a name in KINDS, `shape`, the
network's sizes, and beside them what a training has to tell. One entry, because safetensors
writes several in random order, and the same weights shall be the same file.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anon_ros.errors import ModelError, OutputError
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape
from anon_ros.gan.triagan import TriaGan, TriaGanShape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Generator: TypeAlias = StyleGanUNet | TriaGan

KINDS: dict[str, tuple[type[Any], type[Any]]] = {
    'stylegan-unet': (StyleGanUNet, UNetShape), 'tria-gan': (TriaGan, TriaGanShape),
}
"""Network and shape, by the kind in a file."""
_ENTRY = 'anon_ros'


def save_weights(
    path: Path, generator: Generator, extra: Mapping[str, object] | None = None
) -> None:
    """
    Write the generator's weights as float16, and its shape and extra as metadata.

    extra: what JSON can hold. A file of that name is replaced once the new one is whole.
    Raises ModelError when a value is not finite in half precision, OutputError when the file
    cannot be written.
    """
    tensors = {name: _halved(name, value) for name, value in generator.state_dict().items()}
    metadata = {
        **(extra or {}), 'kind': _kind_of(generator), 'shape': dataclasses.asdict(generator.shape),
    }
    partial = path.with_suffix('.partial')
    try:
        save_file(tensors, partial, {_ENTRY: json.dumps(metadata)})
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f'cannot write {path}: {error}') from error


def load_weights(path: Path) -> Generator:
    """
    Return the generator of a file that save_weights wrote, in float32 and evaluation mode.

    Raises ModelError: the file is missing, damaged, of an unknown kind, or its tensors are not
    those of its shape.
    """
    metadata = read_metadata(path)
    generator = _build(path, metadata)
    tensors = {name: value.float() for name, value in read_tensors(path).items()}
    fill(generator, tensors, str(path))
    return generator


def read_metadata(path: Path) -> dict[str, Any]:
    """
    Return what the file says of itself: kind, shape and what save_weights was given.

    Empty for a file of other software. Raises ModelError when it cannot be read.
    """
    try:
        with safe_open(path, 'pt') as file:
            entry = json.loads((file.metadata() or {}).get(_ENTRY, '{}'))
    except ValueError as error:
        raise ModelError(f'{path}: its metadata are damaged: {error}') from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f'{path}: no safetensors file that can be read: {error}') from error
    return entry if isinstance(entry, dict) else {}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the file's tensors, by name; raise ModelError when it cannot be read."""
    try:
        with safe_open(path, 'pt') as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f'{path}: no safetensors file that can be read: {error}') from error


def fill(generator: Generator, tensors: dict[str, Tensor], source: str) -> None:
    """
    Give the generator these tensors, all that it has and no other; they are not copied.

    source: where they come from, for the error.
    Raises ModelError that names the first missing, unknown or misshapen tensors.
    """
    expected = generator.state_dict()
    problems = [
        *(f'{name} is missing' for name in expected if name not in tensors),
        *(f'{name} is unknown' for name in tensors if name not in expected),
        *(_shape_problem(name, expected[name], tensors[name])
          for name in expected if name in tensors and tensors[name].shape != expected[name].shape),
    ]
    if problems:
        rest = f' and {len(problems) - 3} more' if len(problems) > 3 else ''
        raise ModelError(f'{source}: {", ".join(problems[:3])}{rest}: not this network\'s weights')
    generator.load_state_dict(tensors, assign=True)
    generator.eval()


def _shape_problem(name: str, expected: Tensor, found: Tensor) -> str:
    return f'{name} has the shape {tuple(found.shape)}, expected {tuple(expected.shape)}'


def _kind_of(generator: Generator) -> str:
    return next(kind for kind, (network, _) in KINDS.items() if type(generator) is network)


def _halved(name: str, value: Tensor) -> Tensor:
    half = value.detach().to('cpu', torch.float16).contiguous()
    if not bool(torch.isfinite(half).all()):
        raise ModelError(f'{name} is not finite in half precision: these weights are of no use')
    return half


def _build(path: Path, metadata: Mapping[str, Any]) -> Generator:
    kind = str(metadata.get('kind'))
    if kind not in KINDS:
        raise ModelError(f'{path}: its metadata name {kind!r}, none of {", ".join(KINDS)}')
    network, shape = KINDS[kind]
    try:
        return network(shape(**{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in metadata['shape'].items()
        }))
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
            RuntimeError) as error:
        raise ModelError(f'{path}: its metadata give no shape of a {kind}: {error}') from error
