# SPDX-License-Identifier: Apache-2.0
"""What the machinery costs around the networks: copying, memory, and time beside the work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from anon_ros import factory
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.bench.bags import read_payloads, write_bag
from anon_ros.core.regions import Regions
from anon_ros.core.settings import Settings
from anon_ros.media.compressed import open_compressed
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, anonymize_bag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rosbags.typesys.store import Typestore

    from anon_ros.bench.scenes import Scene
    from anon_ros.core.regions import UInt8Array

PLUGINS = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
SMALL_MESSAGES, SMALL_BYTES = 180_000, 200
BIG_MESSAGES, BIG_BYTES = 900, 500_000
MAX_PIXELS = 100_000_000


def measure_copy(folder: Path, storage: str, repeats: int = 5) -> dict[str, object]:
    """
    Return what copying untouched messages costs against a bare rosbags read-write loop.

    Both run in turn on a bag of many small and some large messages; medians.
    """
    source = folder / f'copy_{storage}'
    _write_mixed_bag(source, storage)
    settings = Settings(target=('face',))
    ours, bare = [], []
    for i in range(repeats):
        job = BagJob(source, folder / f'ours_{storage}_{i}')
        ours.append(_timed(partial(anonymize_bag, job, settings, detector=_Blind())))
        target = folder / f'bare_{storage}_{i}'
        bare.append(_timed(partial(_bare_copy, source, target, storage)))
    wall_ratio, cpu_ratio = np.median(ours, axis=0) / np.median(bare, axis=0)
    return {
        'storage': storage, 'messages': SMALL_MESSAGES + BIG_MESSAGES,
        'ours_wall_s': round(float(np.median(ours, axis=0)[0]), 3),
        'rosbags_wall_s': round(float(np.median(bare, axis=0)[0]), 3),
        'wall_ratio': round(float(wall_ratio), 3), 'cpu_ratio': round(float(cpu_ratio), 3),
    }


def measure_memory(
    folder: Path, scenes: Sequence[Scene], frames: int, effort: str = 'fast'
) -> dict[str, object]:
    """Return the peak memory of a whole `anon-ros bag` process on that many 1080p frames."""
    source = folder / f'memory_{frames}'
    write_bag(source, _repeated(scenes, frames))
    command = [
        sys.executable, '-c', 'from anon_ros.cli.main import run; run()', 'bag', str(source),
        str(folder / f'memory_{frames}_done'), '--target', 'face', '--effort', effort, '--json',
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        'frames': frames, 'effort': effort, 'exit_status': process.returncode,
        'peak_mib': round(usage.ru_maxrss / 1024, 1),
    }


def measure_overhead(folder: Path, scenes: Sequence[Scene], frames: int) -> dict[str, object]:
    """
    Return the wall time of the whole run at `fast` over what cannot be avoided.

    That is: decode, network and encode of the same frames, measured alone on one core, CPU time
    over the cores that the run may use.
    """
    settings = replace(Settings(), target=('face',), effort='fast')
    source = folder / 'overhead'
    write_bag(source, _repeated(scenes, frames))
    detector = factory.build_detector(settings, ModelStore())
    detector.detect(scenes[0].image_bgr)
    started_s = time.perf_counter()
    result = anonymize_bag(BagJob(source, folder / 'overhead_done'), settings, detector=detector)
    wall_s = time.perf_counter() - started_s
    alone = _alone(source, result.sidecar / REGIONS_NAME, settings)
    cores = len(os.sched_getaffinity(0))
    unavoidable_s = sum(alone.values()) / cores
    return {
        'frames': frames, 'wall_s': round(wall_s, 3), 'cores': cores,
        **{f'{stage}_cpu_s': round(seconds, 3) for stage, seconds in alone.items()},
        'ratio': round(wall_s / unavoidable_s, 3),
    }


class _Blind:
    """For bags without a camera."""

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return nothing."""
        del image_bgr
        return Regions.empty()


