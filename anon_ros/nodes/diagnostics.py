# SPDX-License-Identifier: Apache-2.0
"""What stands on /diagnostics: one status for the node, one for each camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from anon_ros.nodes import device_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builtin_interfaces.msg import Time

    from anon_ros.nodes.statistics import Snapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SILENT_S = 5.0
"""A camera that gets frames and gives none for so long is an error."""


@dataclass(frozen=True)
class CameraState:
    """
    What is known of a camera now.

    before: the withheld frames by cause when the last diagnostics were sent. events: incompatible
    QoS and lost messages, counted. is_listening: whether somebody wants its frames.
    """

    topic: str
    now: Snapshot
    before: Mapping[str, int]
    events: Mapping[str, int]
    is_active: bool
    is_listening: bool


def node_status(
    name: str, *, state: str, device: str, problem: str | None, stalled_s: float | None
) -> DiagnosticStatus:
    """
    Return the status of the worker and its memory.

    problem: why the last transition failed, None where it did not: weights missing, no GPU.
    stalled_s: for how long the worker hangs, None while it does not.
    """
    values = {'state': state, 'device': device, 'memory_mib': f'{device_memory.process_mib():.0f}'}
    gpu = device_memory.gpu_mib() if device != 'cpu' else None
    if gpu is not None:
        values['gpu_memory_used_mib'], values['gpu_memory_total_mib'] = (f'{x:.0f}' for x in gpu)
    if stalled_s is not None:
        message = f'the worker has hung for {stalled_s:.1f} s: nothing is anonymized'
        return _status(f'{name}: worker', ERROR, message, values)
    if problem is not None:
        return _status(f'{name}: worker', ERROR, problem, values)
    return _status(f'{name}: worker', OK, state, values)


def camera_status(name: str, camera: str, state: CameraState) -> DiagnosticStatus:
    """Return the status of one camera."""
    level, message = _judge(state)
    now = state.now
    values = {
        'input_topic': state.topic, 'input_hz': f'{now.input_hz:.1f}',
        'output_hz': f'{now.output_hz:.1f}', 'received': str(now.received),
        'published': str(now.published), 'regions': str(now.regions),
        'withheld': str(sum(now.withheld.values())),
        **{f'withheld_{cause}': str(count) for cause, count in sorted(now.withheld.items())},
        'synthesized': str(now.synthesized), 'classic_instead': str(now.classic_instead),
        'queue_age_ms': f'{now.queue_age_ms:.1f}',
        **{f'event_{event}': str(count) for event, count in sorted(state.events.items())},
    }
    for stage, quantiles in now.stages_ms.items():
        for label, value in zip(('p50', 'p95', 'p99'), quantiles, strict=True):
            values[f'{stage}_{label}_ms'] = f'{value:.1f}'
    if now.since_output_s is not None:
        values['since_output_s'] = f'{now.since_output_s:.1f}'
    return _status(f'{name}: {camera}', level, message, values)


def diagnostic_array(stamp: Time, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """Return the message for /diagnostics."""
    array = DiagnosticArray(status=statuses)
    array.header.stamp = stamp
    return array


def _judge(state: CameraState) -> tuple[bytes, str]:
    now = state.now
    if not state.is_active:
        return OK, 'inactive: nothing goes out'
    if not state.is_listening:
        return OK, 'nobody listens'
    is_silent = now.since_output_s is None or now.since_output_s > SILENT_S
    if now.input_hz and is_silent:
        return ERROR, f'frames come in and none goes out: {_causes(now.withheld)}'
    fresh = {
        cause: count - state.before.get(cause, 0) for cause, count in now.withheld.items()
        if count > state.before.get(cause, 0)
    }
    if fresh:
        return WARN, f'frames withheld: {_causes(fresh)}'
    if not now.input_hz:
        return WARN, f'no frame comes in on {state.topic}'
    return OK, 'anonymized'


def _causes(counts: Mapping[str, int]) -> str:
    return ', '.join(f'{count} by {cause}' for cause, count in sorted(counts.items())) or 'none'


def _status(
    name: str, level: bytes, message: str, values: Mapping[str, str]
) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id='anon_ros',
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
