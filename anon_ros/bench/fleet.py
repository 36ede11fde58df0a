# SPDX-License-Identifier: Apache-2.0
"""A fleet of bags on several workers and on a Ray cluster of this machine, by time and bytes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.bench.bags import write_bag
from anon_ros.fleet.ray_engine import LOCAL, RayOptions
from anon_ros.fleet.run import FleetJob, Workers, run_fleet
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, Means, anonymize_bag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.bench.scenes import Scene
    from anon_ros.core.regions import UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.fleet.result import FleetResult

SEED = 1
PARTS = 6


class FleetBench:
    """
    Anonymizes the same bags in several ways and compares time and bytes.

    folder: an empty one for bags and results. scenes: frames, repeated in every bag.
    """

    def __init__(self, folder: Path, scenes: Sequence[Scene], settings: Settings) -> None:
        self._folder = folder
        self._scenes = scenes
        # All ways have to draw the same patterns.
        self._settings = replace(settings, seed=settings.seed or SEED)
        self._frames = 0

    def write(self, bags: int, frames: int) -> None:
        """Write a fleet of bags, and one bag as long as all of them."""
        self._frames = bags * frames
        for number in range(bags):
            path = self._folder / 'source' / f'vehicle_{number:02d}' / 'drive'
            path.parent.mkdir(parents=True)
            write_bag(path, self._images(frames, number))
        path = self._folder / 'long' / 'vehicle' / 'drive'
        path.parent.mkdir(parents=True)
        write_bag(path, self._images(self._frames, 0))

    def run(self, workers: int, *, with_ray: bool) -> Iterator[dict[str, object]]:
        """Yield a row for each way: the first one is one process with one thread."""
        settings = replace(self._settings, threads=1)
        base = self._timed('one process, no fleet', 1, lambda: self._plain(settings))
        yield base
        for count in (1, workers):
            yield self._fleet(f'fleet of {count}', base, Workers(count))
        if with_ray:
            cluster = RayOptions(LOCAL)
            yield self._fleet(f'Ray, {workers} workers', base, Workers(workers, cluster))
        for part_bytes, name in ((0, 'one long bag, whole'), (None, 'one long bag, in parts')):
            yield self._long(name, base, Workers(workers), part_bytes)

    def _images(self, count: int, first: int) -> Iterator[UInt8Array]:
        for i in range(first, first + count):
            yield self._scenes[i % len(self._scenes)].image_bgr

    def _plain(self, settings: Settings) -> Path:
        target = self._folder / 'plain'
        means = Means(factory.load_networks(settings, ModelStore()))
        for path in sorted((self._folder / 'source').glob('*/drive')):
            own = target / path.parent.name / 'drive'
            own.parent.mkdir(parents=True)
            anonymize_bag(BagJob(path, own), settings, means=means)
        return target

    def _fleet(self, name: str, base: dict[str, object], workers: Workers) -> dict[str, object]:
        target = self._folder / name
        result = self._run(self._folder / 'source', target, workers, 0)
        is_same = _bytes_of(target) == _bytes_of(self._folder / 'plain')
        return {**self._row(name, result, base), 'same_bytes': is_same}

    def _long(
        self, name: str, base: dict[str, object], workers: Workers, part_bytes: int | None
    ) -> dict[str, object]:
        source, target = self._folder / 'long', self._folder / name
        if part_bytes is None:
            size_bytes = sum(path.stat().st_size for path in source.rglob('*.mcap'))
            part_bytes = size_bytes // PARTS
        result = self._run(source, target, workers, part_bytes)
        whole = self._folder / 'one long bag, whole'
        return {
            **self._row(name, result, base), 'same_bytes': _bytes_of(target) == _bytes_of(whole)}

    def _run(
        self, source: Path, target: Path, workers: Workers, part_bytes: int
    ) -> FleetResult:
        job = FleetJob(str(source), str(target), part_bytes=part_bytes,
                       work=self._folder / 'work')
        return run_fleet(job, replace(self._settings, threads=1), workers)

    def _timed(self, name: str, workers: int, run: Callable[[], object]) -> dict[str, object]:
        start_s = time.perf_counter()
        run()
        wall_s = time.perf_counter() - start_s
        return {
            'way': name, 'workers': workers, 'wall_s': round(wall_s, 2),
            'frames_per_s': round(self._frames / wall_s, 2), 'speedup': 1.0,
        }

    def _row(
        self, name: str, result: FleetResult, base: dict[str, object]
    ) -> dict[str, object]:
        idle_s = result.workers * result.wall_s - result.busy_s
        return {
            'way': name, 'workers': result.workers, 'wall_s': round(result.wall_s, 2),
            'frames_per_s': round(self._frames / result.wall_s, 2),
            'speedup': round(float(str(base['wall_s'])) / result.wall_s, 2),
            'start_and_waiting_s': round(idle_s, 2),
            'of_all': round(idle_s / (result.workers * result.wall_s), 3),
        }


def _bytes_of(folder: Path) -> dict[str, bytes]:
    """Return the files of all bags below a folder, without what is written about them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.glob('*/drive/*')) if path.is_file()
    }
