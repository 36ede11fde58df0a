# SPDX-License-Identifier: Apache-2.0
"""
The node on the graph, measured: added latency, rate, drops, CPU, memory, overload, mixing.

Real processes over real DDS: a synthetic camera, a relay that changes nothing, the node as
`anon-ros node` runs it, and a listener. Relay and node get the same frames in the same run, so
what transport costs is in both. Needs rclpy.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anon_ros.core.regions import UInt8Array
    from anon_ros.nodes.listener import Arrival, Listener

RELAYED = '/relayed/image'
DEADLINE_S = 90.0
_NODE = 'from anon_ros.cli.main import run; run()'
_TICKS_HZ = os.sysconf('SC_CLK_TCK')


@dataclass(frozen=True)
class LiveOptions:
    """
    What is measured.

    cameras, rate_hz: how many, and frames/s of each. seconds: how long, after the first frames.
    parameters: of the node, as NAME:=VALUE.
    """

    cameras: int = 1
    rate_hz: float = 30.0
    seconds: float = 20.0
    parameters: tuple[str, ...] = ('target:=[face]', 'effort:=fast')


def measure_latency(
    images_bgr: Sequence[UInt8Array], options: LiveOptions | None = None
) -> dict[str, object]:
    """
    Return what the node adds to a relay's latency, frame by frame, and what it costs.

    images_bgr: frames of one size, (h, w, 3) uint8, sent in turn.
    """
    options = options or LiveOptions()
    with _running(images_bgr, options, relayed=True) as run:
        run.measure(options.seconds)
        node, relay = run.arrivals(_output(0)), run.arrivals(RELAYED)
        cpu, rss = run.cpu_percent, run.rss_mib
        diagnostics = run.camera_diagnostics(0)
    relay_s = {each.stamp_ns: each.latency_s for each in relay}
    added_s = [
        each.latency_s - relay_s[each.stamp_ns] for each in node if each.stamp_ns in relay_s
    ]
    return {
        'size': _size(images_bgr), 'rate_hz': options.rate_hz, 'seconds': options.seconds,
        'parameters': ' '.join(options.parameters),
        **_quantiles('added', added_s), **_quantiles('node', [each.latency_s for each in node]),
        **_quantiles('relay', [each.latency_s for each in relay]),
        'output_hz': round(len(node) / options.seconds, 1),
        'relay_hz': round(len(relay) / options.seconds, 1),
        'withheld': _withheld(diagnostics), 'cpu_percent': round(cpu), 'rss_mib': round(rss[-1]),
        'stages_p50_ms': _stages(diagnostics),
    }


def measure_overload(
    images_bgr: Sequence[UInt8Array], options: LiveOptions | None = None
) -> dict[str, object]:
    """Return how old frames get in the node when more come than it can take."""
    options = options or LiveOptions(
        parameters=('target:=[face]', 'effort:=thorough', 'max_latency_ms:=2000.0')
    )
    with _running(images_bgr, options) as run:
        run.measure(options.seconds)
        diagnostics, node = run.camera_diagnostics(0), run.arrivals(_output(0))
    latencies_s = [each.latency_s for each in node]
    output_hz = len(node) / options.seconds
    return {
        'size': _size(images_bgr), 'rate_hz': options.rate_hz, 'output_hz': round(output_hz, 1),
        'overload': round(options.rate_hz / output_hz, 1) if output_hz else None,
        'queue_p50_ms': diagnostics.get('queue_p50_ms'),
        'queue_p99_ms': diagnostics.get('queue_p99_ms'),
        'stages_p50_ms': _stages(diagnostics), **_quantiles('node', latencies_s),
        'withheld': _withheld(diagnostics),
    }


def measure_memory(
    images_bgr: Sequence[UInt8Array], options: LiveOptions | None = None
) -> dict[str, object]:
    """Return the node's memory over time; seconds: 600 for ten minutes."""
    options = options or LiveOptions(seconds=600.0)
    with _running(images_bgr, options) as run:
        run.measure(options.seconds)
        rss, frames = run.rss_mib, len(run.arrivals(_output(0)))
    half = len(rss) // 2
    slope = float(np.polyfit(np.arange(len(rss) - half), rss[half:], 1)[0]) * 60 * run.samples_hz
    return {
        'minutes': round(options.seconds / 60, 1), 'frames': frames,
        'first_mib': round(rss[0], 1), 'middle_mib': round(rss[half], 1),
        'last_mib': round(rss[-1], 1), 'peak_mib': round(max(rss), 1),
        'slope_of_second_half_mib_per_minute': round(slope, 3),
    }


def measure_cameras(
    images_bgr: Sequence[UInt8Array], options: LiveOptions | None = None
) -> dict[str, object]:
    """Return each camera's rate, and how many frames came out where another's belong: 0."""
    options = options or LiveOptions(cameras=6, rate_hz=5.0)
    with _running(images_bgr, options) as run:
        run.measure(options.seconds)
        arrivals = [run.arrivals(_output(camera)) for camera in range(options.cameras)]
        cpu, rss, worker = run.cpu_percent, run.rss_mib, run.worker_diagnostics()
    mixed = sum(
        not _is_of(each, camera) for camera, each_camera in enumerate(arrivals)
        for each in each_camera
    )
    latencies_s = [each.latency_s for each_camera in arrivals for each in each_camera]
    return {
        'cameras': options.cameras, 'size': _size(images_bgr), 'rate_hz': options.rate_hz,
        'output_hz': [round(len(each) / options.seconds, 1) for each in arrivals],
        'mixed': mixed, 'out_of_order': sum(map(_out_of_order, arrivals)),
        **_quantiles('node', latencies_s), 'cpu_percent': round(cpu), 'rss_mib': round(rss[-1]),
        'gpu_memory_used_mib': worker.get('gpu_memory_used_mib'),
    }


