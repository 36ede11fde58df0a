# SPDX-License-Identifier: Apache-2.0
"""A few frames of a bag that was anonymized, as they are in the result and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.chain import ChainReader
from anon_ros.audit.manifest import CHAIN_NAME
from anon_ros.audit.recorder import RunRecorder
from anon_ros.bags.frames import WantedFrame, frames_of
from anon_ros.bags.jobs import Tools
from anon_ros.bags.storage import open_bag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings


def result_frames(
    sidecar: Path, bags: Sequence[Path], frames: Sequence[FrameRegions], settings: Settings
) -> Iterator[tuple[FrameRegions, UInt8Array]]:
    """
    Yield the frames that can be opened, each with (h, w, 3) uint8 pixels, in no certain order.

    sidecar: where the chain lies, which tells each frame's message by its hash: what was changed
    since is not found. bags: the result, as a whole or file by file.
    Raises InputError where the chain or a bag cannot be read.
    """
    chain = ChainReader(sidecar / CHAIN_NAME)
    wanted = {
        WantedFrame(frame.topic, frame.log_ns, chain.record(frame.index).after): frame
        for frame in frames
    }
    tools = opening_tools(settings, [frame.topic for frame in frames])
    for path in bags:
        with open_bag(path) as bag:
            for found, image_bgr in frames_of(bag, wanted, tools):
                yield wanted[found], image_bgr


def opening_tools(settings: Settings, topics: Sequence[str]) -> Tools:
    """Return tools that open frames and find nothing in them."""
    return Tools(
        None, factory.build_gray_anonymizer(settings), RunRecorder(),
        int(settings.max_megapixels * 1e6), frozenset(topics),
    )
