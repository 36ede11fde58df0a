# SPDX-License-Identifier: Apache-2.0
"""The generators themselves: agreement with the published ones, the hole, and speed."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = ('face_fdf128', 'face_fdf256', 'body_fdh_nocse', 'body_triagan')
BATCH = 16
ROUNDS = 3


def golden_generator(folder: Path, name: str) -> Any:
    """
    Return the published generator of that name with the weights of its golden output.

    They are drawn by rule, from the names of its tensors.
    Raises InputError where folder has no such golden output.
    """
    import torch

    from anon_ros.gan import build_generator

    try:
        shapes = json.loads((folder / f'{name}.keys.json').read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(f'{folder}: no golden output of {name}: {error.strerror}') from error
    generator = build_generator(name)
    state = generator.state_dict()
    for key, shape in shapes.items():
        if not key.endswith('resample_filter'):
            random = np.random.default_rng(zlib.crc32(key.encode()))
            values = random.standard_normal(shape, dtype=np.float32)
            scale = 1.0 if key.endswith('.weight') else 0.1
            state[key] = torch.from_numpy(np.asarray(values * np.float32(scale)))
    generator.load_state_dict(state)
    return generator


def measure_golden(folder: Path) -> list[dict[str, object]]:
    """Return, for each published generator, how far ours is from its output, and the hole."""
    import torch

    rows = []
    for name in GOLDEN:
        generator = golden_generator(folder, name)
        with np.load(folder / f'{name}.npz') as golden:
            inputs = {key: torch.from_numpy(golden[key]) for key in golden.files}
        wanted = inputs.pop('out')
        del inputs['z']
        changed = dict(inputs, img=torch.where(inputs['mask'] > 0, inputs['img'], 0.77))
        with torch.inference_mode():
            found, other = generator(**inputs), generator(**changed)
        rows.append({
            'generator': name, 'largest difference': float((found - wanted).abs().max()),
            'hole changed': 'no bit' if torch.equal(found, other) else 'DIFFERS',
        })
    return rows


def measure_generators() -> list[dict[str, object]]:
    """Return crops/s of our generators and of the published face network, alone and batched."""
    import torch

    from anon_ros.gan import build_generator

    rows: list[dict[str, object]] = []
    for name in ('face', 'body', 'face_fdf128'):
        generator = build_generator(name)
        height, width = generator.shape.size_hw
        rows.append({
            'generator': name, 'px': f'{width}x{height}', 'threads': torch.get_num_threads(),
            'crops/s, one by one': _rate(generator, 1),
            f'crops/s, {BATCH} at once': _rate(generator, BATCH),
        })
    return rows


def _rate(generator: Any, count: int) -> float:
    """Return crops per second of a generator that fills so many at once."""
    import torch

    shape = generator.shape
    inputs = {
        'img': torch.zeros(count, 3, *shape.size_hw), 'mask': torch.ones(count, 1, *shape.size_hw),
        'w': torch.zeros(count, shape.w_dim),
    }
    if shape.condition_channels:
        inputs['maps'] = torch.zeros(count, shape.condition_channels, *shape.size_hw)
    with torch.inference_mode():
        generator(**inputs)
        started = time.perf_counter()
        for _ in range(ROUNDS):
            generator(**inputs)
    return round(ROUNDS * count / (time.perf_counter() - started), 1)
