# SPDX-License-Identifier: Apache-2.0
"""What a frame costs, bag to bag, by effort and by what is hidden: the ground of a plan."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.bench.bags import write_bag
from anon_ros.core.settings import EFFORTS
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, Means, anonymize_bag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.bench.scenes import Scene
    from anon_ros.core.settings import Settings

TARGETS = (('face',), ('face', 'plate'), ('face', 'body', 'plate'))


def measure_costs(
    folder: Path, scenes: Sequence[Scene], settings: Settings, frames: int
) -> Iterator[dict[str, object]]:
    """
    Yield a row for each effort and target; networks are loaded before the clock runs.

    folder: an empty one. scenes: repeated until there are enough frames. CPU time is that of all
    threads; on a machine that is shared it grows, too, since threads wait for each other.
    """
    write_bag(folder / 'source', itertools.islice(
        itertools.cycle([scene.image_bgr for scene in scenes]), frames))
    for effort, target in itertools.product(EFFORTS, TARGETS):
        chosen = replace(settings, effort=effort, target=target)
        networks = factory.load_networks(chosen, ModelStore())
        result = folder / f'{effort}, {len(target)}'
        # Once for what is built at the first frame only.
        networks.detector.detect(scenes[0].image_bgr)
        start_s, cpu_start_s = time.perf_counter(), time.process_time()
        anonymize_bag(BagJob(folder / 'source', result), chosen, means=Means(networks))
        wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_start_s
        yield {
            'effort': effort, 'target': ', '.join(target), 'cpu_s_per_frame': cpu_s / frames,
            'frames_per_s': frames / wall_s,
        }
