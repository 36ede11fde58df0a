# SPDX-License-Identifier: Apache-2.0
"""Where generators run, and in which precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from anon_ros.errors import ModelError, SettingError


@dataclass(frozen=True)
class Device:
    """
    A device and how generators run on it.

    dtype: float16 on a GPU, whose generators are clamped for it; bfloat16 on a CPU that computes
    in it, else float32. memory_format: channels last on a GPU, which its convolutions want.
    """

    place: torch.device
    dtype: torch.dtype
    memory_format: torch.memory_format

    def take(self, network: nn.Module) -> None:
        """Put a network on the device, its convolutions in the device's order, for use only."""
        network.to(self.place).requires_grad_(False)
        for weight in network.parameters():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=self.memory_format)


def find_device(name: str) -> Device:
    """
    Return the device of a setting: auto, cpu or cuda:N.

    Raises SettingError for another name, ModelError for a GPU that is not there.
    """
    place = _place(name)
    if place.type == 'cuda':
        return Device(place, torch.float16, torch.channels_last)
    dtype = torch.bfloat16 if _computes_bfloat16() else torch.float32
    return Device(place, dtype, torch.contiguous_format)


def _place(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    try:
        place = torch.device(name)
    except RuntimeError as error:
        raise SettingError(f"device: '{name}' is none of auto, cpu, cuda:N") from error
    if place.type not in {'cpu', 'cuda'}:
        raise SettingError(f"device: '{name}' is none of auto, cpu, cuda:N")
    if place.type == 'cuda' and (place.index or 0) >= torch.cuda.device_count():
        raise ModelError(f'device {name}: PyTorch has no such GPU here, or take device cpu')
    return place


def _computes_bfloat16() -> bool:
    """Return whether the CPU has instructions for it; elsewhere it is emulated, and slow."""
    # PyTorch has no public question for it yet.
    questions = ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    return any(bool(getattr(torch.cpu, name, bool)()) for name in questions)
