# SPDX-License-Identifier: Apache-2.0
"""What a network is to whoever runs one, and how it is to be run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


class Network(Protocol):
    """
    A network that runs. Safe to call from several threads at once.

    Whatever has this method is one: an engine that load_network does not know is a class beside
    it.
    """

    def run(self, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
        """
        Return the outputs by name, arrays of the caller's own.

        inputs: the arrays by name, or the array alone where the network takes one.
        Raises ModelError when the engine refuses.
        """


@dataclass(frozen=True)
class NetworkOptions:
    """
    How a network is to be run.

    device: auto, cpu or cuda:N. threads: cores to use in all; 0 for every core.
    streams: how many callers run side by side, each on threads / streams cores; 0 for one per
        thread, which serves many frames best, while 1 serves a single camera's latency.
    image_input: the input is given as (n, h, w, c) uint8, and converted by the engine to the
        (n, c, h, w) float32 that the network takes. is_rgb: such a network takes RGB, while the
        images are BGR.
    input_shapes: sizes by input name, -1 where open; without it the network is compiled once
        for every size it meets, and the least recently used ones are dropped.
    outputs: the names to compute; () for all. What only the others need is not computed.
    is_exact: compute in float32 even where the CPU has bfloat16.
    """

    device: str = 'auto'
    threads: int = 0
    streams: int = 0
    image_input: bool = False
    input_shapes: tuple[tuple[str, Shape], ...] = ()
    outputs: tuple[str, ...] = ()
    is_exact: bool = False
    is_rgb: bool = False

    @property
    def thread_count(self) -> int:
        """The cores to use."""
        return self.threads or available_cores()

    @property
    def stream_count(self) -> int:
        """The callers that run side by side."""
        return self.streams or self.thread_count


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0))