class _Run:
    """The processes of one measurement, and what was seen of them."""

    samples_hz = 1.0

    def __init__(self, listener: Listener, node: subprocess.Popen[bytes], cameras: int) -> None:
        self.cpu_percent = 0.0
        self.rss_mib: list[float] = []
        self._listener = listener
        self._node = node
        self._cameras = cameras

    def arrivals(self, topic: str) -> list[Arrival]:
        return list(self._listener.arrivals[topic])

    def camera_diagnostics(self, camera: int) -> Mapping[str, str]:
        return self._listener.diagnostics.get(f'/anonymizer: camera_{camera}', {})

    def worker_diagnostics(self) -> Mapping[str, str]:
        return self._listener.diagnostics.get('/anonymizer: worker', {})

    def wait_for_frames(self) -> None:
        """Wait until every camera's frames come out: networks are loaded and warm then."""
        end_s = time.monotonic() + DEADLINE_S
        while not all(self._listener.arrivals.values()):
            if self._node.poll() is not None or time.monotonic() > end_s:
                raise UsageError('the node does not run here: try `anon-ros node` by itself')
            time.sleep(0.1)
        time.sleep(2.0)
        self._listener.forget()

    def measure(self, seconds: float) -> None:
        """Let it run, and look at the node's memory and processor time."""
        start_s, start_cpu_s = time.monotonic(), _cpu_s(self._node.pid)
        while time.monotonic() - start_s < seconds:
            self.rss_mib.append(_rss_mib(self._node.pid))
            time.sleep(min(1 / self.samples_hz, seconds))
        spent_s = _cpu_s(self._node.pid) - start_cpu_s
        self.cpu_percent = 100 * spent_s / (time.monotonic() - start_s)


@contextmanager
def _running(
    images_bgr: Sequence[UInt8Array], options: LiveOptions, *, relayed: bool = False
) -> Iterator[_Run]:
    """Start everything on a ROS domain of its own; end it all afterwards."""
    from anon_ros.nodes.dds_profile import use_profile
    from anon_ros.nodes.listener import Listener

    use_profile()
    os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randrange(1, 101))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    names = [f'camera_{camera}' for camera in range(options.cameras)]
    topics = [_output(camera) for camera in range(options.cameras)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        np.save(folder / 'images.npy', np.stack(images_bgr))
        parameters = [
            item for each in (f'cameras:=[{", ".join(names)}]', *options.parameters)
            for item in ('-p', each)
        ]
        node = stack.enter_context(_process('-c', _NODE, 'node', '--ros-args', *parameters))
        if relayed:
            topics.append(RELAYED)
            stack.enter_context(
                _process('-m', 'anon_ros.nodes.relay', '/camera_0/image_raw', RELAYED)
            )
        listener = stack.enter_context(Listener(topics))
        stack.enter_context(_process(
            '-m', 'anon_ros.nodes.synthetic_camera', str(folder / 'images.npy'),
            str(options.cameras), str(options.rate_hz),
        ))
        run = _Run(listener, node, options.cameras)
        run.wait_for_frames()
        yield run


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _output(camera: int) -> str:
    return f'/anonymized/camera_{camera}/image'


def _is_of(arrival: Arrival, camera: int) -> bool:
    """Tell whether all three marks of a frame are those of the camera."""
    from anon_ros.nodes.synthetic_camera import MARKS, camera_name, mark

    return (
        arrival.stamp_ns % MARKS == camera and arrival.frame_id == camera_name(camera)
        and arrival.first_bytes == bytes([mark(camera)] * 3)
    )


def _out_of_order(arrivals: Sequence[Arrival]) -> int:
    stamps_ns = [each.stamp_ns for each in arrivals]
    return sum(later <= earlier for earlier, later in pairwise(stamps_ns))


def _quantiles(name: str, seconds: Sequence[float]) -> dict[str, object]:
    if not seconds:
        return {f'{name}_p50_ms': None, f'{name}_p95_ms': None, f'{name}_p99_ms': None}
    values_ms = np.percentile(seconds, (50, 95, 99)) * 1e3
    return {
        f'{name}_p{quantile}_ms': round(float(value), 1)
        for quantile, value in zip((50, 95, 99), values_ms, strict=True)
    }


def _withheld(diagnostics: Mapping[str, str]) -> str:
    found = {
        name.removeprefix('withheld_'): value for name, value in diagnostics.items()
        if name.startswith('withheld_')
    }
    return ', '.join(f'{value} {cause}' for cause, value in found.items()) or 'none'


def _stages(diagnostics: Mapping[str, str]) -> str:
    end = '_p50_ms'
    found = {
        name.removesuffix(end): value for name, value in diagnostics.items() if name.endswith(end)
    }
    return ', '.join(f'{stage} {value}' for stage, value in found.items())


def _size(images_bgr: Sequence[UInt8Array]) -> str:
    height, width = images_bgr[0].shape[:2]
    return f'{width}x{height}'


def _cpu_s(pid: int) -> float:
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_HZ


def _rss_mib(pid: int) -> float:
    pages = int(Path(f'/proc/{pid}/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20