def _alone(source: Path, regions_path: Path, settings: Settings) -> dict[str, float]:
    """Return CPU seconds of each stage over all frames, one frame after the other."""
    detector = factory.build_detector(replace(settings, threads=1), ModelStore())
    anonymizer = factory.build_anonymizer(settings)
    spent = dict.fromkeys(('decode', 'network', 'encode'), 0.0)
    is_warm = False
    for payload, found in zip(read_payloads(source), RegionsReader(regions_path), strict=True):
        frame = open_compressed(payload, max_pixels=MAX_PIXELS)
        if not is_warm:
            detector.detect(frame.view_bgr())
            frame, is_warm = open_compressed(payload, max_pixels=MAX_PIXELS), True
        with _charged(spent, 'decode'):
            image_bgr = frame.view_bgr()
        with _charged(spent, 'network'):
            detector.detect(image_bgr)
        with _charged(spent, 'encode'):
            anonymizer.anonymize(frame, found.regions)
    return spent


@contextmanager
def _charged(spent: dict[str, float], stage: str) -> Iterator[None]:
    start_s = time.process_time()
    yield
    spent[stage] += time.process_time() - start_s


def _repeated(scenes: Sequence[Scene], frames: int) -> Iterator[UInt8Array]:
    for i in range(frames):
        yield scenes[i % len(scenes)].image_bgr


def _write_mixed_bag(path: Path, storage: str) -> None:
    """Write what a vehicle records beside its cameras: IMU, transforms, texts, point clouds."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    small = _small_messages(store)
    cloud_type = 'sensor_msgs/msg/PointCloud2'
    cloud = store.serialize_cdr(_cloud(store), cloud_type)
    with Writer(path, version=9, storage_plugin=PLUGINS[storage]) as writer:
        topics = {
            name: writer.add_connection(f'/{i}', name, typestore=store)
            for i, name in enumerate([*dict.fromkeys(name for name, _ in small), cloud_type])
        }
        every = SMALL_MESSAGES // BIG_MESSAGES
        for i in range(SMALL_MESSAGES):
            name, data = small[i % len(small)]
            writer.write(topics[name], i * 1000, data)
            if i % every == 0:
                writer.write(topics[cloud_type], i * 1000 + 1, cloud)


def _small_messages(store: Typestore) -> list[tuple[str, bytes]]:
    """Return ten messages in the proportions of a recording: mostly IMU and transforms."""
    types, random = store.types, np.random.default_rng(0)
    header = types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=1, nanosec=2), frame_id='base_link'
    )
    vector = types['geometry_msgs/msg/Vector3'](x=1.0, y=2.0, z=3.0)
    turn = types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0)
    imu = types['sensor_msgs/msg/Imu'](
        header=header, orientation=turn, orientation_covariance=random.normal(size=9),
        angular_velocity=vector, angular_velocity_covariance=random.normal(size=9),
        linear_acceleration=vector, linear_acceleration_covariance=random.normal(size=9),
    )
    transform = types['geometry_msgs/msg/TransformStamped'](
        header=header, child_frame_id='camera_link',
        transform=types['geometry_msgs/msg/Transform'](translation=vector, rotation=turn),
    )
    text = types['std_msgs/msg/String'](data=random.bytes(SMALL_BYTES // 2).hex())
    chosen = [imu] * 6 + [types['tf2_msgs/msg/TFMessage'](transforms=[transform] * 2)] * 3 + [text]
    return [
        (each.__msgtype__, bytes(store.serialize_cdr(each, each.__msgtype__))) for each in chosen
    ]


def _cloud(store: Typestore) -> object:
    types = store.types
    header = types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=1, nanosec=2), frame_id='lidar'
    )
    points = np.random.default_rng(0).normal(0, 20, BIG_BYTES // 4).astype(np.float32)
    return types['sensor_msgs/msg/PointCloud2'](
        header=header, height=1, width=BIG_BYTES // 16, fields=[], is_bigendian=False,
        point_step=16, row_step=BIG_BYTES, data=points.view(np.uint8), is_dense=True,
    )


def _bare_copy(source: Path, target: Path, storage: str) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(source) as reader, Writer(
        target, version=9, storage_plugin=PLUGINS[storage]
    ) as writer:
        connections = {
            each.id: writer.add_connection(each.topic, each.msgtype, typestore=store)
            for each in reader.connections
        }
        for connection, stamp_ns, data in reader.messages():
            writer.write(connections[connection.id], stamp_ns, data)


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s
