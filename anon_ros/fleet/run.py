# SPDX-License-Identifier: Apache-2.0
"""Anonymize all bags of a place, from one address to another."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.errors import UsageError
from anon_ros.fleet.bags import find_bags
from anon_ros.fleet.claims import Claims
from anon_ros.fleet.lease import BEAT_S, STALE_S, Leases
from anon_ros.fleet.local_engine import LocalEngine
from anon_ros.fleet.places import check_apart, is_remote, open_place
from anon_ros.fleet.ray_engine import RayEngine, RayOptions
from anon_ros.fleet.result import BagReport, FleetProgress, FleetResult
from anon_ros.fleet.schedule import ELSEWHERE_S, Policy, Schedule, repeat_command
from anon_ros.fleet.secret import load_key
from anon_ros.fleet.state import Topics, hash_of
from anon_ros.fleet.tasks import Job
from anon_ros.fleet.work import LooksFolder, part_bytes
from anon_ros.fleet.worker import looks_made_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings
    from anon_ros.fleet.bags import Bag, Found
    from anon_ros.fleet.engine import Engine
    from anon_ros.fleet.place import Place

LOOKERS = 16
"""Requests at once while the states of bags are read."""
THREADS_PER_WORKER = 2
KEY_NAME = 'patterns.key'


@dataclass(frozen=True)
class Workers:
    """
    Who does the work.

    count: 0 for as many as fit. ray: the cluster, None for processes of this machine.
    """

    count: int = 0
    ray: RayOptions | None = None


@dataclass(frozen=True)
class Pace:
    """How stubborn a run is: see Policy, and lease.BEAT_S and STALE_S."""

    retries: int = 2
    pause_s: float = 2.0
    beat_s: float = BEAT_S
    stale_s: float = STALE_S
    elsewhere_s: float = ELSEWHERE_S


@dataclass(frozen=True)
class FleetJob:
    """
    What to do.

    source, target: folders or fsspec URLs. only: the bags to do, by name; all where empty.
    part_bytes: see Policy; None to decide by the number of workers. key_file: of the secret that
    patterns are drawn from, None for one in the work folder. work: a folder of this machine for
    what must not lie beside results, None for the user's own. may_replace: see Claims.
    command: as typed. new_detector: see tasks.Job.
    """

    source: str
    target: str
    topics: Topics = field(default_factory=Topics)
    only: tuple[str, ...] = ()
    part_bytes: int | None = None
    key_file: Path | None = None
    work: Path | None = None
    may_replace: bool = False
    command: tuple[str, ...] = ()
    new_detector: Callable[[], RegionDetector] | None = None


def run_fleet(
    fleet: FleetJob,
    settings: Settings,
    workers: Workers = Workers(),
    pace: Pace = Pace(),
    *,
    progress: Callable[[FleetProgress], None] = lambda _: None,
) -> FleetResult:
    """
    Anonymize all bags of the source that are not done yet; a bag is there whole or not at all.

    settings: threads is that of each worker, 0 to share out the cores.
    Bags that cannot be done are told in the result. Raises UsageError and InputError for what
    stops the run before the first one, ModelError where the networks do not start.
    """
    start_s = time.perf_counter()
    check_apart(fleet.source, fleet.target)
    source = open_place(fleet.source)
    found = choose(find_bags(source.files()), fleet.only, source)
    target = open_place(fleet.target, make=True)
    settings, workers = share_out(settings, workers)
    job = Job(
        source, target, settings, fleet.topics, hash_of(settings, fleet.topics),
        work_folder(fleet), fleet.command, fleet.new_detector,
    )
    key = load_key(fleet.key_file or job.work / KEY_NAME)
    with Leases(target, pace.beat_s, pace.stale_s) as leases:
        claims = Claims(
            source, target, leases, job.settings_hash, may_replace=fleet.may_replace)
        settled, todo = _settled(claims, found.bags, fleet.command)
        if not todo:
            return FleetResult(
                tuple(settled), _name(workers), 0, time.perf_counter() - start_s, 0.0,
                found.other_files)
        with _engine(job, workers) as engine:
            policy = Policy(
                _part_bytes(fleet, todo, engine.slots), pace.retries, pace.pause_s,
                pace.elsewhere_s, is_local=source.folder is not None, command=fleet.command)
            looks = LooksFolder(job.work / 'looks', looks_made_by(job.settings_hash))
            schedule = Schedule(engine, claims, leases, looks, key, policy, progress)
            done = schedule.run(todo)
            return FleetResult(
                tuple(sorted([*settled, *done], key=lambda bag: bag.name)), _name(workers),
                engine.slots, time.perf_counter() - start_s, schedule.busy_s, found.other_files)


def choose(found: Found, only: tuple[str, ...], source: Place) -> Found:
    """Return the bags of those names, all where none is given; raise UsageError for others."""
    if not found.bags:
        raise UsageError(f'{source.url}: holds no bag (.mcap, .db3, .bag, or a folder of them)')
    names = {bag.name for bag in found.bags}
    unknown = sorted(set(only) - names)
    if unknown:
        raise UsageError(f"--only '{unknown[0]}': {source.url} holds no such bag")
    if not only:
        return found
    return replace(found, bags=tuple(bag for bag in found.bags if bag.name in only))


def share_out(settings: Settings, workers: Workers) -> tuple[Settings, Workers]:
    """Return settings and workers such that all threads together are as many as cores."""
    cores = len(os.sched_getaffinity(0))
    if workers.ray is not None:
        threads = settings.threads or workers.ray.cpus
        return replace(settings, threads=threads), replace(
            workers, ray=replace(workers.ray, workers=workers.count, cpus=threads))
    count = workers.count or max(cores // (settings.threads or THREADS_PER_WORKER), 1)
    threads = settings.threads or max(cores // count, 1)
    return replace(settings, threads=threads), replace(workers, count=count)


def work_folder(fleet: FleetJob) -> Path:
    """Return this machine's folder for what must not lie beside the results of a target."""
    if fleet.work is not None:
        return fleet.work.absolute()
    base = os.environ.get('XDG_STATE_HOME')
    state = Path(base) if base else Path.home() / '.local' / 'state'
    target = fleet.target if is_remote(fleet.target) else str(Path(fleet.target).resolve())
    digest = hashlib.sha256(target.encode()).hexdigest()[:16]
    return state / 'anon_ros' / 'fleet' / digest


def _settled(
    claims: Claims, bags: tuple[Bag, ...], command: tuple[str, ...]
) -> tuple[list[BagReport], list[Bag]]:
    """Return what is settled before the first task, and the bags that are left to do."""
    with ThreadPoolExecutor(LOOKERS) as pool:
        found = list(pool.map(claims.look, bags))
    settled = [
        BagReport(
            bag.name, bag.size_bytes, 'failed' if each.cause else 'skipped', each.outcome,
            each.cause, repeat=repeat_command(command, bag.name) if each.cause else '',
        )
        for bag, each in zip(bags, found, strict=True) if each is not None
    ]
    return settled, [bag for bag, each in zip(bags, found, strict=True) if each is None]


def _engine(job: Job, workers: Workers) -> Engine:
    if workers.ray is not None:
        return RayEngine(job, workers.ray)
    return LocalEngine(job, workers.count)


def _part_bytes(fleet: FleetJob, bags: list[Bag], workers: int) -> int:
    if fleet.part_bytes is not None:
        return fleet.part_bytes
    # One worker alone gains nothing by parts, and reads every bag twice.
    return part_bytes(sum(bag.size_bytes for bag in bags), workers) if workers > 1 else 0


def _name(workers: Workers) -> str:
    return 'local' if workers.ray is None else f'ray {workers.ray.address}'
